"""Tokens of filters and paths, with the white space between them."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from muster.scim.errors import ScimError
from muster.scim.filter.lexer import MAX_LENGTH, misspaced, tokens

WORDS = ("userName", "eq", "and", "not", "emails.value", "urn:a:b:2.0:User:x", "$ref", "true")
MARKS = ("(", ")", "[", "]", ".")
LITERALS = ('"a b"', '"\\u00e9\\n"', "7", "-1.5e3")
PIECES = st.sampled_from((*WORDS, *MARKS, *LITERALS))


@given(st.lists(st.tuples(st.sampled_from((" ", "  ", "\t")), PIECES), max_size=8))
def test_tokens_and_their_gaps_are_the_whole_text(pieces):
    text = "".join(gap + piece for gap, piece in pieces)
    found = tokens(text)
    assert "".join(token.gap + token.text for token in found) == text
    assert [token.text for token in found[:-1]] == [piece for _, piece in pieces]
    assert found[-1].kind == "end"
    for token in found:
        assert text[token.position - 1 :].startswith(token.text)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@example('"\\')
def test_a_json_string_is_one_token_with_its_value(text):
    token, end = tokens(json.dumps(text))
    assert (token.kind, token.value, end.kind) == ("string", text, "end")


@given(
    st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
)
def test_a_json_number_is_one_token_with_its_value(number):
    token, _ = tokens(json.dumps(number))
    assert (token.kind, token.value) == ("number", number)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ('a eq "open', 6), ("a eq 'x'", 6), ("a eq 01", 6), ("a eq 1.", 6), ("a eq +1", 6),
        ('a eq "\n"', 6), ('a eq "\\x"', 6), ("a & b", 3), ("  %", 3), ("é eq 1", 1), ("a\npr", 2), ("a\u00a0pr", 2),
        ("a eq 9223372036854775808", 6), ("a eq 1e999", 6), ('a eq "\\u0000"', 6),
        ('a eq "\\ud800"', 6), ("a eq 1" + "0" * 64, 6),
    ],
)  # fmt: skip
def test_an_error_has_the_position_of_the_character_that_fits_no_token(text, position):
    with pytest.raises(ScimError, match=rf"position {position}\b") as caught:
        tokens(text)
    assert (caught.value.status, caught.value.scim_type) == (400, "invalidFilter")


def test_a_text_has_at_most_so_many_characters():
    assert len(tokens("a " * (MAX_LENGTH // 2))) == MAX_LENGTH // 2 + 1
    with pytest.raises(ScimError, match="8,192"):
        tokens("a" * (MAX_LENGTH + 1))


@pytest.mark.parametrize(
    "text",
    ['a eq "x" and not (b pr)', "not(a pr)", 'emails[type eq "x"].value', "(a pr or b pr)", ""],
)
def test_text_spaced_as_in_the_grammar(text):
    assert misspaced(tokens(text)) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("a  pr", "pr"), ("a\tpr", "pr"), (" a pr", "a"), ("a pr ", ""), ("( a pr)", "a"),
        ("(a pr )", ")"), ('emails [type eq "x"]', "["), ("not  (a pr)", "("), ('a eq"x"', '"x"'),
    ],
)  # fmt: skip
def test_the_first_token_with_other_space_is_returned(text, at):
    assert misspaced(tokens(text)).text == at
