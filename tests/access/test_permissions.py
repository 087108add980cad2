"""Permissions: nobody does, or hands on, more than they hold."""

from hypothesis import given
from hypothesis import strategies as st

from muster.access.permissions import ADMIN, PERMISSIONS, allows, beyond, lacking

held = st.lists(st.sampled_from([*PERMISSIONS, ADMIN]), unique=True).map(tuple)
needed = st.lists(st.sampled_from(PERMISSIONS), max_size=5)


@given(held, needed)
def test_admin_has_every_permission_and_others_have_their_own(own, wanted):
    everything = set(PERMISSIONS) if ADMIN in own else set(own)
    assert [allows(own, one) for one in wanted] == [one in everything for one in wanted]
    assert set(lacking(own, wanted)) == set(wanted) - everything
    assert set(beyond(own, wanted)) == set(wanted) - everything


@given(held)
def test_only_admin_hands_on_admin(own):
    assert beyond(own, [ADMIN]) == ([] if ADMIN in own else [ADMIN])
