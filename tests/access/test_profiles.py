"""Profiles: the settings that they set, require and keep from connections."""

from dataclasses import replace

import pytest

from muster.access import profiles
from muster.scim.errors import ScimError
from muster.storage.port.accounts import IPSIE, Workspace

PLAIN = Workspace(1, "w", "rfc7644", strict=False, created="2026-01-01T00:00:00Z")
IPSIE_SETTINGS = {**profiles.REQUIRED, "rate_limit": profiles.LEAST_RATE, "profile": IPSIE}
PROFILED = replace(PLAIN, **IPSIE_SETTINGS)


def test_choosing_a_profile_sets_what_it_requires():
    assert profiles.completed(PLAIN, {"profile": IPSIE}) == IPSIE_SETTINGS


@pytest.mark.parametrize(("before", "after"), [(None, 1500), (0, 1500), (1499, 1500), (9000, 9000)])
def test_a_rate_limit_is_kept_if_it_is_enough(before, after):
    chosen = profiles.completed(replace(PLAIN, rate_limit=before), {"profile": IPSIE})
    assert chosen["rate_limit"] == after


@pytest.mark.parametrize("given", [{}, {"strict": True}, {"profile": "none"}])
def test_other_changes_are_left_as_they_are(given):
    assert profiles.completed(PLAIN, given) == given
    assert profiles.completed(PROFILED, given) == given


def test_a_setting_in_the_same_change_is_checked_and_not_replaced():
    given = profiles.completed(PLAIN, {"profile": IPSIE, "strict": False})
    with pytest.raises(ScimError, match="strict: the profile ipsie requires true"):
        profiles.check(replace(PLAIN, **given))


def test_every_required_setting_is_checked():
    profiles.check(PROFILED)
    profiles.check(PLAIN)
    others = {"strict": False, "contract": "cortex", "unique_group_names": False}
    others |= {"scim_credentials": "any", "rate_limit": 0}
    assert set(others) == {*profiles.REQUIRED, "rate_limit"}
    for name, value in others.items():
        with pytest.raises(ScimError) as refused:
            profiles.check(replace(PROFILED, **{name: value}))
        assert refused.value.status == 409


def test_a_connection_keeps_its_settings_only_where_the_profile_allows_them():
    own = {"strict": False, "contract": "cortex", "rate_limit": 5, "guard_mode": "hold"}
    assert profiles.enforced(PLAIN, replace(PLAIN, **own)) == replace(PLAIN, **own)
    allowed = replace(PROFILED, guard_mode="hold")
    assert profiles.enforced(PROFILED, replace(PROFILED, **own)) == allowed
    faster = replace(PROFILED, rate_limit=2000)
    assert profiles.enforced(PROFILED, faster) == faster
