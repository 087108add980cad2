"""Connectors: their settings, and who may sign in with them."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muster.access.administrators import Administrators
from muster.access.connectors import CONNECTOR_KIND, Connectors, Setter
from muster.access.openid import Identity, OpenId, ProviderFailed
from muster.access.permissions import ADMIN, AUDIT, SCIM, SETTINGS
from muster.scim.errors import ScimError
from muster.storage.port.items import INSTALLATION
from tests.access.conftest import HERE

SETTINGS_OF_A_CONNECTOR = {
    "title": "Corp",
    "issuer": "https://id.example",
    "clientId": "muster",
    "clientSecret": "s3cret",
    "allowedDomains": ["corp.example"],
    "permissions": [SCIM],
}
ANN = Identity("ann", "ann@corp.example", verified=True)


class Reachable(OpenId):
    """An OpenID client that finds every provider but one."""

    async def check(self, issuer):
        if "down" in issuer:
            raise ProviderFailed("no response")


class Place:
    """The connectors of a storage, and a workspace."""

    def __init__(self, bench, private=False):
        self.run, self.storage = bench.run, bench.storage
        self.workspace = bench.new_workspace()
        self.administrators = Administrators(bench.storage)
        self.connectors = Connectors(bench.storage, self.administrators, Reachable(private))
        self.by = Setter(self.workspace.id, HERE, (ADMIN,))

    def put(self, by=None, **settings):
        given = {**SETTINGS_OF_A_CONNECTOR, **settings}
        given = {name: value for name, value in given.items() if value is not ...}
        return self.run(self.connectors.put(by or self.by, given))

    def secret(self):
        item = self.run(self.storage.item(self.workspace.id, CONNECTOR_KIND, "connector"))
        return item.body["clientSecret"]

    def welcome(self, connector, identity=ANN, place=None):
        place = self.workspace.id if place is None else place
        return self.run(self.connectors.welcome(place, connector, identity, HERE, "browser"))

    def session(self, token):
        return self.run(self.administrators.session(token))

    def refused(self, work, *arguments, **named):
        with pytest.raises(ScimError) as caught:
            work(*arguments, **named)
        return caught.value


@pytest.fixture
def place(bench):
    return Place(bench)


def test_a_connector_is_kept_and_shown_without_its_secret(place):
    made = place.put()
    assert place.run(place.connectors.get(place.workspace.id)) == made
    shown = {**SETTINGS_OF_A_CONNECTOR, "trustEmail": False}
    del shown["clientSecret"]
    assert made.shown() == shown
    (change,) = place.run(place.storage.changes(place.workspace.id, 0, 10))
    assert (change.type, change.action, orjson.loads(change.document)) == (
        "OpenIdConnector",
        "update",
        shown,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", ""), ("title", "x" * 501), ("title", "a\nb"), ("title", ...), ("title", 7),
        ("clientId", " "), ("clientSecret", ""), ("clientSecret", ...), ("clientSecret", 7),
        ("issuer", "nonsense"), ("issuer", "http://id.example"), ("issuer", "https://"),
        ("issuer", "https://id.example?x=y"), ("issuer", "https://id.example#x"),
        ("issuer", "https://ann@id.example"), ("issuer", "https://:pw@id.example"),
        ("issuer", "https://[::1"), ("issuer", "https://[zz]/"), ("issuer", "https://x:99999999/"),
        ("issuer", "https://down.example"),
        ("allowedDomains", []), ("allowedDomains", "corp.example"), ("allowedDomains", ["*.example"]),
        ("allowedDomains", ["a@b.example"]), ("allowedDomains", [""]), ("allowedDomains", [7]),
        ("allowedDomains", ["a.example"] * 101), ("allowedDomains", ["x" * 254]),
        ("permissions", []), ("permissions", ["Fly"]), ("trustEmail", "yes"), ("trustEmail", 1),
    ],
)  # fmt: skip
def test_an_invalid_setting_is_refused_by_name(place, name, value):
    error = place.refused(place.put, **{name: value})
    assert (error.status, error.scim_type) == (400, "invalidValue")
    assert name in error.detail
    assert place.run(place.connectors.get(place.workspace.id)) is None


def test_an_unknown_setting_or_another_body_is_refused(place):
    assert "secret" in place.refused(place.put, secret="x").detail
    for body in (None, [], "x"):
        error = place.refused(lambda b=body: place.run(place.connectors.put(place.by, b)))
        assert error.status == 400


def test_plain_http_is_allowed_with_private_addresses(bench):
    place = Place(bench, private=True)
    assert place.put(issuer="http://localhost:8080").client.issuer == "http://localhost:8080"


def test_the_secret_is_kept_for_the_same_issuer_only(place):
    place.put()
    assert place.put(title="Other", clientSecret="").title == "Other"
    assert place.put(clientSecret=...).client.client_secret == place.secret() == "s3cret"
    error = place.refused(place.put, clientSecret="", issuer="https://another.example")
    assert "clientSecret" in error.detail
    assert place.secret() == "s3cret"
    place.put(clientSecret="new")
    assert place.secret() == "new"


def test_domains_are_folded_and_unique(place):
    made = place.put(allowedDomains=[" Corp.Example ", "corp.example", "b.example"])
    assert made.domains == ("corp.example", "b.example")


def test_nobody_grants_or_takes_permissions_beyond_their_own(place):
    lesser = replace(place.by, permissions=(SCIM, AUDIT))
    error = place.refused(place.put, lesser, permissions=[SCIM, SETTINGS])
    assert (error.status, SETTINGS in error.detail) == (403, True)
    place.put(lesser, permissions=[SCIM])
    place.put(permissions=[ADMIN])
    assert place.refused(place.put, lesser, permissions=[SCIM]).status == 403
    assert place.refused(lambda: place.run(place.connectors.delete(lesser))).status == 403
    assert place.run(place.connectors.get(place.workspace.id)).permissions == (ADMIN,)


def test_a_connector_is_found_by_the_name_of_its_workspace(place):
    assert place.run(place.connectors.find(place.workspace.name)) is None
    made = place.put()
    assert place.run(place.connectors.find(place.workspace.name)) == (place.workspace.id, made)
    assert place.run(place.connectors.find("nothing")) is None


def test_who_signs_in_has_the_permissions_of_the_connector_in_its_workspace_only(place, bench):
    admin = place.session(place.welcome(place.put(permissions=[SCIM, AUDIT]))).admin
    assert set(admin.permissions(place.workspace.id)) == {SCIM, AUDIT}
    assert admin.permissions(bench.new_workspace().id) == ()
    assert (admin.email, admin.password) == (ANN.email, None)


def test_a_connector_of_the_installation_admits_to_every_workspace(place):
    by = Setter(INSTALLATION, HERE, (ADMIN,))
    made = place.put(by)
    assert place.run(place.connectors.find("")) == (INSTALLATION, made)
    admin = place.session(place.welcome(made, place=INSTALLATION)).admin
    assert admin.permissions(place.workspace.id) == (SCIM,)
    place.run(place.connectors.delete(by))
    assert place.run(place.connectors.find("")) is None


def test_a_person_is_known_by_subject_and_never_by_address(place):
    connector = place.put()
    first = place.session(place.welcome(connector)).admin
    renamed = place.session(place.welcome(connector, replace(ANN, email="new@corp.example"))).admin
    assert (renamed.id, renamed.created, renamed.email) == (
        first.id,
        first.created,
        "new@corp.example",
    )
    other = place.session(place.welcome(connector, replace(ANN, subject="eve"))).admin
    assert other.id != first.id
    elsewhere = place.put(issuer="https://another.example", clientSecret="x")
    assert place.session(place.welcome(elsewhere)).admin.id != first.id


DOMAINS = st.sampled_from(("corp.example", "CORP.example", "evil.example", "x.corp.example"))


@given(st.sampled_from(("ann", "Ann", "a.b+c", "ann@x", "", "a b", '"a"', "é")), DOMAINS)
@example("ann", "corp.example.")
@example("ann", "\uff43orp.example")
@example("ann", "corp\u3002example")
@example("ann", "corp.example\n")
def test_an_address_is_admitted_if_it_is_plainly_at_an_allowed_domain(bench, local, domain):
    place = Place(bench)
    connector, identity = place.put(), replace(ANN, email=f"{local}@{domain}")
    is_admitted = local in ("ann", "Ann", "a.b+c", "é") and domain.lower() == "corp.example"
    if is_admitted:
        assert place.session(place.welcome(connector, identity)).admin.email == identity.email
    else:
        assert place.refused(place.welcome, connector, identity).status == 403


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("verified", [None, False, True])
def test_trust_replaces_a_missing_verification_and_never_overrides_one(place, trusted, verified):
    connector, identity = place.put(trustEmail=trusted), replace(ANN, verified=verified)
    if verified or (verified is None and trusted):
        assert place.session(place.welcome(connector, identity))
    else:
        assert "verified" in place.refused(place.welcome, connector, identity).detail


@pytest.mark.parametrize("change", ["put", "delete"])
def test_a_changed_connector_signs_out_only_those_who_used_it(place, bench, change):
    other = Place(bench)
    token, elsewhere = place.welcome(place.put()), other.welcome(other.put())
    if change == "put":
        place.put(title="Another")
    else:
        place.run(place.connectors.delete(place.by))
    assert place.session(token) is None
    assert other.session(elsewhere) is not None
    admins = place.run(place.administrators.all())
    places = {place.workspace.id, other.workspace.id}
    assert [a.connector for a in admins if a.connector in places] == [other.workspace.id]


def test_a_sign_in_that_overlaps_a_change_of_the_connector_does_not_last(place):
    outdated = place.put()
    place.put(allowedDomains=["another.example"])
    assert place.refused(place.welcome, outdated).status == 403
    admins = place.run(place.administrators.all())
    assert [admin for admin in admins if admin.connector == place.workspace.id] == []


def test_deleting_an_absent_connector_is_404(place):
    assert place.refused(lambda: place.run(place.connectors.delete(place.by))).status == 404
