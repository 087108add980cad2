"""PATCH operations in parsed form.

The generator writes them as text; the oracle reads the parsed form.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from tests.oracles.filters import Filter
from tests.oracles.schemas import Attribute

Json = Any


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed path.

    Attributes:
        attribute: None for the extension urn as a whole.
        inner: The filter of a value path.
        dialect: "bare" for an attribute of an extension without its URN, "dot" for a dot after the URN.
    """

    urn: str | None
    attribute: Attribute | None
    inner: Filter | None = None
    sub: Attribute | None = None
    dialect: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A path that is malformed or names no attribute, and the scimTypes that fit."""

    kinds: tuple[str, ...] = ("invalidPath",)


NO_VALUE = object()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        text: The path as sent; None for an operation without a path.
        target: The parsed path.
        keys: The parsed keys of a value without a path, unless they are names of attributes.
    """

    op: str
    text: str | None
    target: Target | Unknown | None
    value: Json = NO_VALUE
    keys: dict[str, Target] = field(default_factory=dict)

    def message(self) -> Json:
        made = {"op": self.op}
        if self.text is not None:
            made["path"] = self.text
        if self.value is not NO_VALUE:
            made["value"] = self.value
        return made

    def parts(self) -> "list[Operation]":
        """Split an operation on several attributes into one for each of them."""
        whole_extension = isinstance(self.target, Target) and self.target.attribute is None
        if (self.target is not None and not whole_extension) or not isinstance(self.value, dict):
            return [self]
        values = [part for key, item in self.value.items() for part in _split(key, item)]
        return [replace(self, value=value) for value in values] if len(values) > 1 else [self]


def _split(key: str, value: Json) -> list[Json]:
    """Split one key of a value; that of an extension for each of its attributes."""
    if key.lower().startswith("urn:") and isinstance(value, dict) and value:
        return [{key: {name: item}} for name, item in value.items()]
    return [{key: value}]
