"""Media types and JSON bodies (RFC 7644 section 3.1)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.wire.media import (
    PLAIN_JSON,
    SCIM_JSON,
    UnsupportedMedia,
    answer_type,
    check_content_type,
    parse_json,
)
from muster.scim.errors import ScimError
from muster.scim.schema.discovery import Limits

LIMITS = Limits(200, max_values=1000, max_elements=50)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


class Asked:
    """A request with headers."""

    def __init__(self, **headers):
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def header(self, name):
        return self._headers.get(name)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, SCIM_JSON),
        ("*/*", SCIM_JSON),
        (SCIM_JSON, SCIM_JSON),
        (PLAIN_JSON, PLAIN_JSON),
        ("Application/JSON; q=0.9", PLAIN_JSON),
        (f"{PLAIN_JSON}, {SCIM_JSON}", SCIM_JSON),
        (f"{PLAIN_JSON}, */*;q=0.1", SCIM_JSON),
        (f"{PLAIN_JSON}, application/*", SCIM_JSON),
        ("text/html", SCIM_JSON),
    ],
)
def test_the_answer_is_scim_json_unless_only_json_is_accepted(accept, expected):
    assert answer_type(Asked(accept=accept)) == expected


@pytest.mark.parametrize(
    "content_type",
    [None, SCIM_JSON, PLAIN_JSON, "Application/SCIM+JSON", f'{PLAIN_JSON}; charset="UTF-8"',
     f"{SCIM_JSON};charset=us-ascii", f"{PLAIN_JSON}; odata=verbose"],
)  # fmt: skip
def test_json_in_utf_8_is_read(content_type):
    check_content_type(Asked(content_type=content_type))


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({"content_type": "text/plain"}, "accept"),
        ({"content_type": f"{PLAIN_JSON}; charset=latin-1"}, "accept"),
        ({"content_type": f"{SCIM_JSON}; charset=utf-16"}, "accept"),
        ({"content_type": "a" * 100_000}, "accept"),
        ({"content_encoding": "gzip"}, "accept-encoding"),
    ],
)
def test_other_media_are_415_and_name_the_ones_that_are_read(headers, accepted):
    with pytest.raises(UnsupportedMedia) as caught:
        check_content_type(Asked(**headers))
    assert caught.value.status == 415
    assert caught.value.accepted[0] == accepted


@given(json_values)
def test_json_is_read_as_it_is_written(value):
    for ascii_only in (True, False):
        assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode(), LIMITS) == value


@given(st.binary(max_size=30))
def test_any_bytes_are_json_or_invalid_syntax(body):
    try:
        parse_json(body, LIMITS)
    except ScimError as error:
        kind = error.status, error.scim_type
    else:
        kind = 400, "invalidSyntax"
    assert kind == (400, "invalidSyntax")


@pytest.mark.parametrize(
    "body", [rb'{"a": "x\u0000"}', rb'{"a\u0000": 1}', rb'[[{"a": "\u0000"}]]']
)
def test_a_nul_character_is_refused(body):
    with pytest.raises(ScimError, match="NUL"):
        parse_json(body, LIMITS)
    assert parse_json(body.replace(rb"\u0000", rb"\\u0000"), LIMITS)


def test_a_body_nests_so_deep_and_no_deeper():
    assert parse_json(b"[" * 64 + b"]" * 64, LIMITS)
    with pytest.raises(ScimError, match="nested deeper than 64"):
        parse_json(b"[" * 65 + b"]" * 65, LIMITS)


def test_a_body_has_so_many_values_and_an_object_so_many_names():
    assert len(parse_json(b"[" + b",".join([b"1"] * 1000) + b"]", LIMITS)) == 1000
    with pytest.raises(ScimError) as caught:
        parse_json(b"[" + b",".join([b"1"] * 1001) + b"]", LIMITS)
    assert caught.value.status == 413
    fifty = {f"n{number}": 1 for number in range(50)}
    assert parse_json(json.dumps(fifty).encode(), LIMITS) == fifty
    with pytest.raises(ScimError, match="51 names"):
        parse_json(json.dumps(fifty | {"more": 1}).encode(), LIMITS)
