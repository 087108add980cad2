"""Set-up links: their terms, their progress and their end, on every engine."""

import asyncio
import contextlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.access.connections import DEFAULT, Connections
from muster.access.lifecycle import resume_workspace, suspend_workspace
from muster.access.setup_links import (
    MAX_CONTACT,
    STEPS,
    TOKEN_KIND,
    NewLink,
    SetupLinks,
    SetupOver,
    check_contact,
    check_return_url,
    digest,
    forget_links,
    link_from_item,
)
from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION
from tests.access.conftest import HERE
from tests.storage.conftest import bench

__all__ = ["bench"]


class Links:
    """The set-up links of one workspace."""

    def __init__(self, bench, administrator):
        self.bench, self.by = bench, administrator
        self.workspace = administrator.workspace.id
        self.connections = Connections(bench.storage)
        self.links = SetupLinks(bench.storage, self.connections)

    def run(self, action):
        return self.bench.run(action)

    def create(self, by=None, connection=None, **terms):
        by = by or self.by
        chosen = self.run(self.connections.chosen(by.workspace.id, connection or DEFAULT))
        return self.run(self.links.create(by, NewLink(chosen, **terms)))

    def find(self, token):
        return self.run(self.links.find(token))

    async def make_credential(self, setup, credential_id):
        kept = (await self.links.claim_credential(setup, "oauth-client", HERE))(credential_id)
        await self.bench.storage.administer(kept.puts, kept.notes, kept.standing)

    def log(self):
        rows, _ = self.run(
            self.bench.storage.search_changes(self.workspace, None, 50, ChangeFilter())
        )
        return [
            (row.action, row.origin.actor, json.loads(row.document))
            for row in rows
            if row.type == "SetupLink"
        ]


@pytest.fixture
def links(bench, administrator):
    return Links(bench, administrator)


def test_a_token_leads_to_its_link_alone_and_is_not_stored(links):
    token, made = links.create(provider="okta", contact="Ada", return_url="https://app.example/")
    found = links.find(token)
    assert (found.workspace.id, found.link) == (links.workspace, made)
    assert made.digest == digest(token) != token
    assert token not in str(made.to_item(1).body)
    assert made.step == "credential"
    for other in ("", token[:-1], token + "x", made.digest, "\ud800"):
        with pytest.raises(SetupOver):
            links.find(other)
    assert [(action, actor) for action, actor, _ in links.log()] == [("create", "test")]
    assert made.digest not in str(links.log())


def test_links_of_one_workspace_are_not_seen_from_another(links, bench):
    _, made = links.create()
    other = replace(links.by, workspace=bench.new_workspace())
    assert links.run(links.links.all(other.workspace.id)) == []
    for attempt in (
        links.links.get(other.workspace.id, made.id),
        links.links.revoke(other, made.id),
    ):
        with pytest.raises(ScimError) as refused:
            links.run(attempt)
        assert refused.value.status == 404


def test_a_link_ends_at_its_time_or_when_it_is_revoked(links, monkeypatch):
    token, made = links.create(days=2, contact="ada@example.com")
    later, _ = links.create(days=3)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=2, seconds=1))
    with pytest.raises(SetupOver, match=r"has expired\. Ask ada@example\.com for a new one"):
        links.find(token)
    setup = links.find(later)
    assert links.run(links.links.revoke(links.by, setup.link.id)).state == "revoked"
    with pytest.raises(SetupOver, match="was revoked"):
        links.find(later)
    with pytest.raises(SetupOver):
        links.run(links.links.advance(setup, "test", HERE))
    states = {link.id: link.state for link in links.run(links.links.all(links.workspace))}
    assert states == {made.id: "expired", setup.link.id: "revoked"}


def test_of_two_credentials_at_once_one_is_kept(links):
    token, _ = links.create(provider="entra")
    setup = links.find(token)

    async def at_once():
        made = (links.make_credential(setup, credential) for credential in ("1.a", "1.b"))
        return await asyncio.gather(*made, return_exceptions=True)

    outcomes = links.run(at_once())
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "Outdated"]
    kept = ("1.a", "1.b")[outcomes.index(None)]
    assert links.find(token).link.credential.id == kept
    with pytest.raises(Outdated):  # the page that it was asked from is an old one
        links.run(links.make_credential(setup, "1.c"))
    links.run(links.make_credential(links.find(token), "1.c"))
    assert links.find(token).link.credential.id == "1.c"
    links.run(links.links.revoke(links.by, setup.link.id))
    with pytest.raises((SetupOver, Outdated)):
        links.run(links.make_credential(setup, "1.d"))


def test_the_progress_is_kept_and_audited_as_the_link(links):
    connection = links.run(links.connections.create(links.by, {"name": "Staff"}))
    token, made = links.create(connection="Staff")
    assert (made.step, made.connection) == ("provider", connection.id)
    setup = links.find(token)
    links.run(links.links.open(setup, HERE))
    links.run(links.links.open(setup, HERE))  # at once again changes nothing
    links.run(links.links.choose(setup, "entra", HERE))
    links.run(links.make_credential(setup, "1.abc"))
    links.run(links.links.advance(links.find(token), "mapping", HERE))
    links.run(links.links.advance(links.find(token), "credential", HERE))  # going back
    found = links.find(token).link
    assert (found.provider, found.step, found.state) == ("entra", "mapping", "opened")
    assert (found.credential.kind, found.credential.id) == ("oauth-client", "1.abc")
    assert links.run(links.connections.get(links.workspace, connection.id)).provider == "entra"
    assert links.run(links.links.advance(links.find(token), "done", HERE)).state == "finished"
    assert links.find(token).link.finished  # it can still be looked at
    actions = [(action, actor) for action, actor, _ in links.log()]
    assert sorted(actions) == sorted(
        [
            ("create", "test"),
            *(
                (action, made.actor)
                for action in ("open", "choose", "credential", "step", "finish")
            ),
        ]
    )


def test_unknown_steps_and_providers_are_refused(links):
    token, _ = links.create()
    setup = links.find(token)
    for attempt in (
        links.links.choose(setup, "acme", HERE),
        links.links.advance(setup, "paid", HERE),
    ):
        with pytest.raises(ScimError) as refused:
            links.run(attempt)
        assert refused.value.status == 400
    assert links.find(token).link.step == STEPS[0]


@pytest.mark.parametrize(
    "terms",
    [
        {"days": 0},
        {"days": 31},
        {"provider": "acme"},
        {"return_url": "http://app.example/"},
        {"contact": "x" * (MAX_CONTACT + 1)},
        {"contact": "a\nb"},
    ],
)
def test_invalid_terms_create_no_link(links, terms):
    with pytest.raises(ScimError) as refused:
        links.create(**terms)
    assert refused.value.status == 400
    assert links.run(links.links.all(links.workspace)) == []


def test_a_deleted_connection_ends_its_links(links):
    connection = links.run(links.connections.create(links.by, {"name": "Staff"}))
    token, _ = links.create(connection="Staff")
    links.run(links.connections.delete(links.by, connection.id))
    with pytest.raises(SetupOver, match="no longer exists"):
        links.find(token)


def test_only_so_many_links_work_at_a_time(links, monkeypatch):
    monkeypatch.setattr("muster.access.setup_links.MAX_LINKS", 2)
    _, first = links.create()
    links.create()
    with pytest.raises(ScimError) as refused:
        links.create()
    assert refused.value.status == 409
    links.run(links.links.revoke(links.by, first.id))
    links.create()


def test_the_link_of_a_suspended_workspace_waits_until_it_is_resumed(links):
    token, made = links.create()
    storage, workspace = links.bench.storage, links.by.workspace
    links.run(suspend_workspace(storage, workspace, "The invoice is overdue", HERE))
    with pytest.raises(SetupOver, match=r"was suspended at .*: The invoice is overdue"):
        links.find(token)
    links.run(resume_workspace(storage, workspace, HERE))
    assert links.find(token).link == made


def entry(links, made):
    """The item by which a token is found."""
    return links.run(links.bench.storage.item(INSTALLATION, TOKEN_KIND, made.digest))


def test_links_that_ended_before_the_retention_are_forgotten(links, clock):
    token, made = links.create(days=1)
    _, revoked = links.create(days=30)
    links.run(links.links.revoke(links.by, revoked.id))
    clock.advance(days=5)
    _, later = links.create(days=30)
    clock.advance(days=2)
    oldest = timestamp(clock.moment - timedelta(days=6, seconds=1))
    storage = links.bench.storage
    links.run(forget_links(storage, links.workspace, oldest))
    assert links.run(links.links.all(links.workspace)) == [made, later]
    assert entry(links, revoked) is None
    oldest = timestamp(clock.moment - timedelta(days=5))
    links.run(forget_links(storage, links.workspace, oldest))
    assert links.run(links.links.all(links.workspace)) == [later]
    assert entry(links, made) is None
    with pytest.raises(SetupOver, match="no longer known"):
        links.find(token)
    clock.advance(days=300)
    links.run(forget_links(storage, links.workspace, timestamp(clock.moment)))
    assert links.run(links.links.all(links.workspace)) == []


def test_only_so_many_ended_links_are_kept(links, clock, monkeypatch):
    monkeypatch.setattr("muster.access.setup_links.MAX_ENDED", 2)
    made = []
    for _ in range(4):
        clock.advance(seconds=1)
        made.append(links.create(days=1)[1])
        links.run(links.links.revoke(links.by, made[-1].id))
    clock.advance(seconds=1)
    _, works = links.create()
    kept = links.run(links.links.all(links.workspace))
    assert [link.id for link in kept] == [made[2].id, made[3].id, works.id]
    assert entry(links, made[1]) is None
    assert entry(links, made[2]) is not None


def test_the_last_opening_is_kept_with_its_address(links, clock):
    token, _ = links.create()
    first, other = (replace(HERE, address=address) for address in ("192.0.2.1", "192.0.2.2"))
    begun = timestamp(clock.moment)
    assert links.run(links.links.open(links.find(token), first)).last_opened == begun
    clock.advance(seconds=30)
    links.run(links.links.open(links.find(token), first))  # reloaded
    clock.advance(seconds=31)
    again = links.run(links.links.open(links.find(token), first))
    assert (again.opened, again.last_opened) == (begun, timestamp(clock.moment))
    links.run(links.links.open(links.find(token), other))
    found = links.find(token).link
    assert (found.opened, found.last_address) == (begun, "192.0.2.2")
    details = [detail for action, _, detail in links.log() if action == "open"]
    assert [detail.get("lastOpened") for detail in details].count(begun) == 1
    assert len(details) == 3


def test_a_link_of_an_earlier_version_is_read(links):
    _, made = links.create()
    item = made.to_item(links.workspace)
    body = {name: value for name, value in item.body.items() if not name.startswith("last")}
    found = link_from_item(replace(item, body={**body, "opened": "2026-01-01T00:00:00.000Z"}))
    assert (found.last_opened, found.last_address) == ("2026-01-01T00:00:00.000Z", "")


@pytest.mark.parametrize(
    "url",
    ["https://app.example", "https://app.example:8443/a?b=c#d", "http://localhost:3000/done"],
)
def test_a_page_may_lead_back_to_https_and_to_loopback(url):
    assert check_return_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//app.example/",
        "/done",
        "http://app.example/",
        "https://",
        "https:///done",
        "https://ada:secret@app.example/",
        "https://app.example\\@evil.example/",
        "https://app.example/\n",
        "https://app.example/a b",
        "https://[::1",
        "https://app.example:port/",
        "data:text/html,x",
        "https://app.example/" + "x" * 3000,
    ],
)
def test_a_page_leads_nowhere_else(url):
    with pytest.raises(ScimError) as refused:
        check_return_url(url)
    assert refused.value.detail.startswith("returnUrl: ")


@given(st.text())
def test_any_text_is_a_url_to_return_to_or_refused(text):
    with contextlib.suppress(ScimError):
        assert check_return_url(text).startswith(("https://", "http://"))


@given(st.text(max_size=MAX_CONTACT))
def test_a_contact_is_one_line(text):
    with contextlib.suppress(ScimError):
        assert len(check_contact(text).splitlines()) < 2
