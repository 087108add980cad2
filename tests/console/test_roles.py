"""Roles in words."""

import pytest

from muster.access.administrators import EVERYWHERE, all_permissions
from muster.access.permissions import ADMIN, AUDIT, PERMISSIONS, SETTINGS
from muster.console.roles import CHOICES, place_in_words, role_in_words


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


def test_a_place_is_a_workspace_or_all_of_them():
    assert place_in_words(EVERYWHERE, {}) == "all workspaces"
    assert place_in_words("7", {"7": "acme"}) == "acme"
    assert place_in_words("8", {"7": "acme"}) == "a deleted workspace"
