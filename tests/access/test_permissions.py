"""Permissions: nobody does, or hands on, more than they hold."""

from hypothesis import given
from hypothesis import strategies as st

from muster.access.permissions import ADMIN, PERMISSIONS, READ, SCIM, allows, beyond, lacking

held = st.lists(st.sampled_from([*PERMISSIONS, ADMIN]), unique=True).map(tuple)
needed = st.lists(st.sampled_from(PERMISSIONS), max_size=5)


@given(held, needed)
def test_admin_has_every_permission_and_others_have_their_own(own, wanted):
    everything = set(PERMISSIONS) if ADMIN in own else {*own, *((READ,) if SCIM in own else ())}
    assert [allows(own, one) for one in wanted] == [one in everything for one in wanted]
    assert set(lacking(own, wanted)) == set(wanted) - everything
    assert set(beyond(own, wanted)) == set(wanted) - everything


def test_the_scim_permission_includes_reading_and_not_the_other_way_round():
    assert allows((SCIM,), READ)
    assert beyond((SCIM,), [READ]) == []
    assert not allows((READ,), SCIM)
    assert beyond((READ,), [SCIM]) == [SCIM]


@given(held)
def test_only_admin_hands_on_admin(own):
    assert beyond(own, [ADMIN]) == ([] if ADMIN in own else [ADMIN])
