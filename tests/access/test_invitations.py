"""Invitations: who may give which role, and what becomes of their links, on every engine."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from muster.access import invitations as invitations_module
from muster.access.administrators import (
    ENDED_INVITATION_KIND,
    EVERYWHERE,
    INVITATION_KIND,
    PASSKEYS_KIND,
    all_permissions,
    digest,
)
from muster.access.invitations import InvitationOver, Invitations, Inviter, command_line
from muster.access.permissions import ADMIN, AUDIT, READ, SCIM, SETTINGS
from muster.base.clock import timestamp
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeFilter
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item
from tests.access.test_administrators import HERE, PASSWORD, admin, here, outcomes

__all__ = ["here"]
EMAIL = "sam@example.com"


def inviter(roles, admin_id="ada"):
    return Inviter(HERE, roles, admin_id, "Ada (ada@example.com)")


@pytest.fixture
def invitations(here):
    return Invitations(here.storage, here.administrators)


def invite(here, invitations, roles=None, by=None, **options):
    by = by or inviter(all_permissions())
    token, made = here.run(
        invitations.create(by, roles or {"1": [AUDIT]}, options.pop("name", "Sam"), **options)
    )
    return token, made


def log(here):
    rows, _ = here.run(here.storage.search_changes(INSTALLATION, None, 50, ChangeFilter()))
    return [(row.type, row.action, json.loads(row.document)) for row in rows]


def test_an_invitation_names_the_role_and_makes_an_administrator_with_it(here, invitations):
    token, _ = invite(here, invitations)
    found = here.run(invitations.find(token))
    assert (found.name, found.roles, found.place) == ("Sam", {"1": [AUDIT]}, "1")
    assert found.invited_by == "Ada (ada@example.com)"
    made = here.run(invitations.accept(token, EMAIL, PASSWORD, HERE))
    assert made.permissions(1) == (AUDIT,)
    profile = here.run(here.administrators.profile(made.id))
    assert (profile.name, profile.invited_by) == ("Sam", "Ada (ada@example.com)")
    assert profile.signed_in is None
    here.run(here.administrators.begin(made, HERE, "", made, "invitation"))
    assert here.run(here.administrators.profile(made.id)).signed_in is not None
    assert here.run(invitations.pending()) == []
    events = [(kind, action) for kind, action, _ in log(here)]
    assert ("Invitation", "create") in events
    assert ("Invitation", "accept") in events


def test_an_invitation_makes_one_administrator(here, invitations):
    token, _ = invite(here, invitations)
    accepted = [invitations.accept(token, f"a{n}@example.com", PASSWORD, HERE) for n in range(4)]
    made = [each for each in outcomes(here, *accepted) if not isinstance(each, Exception)]
    assert len(made) == len(here.run(here.administrators.all())) == 1


def test_a_link_says_why_it_does_not_work(here, invitations, clock):
    def over(token):
        with pytest.raises(InvitationOver) as caught:
            here.run(invitations.find(token))
        with pytest.raises(InvitationOver):
            here.run(invitations.accept(token, "x@example.com", PASSWORD, HERE))
        assert caught.value.status == 410
        return caught.value.detail

    revoked, made = invite(here, invitations)
    here.run(invitations.revoke(inviter(all_permissions()), made.id))
    assert "revoked. Ask Ada (ada@example.com) for a new one" in over(revoked)
    used, _ = invite(here, invitations)
    here.run(invitations.accept(used, EMAIL, PASSWORD, HERE))
    assert "already used. If you used it, sign in" in over(used)
    expired, _ = invite(here, invitations, lifetime=timedelta(hours=2))
    clock.advance(hours=3)
    assert "has expired. Ask Ada (ada@example.com)" in over(expired)
    assert "Ask an administrator" in over("unknown")
    clock.advance(days=31)
    invite(here, invitations)  # sweeps the expired one
    assert "expired or was already used" in over(expired)


@pytest.mark.parametrize(
    ("held", "given"),
    [
        ({"1": [ADMIN]}, {"2": [AUDIT]}),
        ({"1": [ADMIN]}, {EVERYWHERE: [AUDIT]}),
        ({"1": [AUDIT]}, {"1": [AUDIT, SETTINGS]}),
        ({"1": [SETTINGS]}, {"1": [ADMIN]}),
        ({"1": [READ]}, {"1": [SCIM]}),
        ({EVERYWHERE: [AUDIT]}, {"1": [SCIM]}),
        ({}, {"1": [AUDIT]}),
    ],
)
def test_nobody_gives_a_role_that_they_do_not_have(here, invitations, held, given):
    with pytest.raises(ScimError) as caught:
        invite(here, invitations, given, inviter(held))
    assert caught.value.status == 403
    _, made = invite(here, invitations, given)
    with pytest.raises(ScimError) as caught:
        here.run(invitations.revoke(inviter(held), made.id))
    assert caught.value.status == 403
    assert len(here.run(invitations.pending())) == 1


@pytest.mark.parametrize(
    ("held", "given"),
    [
        ({"1": [ADMIN]}, {"1": [ADMIN]}),
        ({"1": [SCIM]}, {"1": [READ]}),
        ({EVERYWHERE: [AUDIT]}, {"1": [AUDIT]}),
        (all_permissions(), all_permissions()),
    ],
)
def test_a_role_within_the_inviters_own_is_given(here, invitations, held, given):
    _, made = invite(here, invitations, given, inviter(held))
    assert made.roles == given


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"roles": {"1": []}}, "permission"),
        ({"roles": {"1": ["Fly"]}}, "permission"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"lifetime": timedelta(days=8)}, "expires"),
        ({"lifetime": timedelta(0)}, "expires"),
    ],
)
def test_a_wrong_invitation_is_refused_by_its_field(here, invitations, changed, field):
    with pytest.raises(ScimError) as caught:
        invite(here, invitations, **changed)
    assert (caught.value.status, caught.value.detail.partition(":")[0]) == (400, field)


def test_removing_an_administrator_ends_the_invitations_they_sent(here, invitations):
    admin(here)
    leaving = admin(here, "bob@example.com")
    sent, _ = invite(here, invitations, by=inviter(all_permissions(), leaving.id))
    other, _ = invite(here, invitations)
    here.run(here.administrators.remove(leaving, HERE))
    with pytest.raises(InvitationOver):
        here.run(invitations.find(sent))
    assert here.run(invitations.find(other))


def test_an_invitation_of_an_earlier_version_is_listed_and_accepted(here, invitations):
    later = timestamp(_in_an_hour())
    body = {"roles": all_permissions(), "expires": later}
    item = Item(INSTALLATION, INVITATION_KIND, digest("old"), body)
    here.run(here.storage.administer([item]))
    [found] = here.run(invitations.pending())
    assert (found.name, found.invited_by) == ("", "")
    assert here.run(invitations.accept("old", EMAIL, PASSWORD, HERE)).everywhere


def _in_an_hour():
    from muster.base import clock

    return clock.now() + timedelta(hours=1)


def test_passkeys_left_by_an_earlier_version_do_not_pass_to_a_new_account(here, invitations):
    left = Item(INSTALLATION, PASSKEYS_KIND, digest(EMAIL)[:16], {"passkeys": []})
    here.run(here.storage.administer([left]))
    token, _ = invite(here, invitations)
    made = here.run(invitations.accept(token, EMAIL, PASSWORD, HERE))
    assert not here.run(here.administrators.has_second_factor(made))
    here.run(here.storage.administer([replace(made.item(), body=None), left]))
    made = here.run(here.administrators.create(EMAIL, PASSWORD, all_permissions(), HERE))
    assert not here.run(here.administrators.has_second_factor(made))


def test_the_command_line_may_give_everything(here, invitations):
    _, made = invite(here, invitations, all_permissions(), command_line())
    assert made.invited_by == "the operator of this installation"
    [(_, action, document)] = log(here)
    assert (action, document["name"]) == ("create", "Sam")


def refused(here, invitations, *given, **options):
    with pytest.raises(ScimError) as caught:
        invite(here, invitations, *given, **options)
    assert caught.value.status == 409
    return caught.value.detail


@pytest.mark.parametrize("where", ["1", EVERYWHERE])
def test_so_many_invitations_to_a_workspace_are_pending_and_no_more(
    here, invitations, monkeypatch, where
):
    monkeypatch.setattr(invitations_module, "MOST_PENDING", 3)
    roles = {where: [AUDIT]}
    for n in range(3):
        invite(here, invitations, roles, inviter(all_permissions(), f"admin {n}"))
    said = refused(here, invitations, roles, inviter(all_permissions(), "another"))
    assert said.startswith("3 invitations to ")
    assert invite(here, invitations, {"2": [AUDIT]})  # another workspace
    assert invite(here, invitations, roles, command_line())
    for _ in range(2):
        pending = here.run(invitations.pending())
        made = next(each for each in pending if each.place == where)
        here.run(invitations.revoke(command_line(), made.id))
    invite(here, invitations, roles)


def test_so_many_invitations_of_an_administrator_are_pending_and_no_more(
    here, invitations, monkeypatch
):
    monkeypatch.setattr(invitations_module, "_MOST_BY_ONE", 2)
    sent = [invite(here, invitations, {str(n): [AUDIT]})[1] for n in range(2)]
    assert "have made" in refused(here, invitations, {"3": [AUDIT]})
    assert invite(here, invitations, {"1": [AUDIT]}, inviter(all_permissions(), "bob"))
    assert invite(here, invitations, {"3": [AUDIT]}, command_line())
    here.run(invitations.revoke(inviter(all_permissions()), sent[0].id))
    invite(here, invitations, {"3": [AUDIT]})


def test_simultaneous_invitations_do_not_exceed_the_limits(here, invitations, monkeypatch):
    monkeypatch.setattr(invitations_module, "MOST_PENDING", 4)
    monkeypatch.setattr(invitations_module, "_MOST_BY_ONE", 3)
    by = [inviter(all_permissions(), name) for name in ("ada", "bob") for _ in range(6)]
    made = outcomes(here, *(invitations.create(each, {"1": [AUDIT]}) for each in by))
    refused = [each for each in made if isinstance(each, ScimError)]
    assert {each.status for each in refused} == {409}
    assert len(made) - len(refused) == len(here.run(invitations.pending())) == 4


def test_an_invitation_that_depends_on_a_changed_item_is_not_made(here, invitations):
    read = Item(INSTALLATION, INVITATION_KIND, "other", None)
    here.run(here.storage.administer([replace(read, body={"roles": {}, "expires": "2000"})]))
    with pytest.raises(Outdated):
        invite(here, invitations, standing=[read])


@pytest.mark.parametrize("end", ["revoke", "accept"])
def test_so_many_ended_invitations_of_a_workspace_are_kept_and_no_more(
    here, invitations, monkeypatch, clock, end
):
    monkeypatch.setattr(invitations_module, "_MOST_ENDED", 3)

    def ended(place, number):
        token, made = invite(here, invitations, {place: [AUDIT]})
        clock.advance(seconds=1)
        if end == "revoke":
            here.run(invitations.revoke(command_line(), made.id))
        else:
            here.run(invitations.accept(token, f"{number}@{place}.example", PASSWORD, HERE))
        return token

    other = ended("2", 0)
    links = [ended("1", number) for number in range(5)]
    kept = here.run(here.storage.items(INSTALLATION, ENDED_INVITATION_KIND))
    assert sorted(item.id for item in kept) == sorted(map(digest, [other, *links[-3:]]))
    for link in [other, *links[-3:]]:
        with pytest.raises(InvitationOver, match=r"was revoked|was already used\. If you used it"):
            here.run(invitations.find(link))
    with pytest.raises(InvitationOver, match="has expired or was already used"):
        here.run(invitations.find(links[0]))


def test_expired_invitations_do_not_count_and_only_the_newest_are_kept(
    here, invitations, monkeypatch, clock
):
    for limit in ("MOST_PENDING", "_MOST_BY_ONE", "_MOST_EXPIRED"):
        monkeypatch.setattr(invitations_module, limit, 2)
    other, _ = invite(here, invitations, {"2": [AUDIT]}, inviter(all_permissions(), "bob"))
    for _ in range(3):
        first, _ = invite(here, invitations)
        invite(here, invitations)
        clock.advance(seconds=3601)
    invite(here, invitations)
    left = [each.place for each in here.run(invitations.pending()) if each.expired]
    assert sorted(left) == ["1", "1", "2"]
    with pytest.raises(InvitationOver, match=r"has expired\. Ask Ada"):
        here.run(invitations.find(first))
    with pytest.raises(InvitationOver):
        here.run(invitations.find(other))
