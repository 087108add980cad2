"""Roles in words."""

import pytest

from muster.access.administrators import EVERYWHERE, all_permissions
from muster.access.permissions import (
    ADMIN,
    AUDIT,
    EDIT_ROLES,
    NOTES,
    PERMISSIONS,
    READ,
    RESTORE,
    SCIM,
    SETTINGS,
)
from muster.console.roles import (
    CHOICES,
    allowed_in_words,
    note_of,
    place_in_words,
    role_in_words,
    withheld_in_words,
)


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (all_permissions(), "Owner"),
        ({"1": [ADMIN]}, "Owner"),
        ({"1": [AUDIT]}, "Auditor"),
        ({"1": [SETTINGS, AUDIT]}, f"{SETTINGS}, {AUDIT}"),
        ({"1": [AUDIT], "2": [AUDIT]}, "Auditor"),
        ({"1": [AUDIT], "2": [ADMIN]}, "Auditor; Owner"),
    ],
)
def test_a_role_has_a_title_or_else_its_permissions(roles, words):
    assert role_in_words(roles) == words


def test_every_choice_is_recognised_by_its_permissions():
    for choice in CHOICES.values():
        assert role_in_words({"1": list(reversed(choice.permissions))}) == choice.title
        assert set(choice.permissions) <= {ADMIN, *PERMISSIONS}


@pytest.mark.parametrize(
    ("permissions", "withheld"),
    [
        ((AUDIT,), "users and groups, settings, API keys or other administrators"),
        ((AUDIT, READ), "users and groups, settings, API keys or other administrators"),
        ((SCIM,), "settings, API keys or other administrators"),
        ((RESTORE, AUDIT), "settings, API keys or other administrators"),
        ((SETTINGS, EDIT_ROLES), "users and groups or other administrators"),
        (PERMISSIONS, "other administrators"),
    ],
)
def test_a_role_says_what_it_allows_and_what_it_does_not(permissions, withheld):
    allowed = allowed_in_words(permissions)
    assert sorted(allowed) == sorted(NOTES[permission] for permission in permissions)
    assert withheld_in_words(permissions) == f"Cannot change {withheld}."


def test_a_list_has_a_sentence_about_each_role():
    assert note_of((AUDIT,)) == CHOICES["auditor"].note
    assert note_of((AUDIT, SETTINGS)) == f"{NOTES[SETTINGS]} {NOTES[AUDIT]}"


def test_an_owner_may_do_everything():
    assert allowed_in_words((ADMIN, AUDIT)) == [CHOICES["owner"].note]
    assert withheld_in_words((ADMIN, AUDIT)) == ""


def test_a_place_is_a_workspace_or_all_of_them():
    assert place_in_words(EVERYWHERE, {}) == "all workspaces"
    assert place_in_words("7", {"7": "acme"}) == "acme"
    assert place_in_words("8", {"7": "acme"}) == "a deleted workspace"
