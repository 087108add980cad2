"""Trusts: which tokens are credentials of which connection."""

import asyncio

import pytest

from muster.access.connections import Connections
from muster.access.oauth import trusts
from muster.access.oauth.key_sets import InvalidJwt, KeySets, unverified
from muster.access.oauth.trusts import TRUST_KIND, Trusts
from muster.base import clock
from muster.scim.errors import ScimError
from tests.support.people import name
from tests.support.signed import RSA, STRANGER, public, signed

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
V1 = f"https://sts.windows.net/{TENANT}/"
V2 = f"https://login.microsoftonline.com/{TENANT}/v2.0"


async def fetch(url):
    """Answer as Microsoft Entra ID does: both versions have keys at another host."""
    if "down" in url:
        raise ScimError(502, "Identity provider: no response")
    for issuer in (V1, V2):
        if url == f"{issuer.rstrip('/')}/.well-known/openid-configuration":
            return {"issuer": issuer, "jwks_uri": "https://login.example/common/discovery/keys"}
    if url == "https://login.example/common/discovery/keys":
        return public(RSA)
    return {"issuer": "https://other.example"}


class Place:
    """The trusts of a storage, with an audience of the test's own."""

    def __init__(self, bench, by):
        self.run, self.storage, self.by = bench.run, bench.storage, by
        self.trusts = Trusts(bench.storage, KeySets(fetch))
        self.audience = name("api://")

    def trust(self, by=None, issuer=V2, tenant=TENANT, subject="s", connection="default"):
        given = (by or self.by, connection, issuer, self.audience, subject, tenant)
        return self.run(self.trusts.create(*given))

    def token(self, key=RSA, issuer=V2, **claims):
        now = int(clock.seconds())
        given = {"iss": issuer, "aud": self.audience, "sub": "s", "tid": TENANT}
        return signed({**given, "nbf": now - 5, "exp": now + 3600, **claims}, key, typ="JWT")

    def read(self, token):
        header, claims = unverified(token)
        return self.run(self.trusts.read(token, header, claims))[0]


@pytest.fixture
def place(bench, administrator):
    return Place(bench, administrator)


@pytest.mark.parametrize(("issuer", "version"), [(V1, "1.0"), (V2, "2.0")])
def test_tokens_of_both_versions_of_entra_are_accepted(place, issuer, version):
    made = place.trust(issuer=issuer)
    shape = {"ver": version, "idtyp": "app", "oid": "s", "rh": "0.x", "uti": "x"}
    shape |= {"appid": "00000014-0000-0000-c000-000000000000"} if version == "1.0" else {"azp": "x"}
    assert place.read(place.token(issuer=issuer, **shape)) == made
    assert place.read(place.token(issuer=issuer, aud=[place.audience])) == made
    with pytest.raises(InvalidJwt):
        place.read(place.token(issuer=V1 if issuer == V2 else V2))


@pytest.mark.parametrize(
    "claims",
    [{"tid": None}, {"tid": "x"}, {"sub": "t"}, {"aud": "x"}, {"exp": 1}, {"nbf": 2**40}],
    ids=str,
)
def test_tokens_with_other_claims_are_refused(place, claims):
    place.trust()
    with pytest.raises(InvalidJwt):
        place.read(place.token(**claims))
    with pytest.raises(InvalidJwt):
        place.read(place.token(STRANGER))


def test_a_trust_without_a_tenant_accepts_every_tenant(place):
    made = place.trust(tenant=None)
    assert place.read(place.token()) == made
    assert place.read(place.token(tid=None)) == made


def test_nobody_draws_the_tokens_of_another_workspace_to_their_own(place, newcomer):
    """A more exact trust for the same tokens would take them from their workspace."""
    made, intruder = place.trust(tenant=None), newcomer()
    for tenant in (TENANT, None, "x"):
        with pytest.raises(ScimError) as refusal:
            place.trust(intruder, tenant=tenant)
        assert refusal.value.status == 409
    assert place.read(place.token()) == made


def test_two_at_once_cannot_both_trust_the_same_tokens(place, newcomer):
    administrators = [newcomer() for _ in range(4)]

    async def at_once():
        made = (
            place.trusts.create(by, "default", V2, place.audience, "s", TENANT)
            for by in administrators
        )
        return await asyncio.gather(*made, return_exceptions=True)

    results = place.run(at_once())
    made = [result for result in results if not isinstance(result, Exception)]
    assert len(made) == 1
    assert {result.status for result in results if isinstance(result, Exception)} == {409}
    assert place.read(place.token()) == made[0]


def test_tokens_of_a_deleted_trust_are_refused_and_can_be_trusted_elsewhere(place, newcomer):
    made, other = place.trust(), newcomer()
    place.run(place.trusts.delete(place.by, made))
    with pytest.raises(InvalidJwt):
        place.read(place.token())
    assert place.trust(other).workspace == other.workspace.id
    assert place.read(place.token()).workspace == other.workspace.id


def test_the_tokens_of_a_deleted_connection_can_be_trusted_again(place, newcomer, clock):
    made, other = place.trust(), newcomer()
    item = made.to_item()
    place.run(place.storage.administer([trusts.replace(item, body=None)]))  # as connections do
    with pytest.raises(InvalidJwt):
        place.read(place.token())
    clock.advance(minutes=2)
    assert place.trust(other)
    assert place.read(place.token()).workspace == other.workspace.id


@pytest.mark.parametrize(
    ("issuer", "why"),
    [
        ("https://down.example/", "cannot be found"),
        ("https://misnamed.example/", "names itself"),
        ("ftp://x.example/", "absolute URL"),
        ("", "absolute URL"),
    ],
)
def test_an_issuer_without_keys_is_not_trusted(place, issuer, why):
    with pytest.raises(ScimError, match=why) as refusal:
        place.trust(issuer=issuer)
    assert refusal.value.status == 400
    assert place.run(place.storage.items(place.by.workspace.id, TRUST_KIND)) == []


def test_no_trust_is_left_of_a_connection_that_is_deleted_meanwhile(
    place, newcomer, connection, monkeypatch
):
    connections, load = Connections(place.storage), KeySets.load

    async def slow(key_sets, issuer):
        await connections.delete(place.by, connection)
        return await load(key_sets, issuer)

    monkeypatch.setattr(KeySets, "load", slow)
    with pytest.raises(ScimError) as refusal:
        place.trust(connection=connection)
    assert refusal.value.status == 404
    assert place.run(place.storage.items(place.by.workspace.id, TRUST_KIND)) == []
    monkeypatch.undo()
    assert place.trust(newcomer())  # nobody has its tokens


def test_trusts_are_listed_by_connection_and_limited(place, connection, monkeypatch):
    made = place.trust(connection=connection)
    workspace = place.by.workspace.id
    assert place.run(place.trusts.all(workspace, connection)) == [made]
    assert place.run(place.trusts.all(workspace, "default")) == []
    assert place.run(place.trusts.get(workspace, connection, made.id)) == made
    with pytest.raises(ScimError, match="not found"):
        place.run(place.trusts.get(workspace, "default", made.id))
    monkeypatch.setattr(trusts, "MAX_TRUSTS", 1)
    with pytest.raises(ScimError, match="at most 1"):
        place.trust(subject="t")
