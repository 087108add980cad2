"""Read the values of operations: types, and dialects in lenient workspaces.

Comments name the rows of the server's dialect table, which is used as documentation only.
"""

import base64
import json
from typing import Any

from tests.oracles import filters
from tests.oracles.choices import Choices, Refused
from tests.oracles.schemas import Attribute, ResourceType

Json = Any

NOTHING = object()
"""An element that reads to nothing: null, "", {}, or an object of which no key is known or may be written."""


class Reader:
    """Reads values, taking one alternative at each choice."""

    def __init__(
        self, kind: ResourceType, strict: bool, people: dict[str, Json], choices: Choices
    ) -> None:
        self.kind, self.strict, self.people, self.choices = kind, strict, people, choices

    @property
    def of_group(self) -> bool:
        return self.kind.name == "Group"

    def one_of(self, *alternatives: Any) -> Any:
        return alternatives[self.choices.pick(len(alternatives))]

    def perhaps(self, *kinds: str) -> None:
        """Choose between going on and an error."""
        if self.one_of(False, True):
            raise Refused(*kinds)

    def scalar(self, attribute: Attribute, value: Json) -> Json:
        """Read a value of a simple type; None for a wrapped null."""
        if isinstance(value, list | dict):
            if self.strict:
                raise Refused("invalidValue")
            return self._unwrapped(attribute, value)
        return self.checked(attribute, value)

    def inner_scalar(self, attribute: Attribute, value: Json) -> Json:
        """Read a sub-attribute's value within an object."""
        read = self.scalar(attribute, value)
        if isinstance(value, list | dict):
            self.perhaps(
                "invalidValue"
            )  # the dialect table does not say whether its wrappings nest
        return read

    def _unwrapped(self, attribute: Attribute, value: Json) -> Json:
        """Read [{"value": x}], [{"$ref": null, "value": x}], {"value": x} or ["False"]."""
        if isinstance(value, list):
            if len(value) != 1 or isinstance(value[0], list) or value[0] is None:
                raise Refused("invalidValue")
            value = value[0]
            if not isinstance(value, dict):
                if attribute.type != "boolean" or not isinstance(value, str):
                    self.perhaps(
                        "invalidValue"
                    )  # the table has an array of one for booleans in strings alone
                return self.checked(attribute, value)
        named = {key.lower(): item for key, item in value.items()}
        if "value" not in named or any(
            item is not None for key, item in named.items() if key != "value"
        ):
            raise Refused("invalidValue")
        if set(named) - {"value", "$ref"}:
            self.perhaps("invalidValue")  # the table has no null but that of $ref
        if named["value"] is None:
            self.perhaps("invalidValue")
            return None
        return self.scalar(attribute, named["value"])

    def checked(self, attribute: Attribute, value: Json) -> Json:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        match attribute.type:
            case "boolean":
                if (
                    isinstance(value, str)
                    and value.lower() in ("true", "false")
                    and not self.strict
                ):
                    return value.lower() == "true"  # dialect table: boolean-as-string
                valid = isinstance(value, bool)
            case "integer":
                if isinstance(value, float) and value.is_integer():
                    self.perhaps(
                        "invalidValue"
                    )  # JSON has one type of number; RFC 7643 section 2.3.4 has no fraction
                valid = number and value == int(value)
            case "decimal":
                valid = number
            case "dateTime":
                allowed = filters.date_allowed(value) if isinstance(value, str) else filters.NO
                if allowed == filters.EITHER:
                    self.perhaps("invalidValue")
                valid = allowed != filters.NO
            case "binary":
                valid = isinstance(value, str) and _is_base64(value)
            case _:
                valid = isinstance(value, str)
        if not valid:
            raise Refused("invalidValue")
        return value

    def sub_values(self, attribute: Attribute, value: Json) -> dict[str, Json]:
        """Read the sub-attributes of an object; null clears one.

        An object that reads to nothing is refused.
        """
        known = [
            (sub, item)
            for key, item in value.items()
            if (sub := named(attribute.subs, key)) is not None
        ]
        read_only = any(sub.mutability == "readOnly" for sub, _ in known)
        if read_only and self.strict:
            self.perhaps(
                "mutability"
            )  # refused as a change of it, or ignored as in PUT (RFC 7644 section 3.5.1)
        made = {
            sub.name: None if item is None else self.inner_scalar(sub, item)
            for sub, item in known
            if sub.mutability != "readOnly"
        }
        if not made:
            if read_only and not self.strict:
                self.perhaps(
                    "invalidValue", "mutability"
                )  # read-only sub-attributes alone: ignored, or read to nothing
                return {}
            raise Refused("invalidValue", "mutability") if read_only else Refused("invalidValue")
        return made

    def elements(self, attribute: Attribute, value: list[Json]) -> list[Json]:
        read = [self.element(attribute, item) for item in value]
        found = [element for element in read if element is not NOTHING]
        if not found:
            raise Refused("invalidValue")
        if len(found) < len(read):
            self.perhaps(
                "invalidValue"
            )  # one that reads to nothing beside others: left out, or refused
        return found

    def element(self, attribute: Attribute, value: Json) -> Json:
        if value is None:
            return NOTHING
        if attribute.type != "complex":
            return self.simple_element(attribute, value)
        if isinstance(value, str):
            if self.strict or "value" not in attribute.subs:
                raise Refused("invalidValue")
            if not value.strip():
                return NOTHING
            value = {"value": value}  # dialect table: element-as-string
        if not isinstance(value, dict):
            raise Refused("invalidValue")
        return self._complex_element(attribute, self.role(attribute, value))

    def simple_element(self, attribute: Attribute, value: Json) -> Json:
        if isinstance(value, str) and not value.strip() and attribute.type != "boolean":
            # [""] reads to nothing; beside others it may be a value
            return self.one_of(NOTHING, value) if value else NOTHING
        if isinstance(value, dict):
            if (
                self.strict
                or {key.lower() for key in value} != {"value"}
                or isinstance(next(iter(value.values())), list | dict)
            ):
                raise Refused("invalidValue")
            inner = next(
                iter(value.values())
            )  # dialect table: [{"value": x}] for a multi-valued string
            return NOTHING if inner is None or inner == "" else self.checked(attribute, inner)
        if isinstance(value, list):
            raise Refused("invalidValue")
        return self.checked(attribute, value)

    def role(self, attribute: Attribute, value: Json) -> Json:
        """Read an app role given as JSON in a string (dialect table: role-as-json)."""
        text = next((item for key, item in value.items() if key.lower() == "value"), None)
        if attribute.name != "roles" or not isinstance(text, str) or not text.startswith("{"):
            return value
        try:
            said = json.loads(text)
        except ValueError:
            return value
        if not isinstance(said, dict) or not isinstance(said.get("value"), str):
            return value
        if self.strict:
            raise Refused("invalidValue")
        return (
            value
            | {"value": said["value"]}
            | ({"display": said["displayName"]} if "displayName" in said else {})
        )

    def _complex_element(self, attribute: Attribute, value: Json) -> Json:
        made, read_only = {}, {}
        if self.named_by_value(attribute) and is_blank(value_of(value)):
            if self.strict:
                raise Refused("invalidValue")
            return NOTHING  # dialect table: value-blank
        for key, item in value.items():
            sub = named(attribute.subs, key)
            if sub is None or item is None:
                continue
            if sub.mutability == "readOnly":
                read_only[sub.name] = item
            elif (read := self.inner_scalar(sub, item)) is not None:
                made[sub.name] = read
        if read_only and self.strict:
            self.perhaps("mutability")
        if attribute.name == "members" and self.of_group:
            return self._member(made, read_only)
        if not made or (self.named_by_value(attribute) and is_blank(made.get("value"))):
            return NOTHING
        if all(item == "" for item in made.values()) and self.one_of(False, True):
            return NOTHING  # sub-attributes of empty strings alone: values, or an element that reads to nothing
        if not made.keys() - {"primary"} and self.one_of(False, True):
            return NOTHING  # `primary` of nothing
        for sub in attribute.subs.values():
            if sub.required and not made.get(sub.name):
                raise Refused("invalidValue")
        return made

    def named_by_value(self, attribute: Attribute) -> bool:
        """Tell whether an empty `value` names nothing; a member may have a $ref."""
        members = self.of_group and attribute.name == "members"
        return attribute.multi and "value" in attribute.subs and not members

    def _member(self, made: Json, read_only: Json) -> Json:
        value = made.get("value")
        if not value:
            ends = [person for person in self.people if made.get("$ref", "").endswith(f"/{person}")]
            if not ends:
                return (
                    {"display": read_only["display"]}
                    if isinstance(read_only.get("display"), str)
                    else NOTHING
                )
            self.perhaps("invalidValue")  # a member named by its $ref alone
            value = ends[0]
        return {"value": value}


def value_of(element: dict[str, Json]) -> Json:
    """Read the `value` of an element, in any case of the key."""
    return next((item for key, item in element.items() if key.lower() == "value"), None)


def is_blank(value: Json) -> bool:
    return isinstance(value, str) and not value.strip()


def named(attributes: dict[str, Attribute], name: str) -> Attribute | None:
    return next((item for key, item in attributes.items() if key.lower() == name.lower()), None)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True
