"""Elements of members and groups, as bytes."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.references import element


@given(st.one_of(st.none(), st.text()))
def test_an_element_is_json_with_a_display_if_it_has_one(display):
    shown = {} if display is None else {"display": display}
    assert orjson.loads(element("/Users/1", "1", display, "User")) == {
        "value": "1",
        "$ref": "/Users/1",
        **shown,
        "type": "User",
    }
