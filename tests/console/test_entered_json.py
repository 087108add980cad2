"""JSON that is entered into a form."""

import json

import pytest

from muster.console.entered_json import parse_entered
from muster.scim.errors import ScimError


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "7", '{"a": ["b", {"c": null}]}', '"\\\\u0000"', '{"a": "\\u0001"}'],
)
def test_json_is_read(text):

    assert parse_entered(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("{'a': 1}", "expected JSON"),
        ('"\\u0000"', "NUL"),
        ('{"a\\u0000": 1}', "NUL"),
        ('{"a": [{"b": ["c\\u0000d"]}]}', "NUL"),
    ],
)
def test_other_text_and_nul_characters_are_refused(text, says):
    with pytest.raises(ScimError) as refused:
        parse_entered(text)
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidSyntax")
    assert says in refused.value.detail
