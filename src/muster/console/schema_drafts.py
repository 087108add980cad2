"""Drafts of schemas in the attribute editor.

A draft is the document of a schema that may still be incomplete: an object with all members of a
definition in the right types, whose values are not checked yet. Nothing is stored on the server:
each form of the editor contains the draft.

A place names an attribute of a draft: "2" is the third attribute, "2.0" its first sub-attribute.
"2+" is the place after the last sub-attribute, and "+" that after the last attribute.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muster.scim.document import json_type
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.schema.custom import MAX_ATTRIBUTES, CustomSchema, check_definition
from muster.scim.values import Json

Draft = dict[str, Any]
MAX_ROWS = 1_000
"""The most attributes and sub-attributes together: the editor shows a row for each."""
_TEXTS = ("name", "description")
FLAGS = ("multiValued", "required", "caseExact", "indexed")
LISTS = ("canonicalValues", "referenceTypes")
_DEFAULTS = {
    "type": "string",
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
}
_PLACE = re.compile(r"\d{1,3}(\.\d{1,3})?|(\d{1,3})?\+")
_FAULT = re.compile(
    r"attributes\[(\d+)\](?: \([^)]*\))?(?:\.subAttributes\[(\d+)\](?: \([^)]*\))?)?"
    r"(?:\.(\w+))?: (.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """An attribute of a draft in its table.

    Attributes:
        place: Its place.
        attribute: Its definition.
        path: Its path, such as `badge.number`.
        nested: Whether it is a sub-attribute.
        first: Whether it is the first among its siblings.
        last: Whether it is the last among them.
    """

    place: str
    attribute: Mapping[str, Any]
    path: str
    nested: bool
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """An error of a definition and its position.

    Attributes:
        place: The place of the attribute; empty for the schema itself.
        field: The characteristic, or the member of the schema; empty if it is none of them.
        text: The error.
    """

    place: str
    field: str
    text: str


def new_draft() -> Draft:
    """Return the draft of a new schema."""
    return read_draft({"extends": ["User"]})


def urn_for(draft: Draft) -> str:
    """Return a URN for a schema by its name; empty if the name has no letter or digit.

    Entra ID maps to attributes of extensions only if their URN begins like this.
    """
    word = re.sub(r"[^A-Za-z0-9]+", "-", draft["name"]).strip("-").lower()
    kind = draft["extends"][0] if draft["extends"] else word.title().replace("-", "")
    return f"urn:ietf:params:scim:schemas:extension:{word}:2.0:{kind}" if word else ""


def draft_of(schema: CustomSchema) -> Draft:
    """Return a stored schema as a draft."""
    attributes = [
        {**attribute, "indexed": attribute["name"] in schema.indexed}
        for attribute in schema.definition["attributes"]
    ]
    extends = {"extends": list(schema.extends), "required": schema.required}
    return read_draft({**schema.definition, **extends, "attributes": attributes})


def read_draft(raw: Json) -> Draft:
    """Read a draft, in which any member may be missing. Unknown members are ignored.

    Raises:
        ScimError: invalidSyntax if a member has a wrong type, 400 if it has too many attributes.
    """
    given = _object(raw, "definition")
    extends = _list(given, "extends", "")
    attributes = _list(given, "attributes", "")
    _check_size(attributes)
    if not all(isinstance(name, str) for name in extends):
        raise invalid_syntax("extends: expected an array of strings")
    return {
        "id": _text(given, "id", ""),
        **{name: _text(given, name, "") for name in _TEXTS},
        "extends": extends,
        "required": _flag(given, "required", ""),
        "attributes": [
            read_attribute(item, f"attributes[{index}]") for index, item in enumerate(attributes)
        ],
    }


def _check_size(attributes: list[Any]) -> None:
    """Check the number of attributes before any is read: each costs time, and a row of the page.

    Raises:
        ScimError: 400 with the limit.
    """
    if len(attributes) > MAX_ATTRIBUTES:
        raise ScimError(400, f"attributes: the limit is {MAX_ATTRIBUTES} attributes")
    number = len(attributes)
    for index, item in enumerate(attributes):
        subs = item.get("subAttributes") if isinstance(item, dict) else None
        count = len(subs) if isinstance(subs, list) else 0
        if count > MAX_ATTRIBUTES:
            # The error is about the draft as a whole, as the page does not show the attribute.
            raise ScimError(
                400,
                f"attributes: attributes[{index}] has {count:,} sub-attributes, and the limit is"
                f" {MAX_ATTRIBUTES}",
            )
        number += count
    _check_rows(number)


def _check_rows(number: int) -> None:
    if number > MAX_ROWS:
        raise ScimError(
            400,
            f"attributes: the editor takes at most {MAX_ROWS:,} attributes and sub-attributes"
            " together. Use the management API for a larger schema.",
        )


def read_attribute(raw: Json, where: str, nested: bool = False) -> dict[str, Any]:
    """Read an attribute of a draft.

    Raises:
        ScimError: invalidSyntax if a member has a wrong type.
    """
    given = _object(raw, where)
    made: dict[str, Any] = {name: _text(given, name, where) for name in _TEXTS}
    made |= {
        name: _text(given, name, where) if name in given else first
        for name, first in _DEFAULTS.items()
    }
    made |= {name: _flag(given, name, where) for name in FLAGS}
    for name in LISTS:
        values = _list(given, name, where)
        if not all(isinstance(value, str) for value in values):
            raise invalid_syntax(f"{where}.{name}: expected an array of strings")
        if values:
            made[name] = values
    subs = [] if nested else _list(given, "subAttributes", where)
    if subs or made["type"] == "complex":
        made["subAttributes"] = [
            read_attribute(item, f"{where}.subAttributes[{index}]", nested=True)
            for index, item in enumerate(subs)
        ]
    if nested:
        del made["indexed"]
    return made


def compact(draft: Draft) -> dict[str, Any]:
    """Return a draft without the members that have their default."""
    kept = {name: value for name, value in draft.items() if value or name == "id"}
    return {**kept, "attributes": [_compact(attribute) for attribute in draft["attributes"]]}


def _compact(attribute: Mapping[str, Any]) -> dict[str, Any]:
    made = {
        name: value
        for name, value in attribute.items()
        if value and value != _DEFAULTS.get(name) and name != "subAttributes"
    }
    if "subAttributes" in attribute:
        made["subAttributes"] = [_compact(sub) for sub in attribute["subAttributes"]]
    return made


def rows(draft: Draft) -> Iterator[AttributeRow]:
    """Yield the attributes of a draft, each followed by its sub-attributes."""
    return _rows(draft["attributes"], "", "")


def _rows(
    attributes: Sequence[Mapping[str, Any]], prefix: str, path: str
) -> Iterator[AttributeRow]:
    end = len(attributes) - 1
    for index, attribute in enumerate(attributes):
        place, name = f"{prefix}{index}", f"{path}{attribute['name']}"
        yield AttributeRow(place, attribute, name, bool(prefix), index == 0, index == end)
        yield from _rows(attribute.get("subAttributes", ()), f"{place}.", f"{name}.")


def is_place(text: str) -> bool:
    """Return whether a text has the form of a place."""
    return _PLACE.fullmatch(text) is not None


def is_nested(place: str) -> bool:
    """Return whether a place is one of a sub-attribute."""
    return "." in place or (place.endswith("+") and place != "+")


def attribute_at(draft: Draft, place: str) -> dict[str, Any]:
    """Return the attribute at a place, or the defaults of a new one.

    Raises:
        ScimError: 400 if the draft has no such place.
    """
    siblings, index = _found(draft, place)
    if index == len(siblings):
        return read_attribute({}, "", is_nested(place))
    attribute: dict[str, Any] = siblings[index]
    return attribute


def put_attribute(draft: Draft, place: str, attribute: dict[str, Any]) -> None:
    """Replace the attribute at a place, or add one; a complex one keeps its sub-attributes.

    Raises:
        ScimError: 400 if the draft has no such place, or no room for one more attribute.
    """
    siblings, index = _found(draft, place)
    if attribute["type"] == "complex":
        there = siblings[index] if index < len(siblings) else {}
        attribute = {**attribute, "subAttributes": there.get("subAttributes", [])}
    if index == MAX_ATTRIBUTES:
        raise ScimError(400, f"attributes: the limit is {MAX_ATTRIBUTES} attributes")
    if index == len(siblings):
        _check_rows(sum(1 for _ in rows(draft)) + 1)
    siblings[index : index + 1] = [attribute]


def remove_attribute(draft: Draft, place: str) -> None:
    """Remove the attribute at a place. Raises ScimError 400 if there is none."""
    siblings, index = _found(draft, place)
    del siblings[index : index + 1]


def move_attribute(draft: Draft, place: str, by: int) -> None:
    """Swap an attribute with a sibling; the first cannot go up, nor the last down.

    Raises:
        ScimError: 400 if the draft has no such place.
    """
    siblings, index = _found(draft, place)
    if 0 <= index + by < len(siblings) and index < len(siblings):
        siblings[index], siblings[index + by] = siblings[index + by], siblings[index]


def _found(draft: Draft, place: str) -> tuple[list[Any], int]:
    """Return the list that contains a place, and its index in it."""
    siblings: list[Any] = draft["attributes"]
    top, dot, sub = place.partition(".")
    if place.endswith("+") and place != "+":
        top, dot, sub = place[:-1], ".", "+"
    if dot:
        holder = siblings[int(top)] if int(top) < len(siblings) else {}
        siblings, top = holder.get("subAttributes", []), sub
        if "subAttributes" not in holder:
            raise ScimError(400, "This attribute is not in the draft. Open the page again.")
    index = len(siblings) if top == "+" else int(top)
    if index > len(siblings) or (top != "+" and index == len(siblings)):
        raise ScimError(400, "This attribute is not in the draft. Open the page again.")
    return siblings, index


def check_attribute(draft: Draft, place: str, attribute: dict[str, Any]) -> None:
    """Check an attribute that is to be put at a place.

    Raises:
        ScimError: It is not valid, or a sibling has the same name.
    """
    siblings, index = _found(draft, place)
    where = f"attributes[{index}]"
    if is_nested(place):
        where = f"attributes[{int(re.split(r'[.+]', place)[0])}].subAttributes[{index}]"
    check_definition(attribute, where, is_nested(place))
    names = {item["name"].lower() for at, item in enumerate(siblings) if at != index}
    if attribute["name"].lower() in names:
        raise ScimError(409, f"{where}.name: another attribute has this name")


def fault(error: ScimError) -> Fault:
    """Return the position that an error of a definition names."""
    found = _FAULT.fullmatch(error.detail)
    if found is not None:
        top, sub, field, text = found.groups()
        return Fault(top if sub is None else f"{top}.{sub}", field or "", text)
    field, colon, text = error.detail.partition(": ")
    known = ("id", "name", "description", "extends", "required", "attributes", "definition")
    if colon and field in known:
        return Fault("", field, text)
    return Fault("", "", error.detail)


def _object(raw: Json, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise invalid_syntax(f"{where}: expected a JSON object, got {json_type(raw)}")
    return raw


def _text(raw: dict[str, Any], name: str, where: str) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str):
        raise invalid_syntax(f"{_path(where, name)}: expected a string, got {json_type(value)}")
    return value


def _flag(raw: dict[str, Any], name: str, where: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise invalid_syntax(f"{_path(where, name)}: expected a boolean, got {json_type(value)}")
    return value


def _list(raw: dict[str, Any], name: str, where: str) -> list[Any]:
    value = raw.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid_syntax(f"{_path(where, name)}: expected an array, got {json_type(value)}")
    return value


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
