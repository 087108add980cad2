"""At most one element is primary, however documents and PATCHes mark them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.primary import check_primary, is_primary, move_primary, one_primary, primary_first
from muster.scim.schema.model import registry

EMAILS = registry().types["/Users"].core.attributes["emails"]
elements = st.lists(
    st.fixed_dictionaries(
        {"value": st.sampled_from(["a@x", "b@x"])}, optional={"primary": st.booleans()}
    ),
    max_size=5,
)


@given(elements)
def test_the_primary_element_comes_first_and_the_rest_keeps_its_order(given_elements):
    ordered = primary_first(given_elements)
    assert [one for one in ordered if is_primary(one)] == ordered[: sum(map(is_primary, ordered))]
    for wanted in (True, False):
        assert [one for one in ordered if is_primary(one) is wanted] == [
            one for one in given_elements if is_primary(one) is wanted
        ]


@given(elements)
def test_a_document_has_one_primary_or_is_refused(given_elements):
    values = {one["value"] for one in given_elements if is_primary(one)}
    marked = sum(map(is_primary, given_elements))
    dialect = Dialect()
    if marked > 1 and len(values) > 1:
        with pytest.raises(ScimError, match="at most one element may be primary"):
            one_primary(EMAILS, given_elements, "emails", dialect)
        return
    kept = one_primary(EMAILS, given_elements, "emails", dialect)
    check_primary(kept, "emails")
    assert [one["value"] for one in kept] == [one["value"] for one in given_elements]
    assert sum(map(is_primary, kept)) == min(marked, 1)
    if marked < 2:
        assert kept == given_elements
    else:
        first = next(n for n, one in enumerate(given_elements) if is_primary(one))
        assert is_primary(kept[first])
        with pytest.raises(ScimError):
            one_primary(EMAILS, given_elements, "emails", Dialect(strict=True))


@given(elements, st.data())
def test_a_patch_moves_primary_to_the_element_that_it_touched(given_elements, data):
    touched = data.draw(
        st.lists(st.integers(0, len(given_elements) - 1), max_size=2) if given_elements else
        st.just([])
    )  # fmt: skip
    for position in touched:
        given_elements[position]["primary"] = True
    if len(set(touched)) > 1:
        with pytest.raises(ScimError):
            move_primary(given_elements, touched, "Operations[0]")
        return
    moved = move_primary(given_elements, touched, "Operations[0]")
    if not touched:
        assert moved == given_elements
        return
    assert [n for n, one in enumerate(moved) if is_primary(one)] == [touched[0]]
    for before, after in zip(given_elements, moved, strict=True):
        if not is_primary(before):
            assert after == before


def test_only_true_marks_an_element():
    assert not any(map(is_primary, [{}, {"primary": False}, {"primary": 1}, "text", None]))


@given(elements)
def test_two_primary_elements_are_too_many(given_elements):
    if sum(map(is_primary, given_elements)) > 1:
        with pytest.raises(ScimError, match="at most one element may be primary"):
            check_primary(given_elements, "emails")
    else:
        check_primary(given_elements, "emails")
