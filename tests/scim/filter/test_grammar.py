"""The filter grammar: parsing, writing, and the position of errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.filter.grammar import (
    MAX_DEPTH,
    MAX_TERMS,
    And,
    Compare,
    Not,
    Or,
    Present,
    ValuePath,
    parse,
    to_text,
)
from tests.support.strategies import filters

STRICT = Dialect(strict=True)


@given(filters())
def test_the_text_of_a_filter_parses_to_the_same_filter(node):
    assert parse(to_text(node), STRICT) == node


@given(st.text(max_size=60))
def test_any_text_parses_or_is_an_invalid_filter(text):
    try:
        node = parse(text, STRICT)
    except ScimError as error:
        caught = error
    else:
        assert parse(to_text(node), STRICT) == node
        return
    assert (caught.status, caught.scim_type) == (400, "invalidFilter")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_any_string_survives_its_escapes(text):
    assert parse(to_text(Compare("title", "eq", text)), STRICT) == Compare("title", "eq", text)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ('userName Eq "bjensen"', Compare("userName", "eq", "bjensen")),
        (
            'title pr AND userType eq "Employee"',
            And((Present("title"), Compare("userType", "eq", "Employee"))),
        ),
        (
            "a eq 1 or b eq 2 and not (c eq true)",
            Or(
                (Compare("a", "eq", 1), And((Compare("b", "eq", 2), Not(Compare("c", "eq", True)))))
            ),
        ),
        (
            'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")',
            And(
                (
                    Compare("userType", "eq", "Employee"),
                    Or(
                        (
                            Compare("emails", "co", "example.com"),
                            Compare("emails.value", "co", "example.org"),
                        )
                    ),
                )
            ),
        ),
        (
            'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"]',
            Or(
                (
                    ValuePath(
                        "emails",
                        And(
                            (Compare("type", "eq", "work"), Compare("value", "co", "@example.com"))
                        ),
                    ),
                    ValuePath("ims", Compare("type", "eq", "xmpp")),
                )
            ),
        ),
        (r'title eq "a\"\u00e9\\"', Compare("title", "eq", 'a"é\\')),
        ("x lt -1.5e3", Compare("x", "lt", -1500.0)),
        ("x eq null", Compare("x", "eq", None)),
        (
            'urn:ietf:params:scim:schemas:core:2.0:User:name.familyName sw "J"',
            Compare("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName", "sw", "J"),
        ),
    ],
)
def test_text_parses_to_the_expected_filter(text, node):
    assert parse(text, STRICT) == node


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("userName", 9),
        ("userName eq", 12),
        ("userName eq bjensen", 13),
        ("userName is 'x'", 13),
        ('userName eq "x" userName eq "y"', 17),
        ('userName eq "x" and', 20),
        ('(userName eq "x"', 17),
        ('userName eq "x")', 16),
        ('emails[type eq "work"', 22),
        ("emails[]", 8),
        ('not userName eq "x"', 5),
        ('a eq "\\x"', 6),
        ('a eq "unclosed', 6),
        ("a eq 01", 6),
        ("a eq 1e999", 6),
        ("a eq 99999999999999999999", 6),
        ('a eq "\\ud800"', 6),
        ('a eq "\\u0000"', 6),
        ("e[a[b eq 1]]", 4),
        ('emails[type eq "work"].value eq "x"', 23),
    ],
)
def test_an_error_names_its_position(text, position):
    with pytest.raises(ScimError) as caught:
        parse(text, STRICT)
    assert caught.value.scim_type == "invalidFilter"
    assert f"position {position}:" in caught.value.detail


@pytest.mark.parametrize(
    "text",
    [
        "(" * 41 + "a pr" + ")" * 41,
        " or ".join(["a pr"] * 201),
        'a eq "' + "x" * 9000 + '"',
        "not (" * 500 + "a pr" + ")" * 500,
    ],
)
def test_a_filter_over_a_limit_is_refused(text):
    with pytest.raises(ScimError) as caught:
        parse(text, STRICT)
    assert caught.value.scim_type == "invalidFilter"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 8000,
        '"' * 8000,
        "\\" * 8000,
        "a[" * 4000,
        "a eq " * 1600,
        'a eq "' + "\\\\" * 4000,
        "1" * 8000,
    ],
)
def test_hostile_filters_are_refused(text):
    """Exponential time would exceed the timeout of the test."""
    with pytest.raises(ScimError):
        parse(text, STRICT)


def test_the_sub_attribute_after_a_value_path_is_a_dialect():
    dialect = Dialect()
    node = parse('emails[type eq "work"].value eq "x"', dialect)
    assert node == ValuePath(
        "emails", And((Compare("type", "eq", "work"), Compare("value", "eq", "x")))
    )
    assert dialect.seen == ["value-path-sub-attribute"]


@pytest.mark.parametrize("nested", ["({})", "not ({})", "emails[{}]"])
def test_filters_nest_so_deep_and_no_deeper(nested):
    inner = "value pr" if "emails" in nested else "userName pr"

    def filter_of(depth):
        text = inner
        for level in range(depth):
            text = nested.format(text) if level == depth - 1 else f"({text})"
        return text

    parse(filter_of(MAX_DEPTH), Dialect(strict=True))
    with pytest.raises(ScimError, match=f"{MAX_DEPTH}"):
        parse(filter_of(MAX_DEPTH + 1), Dialect(strict=True))


def test_filters_have_so_many_terms_and_no_more():
    parse(" or ".join(["userName pr"] * MAX_TERMS), Dialect(strict=True))
    with pytest.raises(ScimError, match=f"{MAX_TERMS}"):
        parse(" or ".join(["userName pr"] * (MAX_TERMS + 1)), Dialect(strict=True))
