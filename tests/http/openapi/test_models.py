"""pydantic's schemas of models and typed dictionaries, as OpenAPI 3.1 has them."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field

from muster.http.management.models.base import Answer, Body
from muster.http.openapi.models import components_of, reference


class Inner(Answer):
    """An inner object."""

    size: Annotated[int, Field(ge=1, examples=[3, 4])]
    """The size."""


class Base(Answer):
    """A base."""

    name: str
    """The
    name."""
    old: str
    """Deprecated: use `name`."""


class Outer(Base):
    """An outer object."""

    inner: Inner
    """The inner one."""
    maybe: Inner | None
    """The inner one, if any."""
    colour: Literal["red", "blue"] | None
    """The colour."""
    kind: NotRequired[Literal["x"]]
    """The kind."""
    several: dict[str, list[Inner]]
    """The inner ones by name."""


class Sent(Body):
    """A body."""

    first_name: str | None = None
    """The first name."""


FOUND = components_of([Outer, Sent])
REFERENCE = {"$ref": "#/components/schemas/management.Inner"}


def test_a_model_brings_those_that_it_refers_to_and_no_others():
    assert set(FOUND) == {"management.Outer", "management.Inner", "management.Sent"}
    assert reference(Inner) == REFERENCE
    assert components_of([Inner]) == {"management.Inner": FOUND["management.Inner"]}


def test_null_constants_and_examples_are_those_of_3_1():
    outer = FOUND["management.Outer"]["properties"]
    assert outer["maybe"] == {
        "anyOf": [REFERENCE, {"type": "null"}],
        "description": "The inner one, if any.",
    }
    assert outer["inner"] == {**REFERENCE, "description": "The inner one."}
    assert outer["colour"]["enum"] == ["red", "blue", None]
    assert outer["colour"]["type"] == ["string", "null"]
    assert outer["kind"]["const"] == "x"
    assert outer["several"]["additionalProperties"] == {"type": "array", "items": REFERENCE}
    assert FOUND["management.Inner"]["properties"]["size"] == {
        "type": "integer",
        "minimum": 1,
        "examples": [3, 4],
        "description": "The size.",
    }


def test_members_are_described_and_deprecated_also_if_they_are_inherited():
    outer = FOUND["management.Outer"]
    assert outer["description"] == "An outer object."
    assert outer["properties"]["name"]["description"] == "The name."
    assert outer["properties"]["old"]["deprecated"] is True
    assert set(outer["required"]) == {"name", "old", "inner", "maybe", "colour", "several"}


def test_names_of_a_body_are_those_in_json_and_null_is_no_default():
    sent = FOUND["management.Sent"]
    assert sent["properties"] == {
        "firstName": {"type": ["string", "null"], "description": "The first name."}
    }
    assert sent["additionalProperties"] is False
