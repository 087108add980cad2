"""Evaluating predicates: logic, and RFC 7644 section 3.4.2.2 on missing values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.filter.evaluate import is_present, matches, same_value
from muster.scim.filter.predicate import All, Negation, Some, bind
from muster.scim.filter.shapes import read_filter
from muster.scim.schema.model import registry
from tests.support.strategies import filters, users

USER_TYPE = registry().types["/Users"]


@st.composite
def cases(draw):
    document = read(draw(users()), USER_TYPE, Dialect())
    predicates = [bind(draw(filters()), USER_TYPE, Dialect()) for _ in range(2)]
    return document, *predicates


@given(cases())
def test_and_or_and_not_are_those_of_logic(case):
    document, first, second = case
    one, other = matches(first, document), matches(second, document)
    assert matches(All((first, second)), document) == (one and other)
    assert matches(Some((first, second)), document) == (one or other)
    assert matches(Negation(first), document) == (not one)
    assert matches(All(()), document)
    assert not matches(Some(()), document)


def is_matched(text, **document):
    return matches(read_filter(text, USER_TYPE, Dialect()), document)


@pytest.mark.parametrize("operator", ["eq", "co", "sw", "ew", "gt", "ge", "lt", "le"])
def test_a_missing_value_matches_no_operator_but_ne(operator):
    assert not is_matched(f'title {operator} "x"')
    assert is_matched(f'not (title {operator} "x")')
    assert is_matched('title ne "x"')


@pytest.mark.parametrize(
    ("text", "title", "expected"),
    [
        ('title eq "GUIDE"', "guide", True),
        ('title eq "guides"', "guide", False),
        ('title co "UI"', "guide", True),
        ('title sw "gu"', "guide", True),
        ('title sw "ui"', "guide", False),
        ('title ew "de"', "guide", True),
        ('title ew "id"', "guide", False),
        ('title gt "guide"', "guide", False),
        ('title ge "guide"', "guide", True),
        ('title gt "guid"', "guide", True),
        ('title lt "guide"', "guide", False),
        ('title le "guide"', "guide", True),
        ('title lt "guidf"', "guide", True),
        ('title ne "guide"', "GUIDE", False),
        ("title pr", "guide", True),
        ("title pr", "", False),
    ],
)
def test_operators_on_text(text, title, expected):
    assert is_matched(text, title=title) is expected


def test_a_value_path_asks_for_one_element_that_has_it_all():
    emails = [{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "home"}]
    apart = 'emails.type eq "work" and emails.value eq "b@x"'
    assert is_matched(apart, emails=emails)
    assert not is_matched('emails[type eq "work" and value eq "b@x"]', emails=emails)
    assert is_matched('emails[type eq "home" and value eq "b@x"]', emails=emails)


def test_moments_compare_by_time_and_not_by_text():
    meta = {"created": "2026-01-01T00:00:00Z"}
    assert is_matched('meta.created eq "2026-01-01T01:00:00+01:00"', meta=meta)
    assert is_matched('meta.created lt "2026-01-01T00:00:00.001Z"', meta=meta)


def test_a_value_is_present_if_something_in_it_is():
    assert not any(map(is_present, [None, "", [], {}, [""], {"a": None}, [{"a": ""}]]))
    assert all(map(is_present, [0, False, " ", ["", "x"], {"a": {"b": False}}]))


def test_values_are_the_same_by_type_and_case():
    attributes = USER_TYPE.core.attributes
    assert same_value(attributes["username"], "Ada", "ADA")
    assert not same_value(attributes["username"], "Ada", "Adb")
    assert not same_value(attributes["active"], True, False)
