"""The stamps by which a form notices that somebody else has saved it since."""

import pytest

from muster.console.stamps import CHANGED, check_unchanged, has_changed, seen, stamp_of
from muster.console.web import Visit
from muster.scim.errors import ScimError


def visit(sent=None):
    return Visit(None, None, fields={} if sent is None else {"seen": [sent]})


def test_a_stamp_is_that_of_the_values_in_any_order():
    assert stamp_of({"a": 1, "b": None}) == stamp_of({"b": None, "a": 1})
    assert len({stamp_of({"a": 1}), stamp_of({"a": 2}), stamp_of({"a": "1"}), stamp_of({})}) == 4


def test_a_form_without_a_stamp_is_accepted():
    assert not has_changed(visit(), {"a": 1})
    check_unchanged(visit(), {"a": 1})


def test_a_form_that_showed_other_values_is_refused():
    check_unchanged(visit(stamp_of({"a": 1})), {"a": 1})
    with pytest.raises(ScimError) as refused:
        check_unchanged(visit(stamp_of({"a": 1})), {"a": 2})
    assert (refused.value.status, refused.value.detail) == (409, CHANGED)


@pytest.mark.parametrize(
    ("sent", "error", "expected"),
    [
        (None, "", "current"),
        ("sent", "", "sent"),
        ("sent", "name: enter a name", "sent"),
        ("sent", CHANGED, "current"),
        (None, "name: enter a name", "current"),
    ],
)
def test_the_stamp_of_a_form_that_is_shown_again(sent, error, expected):
    shown = seen(visit(sent), {"a": 1}, error)
    assert shown == ("sent" if expected == "sent" else stamp_of({"a": 1}))
