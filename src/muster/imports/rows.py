"""The values that a row of a CSV file has for a user, and the changes that they require."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from muster.imports.columns import (
    ACTIVE,
    EMAIL_AND_NAME,
    GROUPS,
    ID,
    MANAGER,
    USER_NAME,
    ColumnTarget,
)
from muster.scim.schema.model import Attribute, ResourceType
from muster.scim.values import Json

Document = dict[str, Any]
_YES = frozenset({"true", "yes", "1", "active", "enabled", "y", "on", "ja", "aktiv"})
_NO = frozenset(
    {"false", "no", "0", "inactive", "disabled", "deactivated", "n", "off", "nein", "inaktiv"}
)
_NUMBER_LENGTH = 18
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")


class RefusedRow(Exception):
    """The reason why a row cannot be imported.

    Attributes:
        heading: The heading of the column at fault; empty if it is the row as a whole.
    """

    def __init__(self, reason: str, heading: str = "") -> None:
        super().__init__(reason)
        self.heading = heading


@dataclass(frozen=True, slots=True)
class RowValues:
    """The cells of a row by their attributes.

    Attributes:
        user_id: The id of an existing user; empty for none.
        user_name: The userName; empty for none.
        manager: The text that names the manager; empty for none.
        groups: The names of groups.
        texts: The texts for attributes, by the path of their target; empty ones are to be cleared.
    """

    user_id: str = ""
    user_name: str = ""
    manager: str = ""
    groups: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The mapping of the columns of a file.

    Attributes:
        headings: The headings of the file.
        paths: The path of each column's target; empty for columns that are ignored.
        targets: The targets by path.
        clears: Whether an empty cell removes the value of the user.
    """

    headings: Sequence[str]
    paths: Sequence[str]
    targets: Mapping[str, ColumnTarget]
    clears: bool = False

    def values(self, cells: Sequence[str]) -> RowValues:
        """Read a row.

        Raises:
            RefusedRow: It has more cells than the file has columns.
        """
        if len(cells) > len(self.headings) and any(cells[len(self.headings) :]):
            raise RefusedRow(
                f"it has {len(cells)} cells, and the file has {len(self.headings)} columns"
            )
        found = {
            path: cells[number] if number < len(cells) else ""
            for number, path in enumerate(self.paths)
            if path
        }
        both = found.pop(EMAIL_AND_NAME, None)
        if both is not None:
            found |= {"emails": both, USER_NAME: both}
        groups = [name.strip() for name in found.pop(GROUPS, "").split(";")]
        return RowValues(
            found.pop(ID, ""),
            found.get(USER_NAME, ""),
            found.pop(MANAGER, ""),
            [name for name in dict.fromkeys(groups) if name],
            # A user without a userName or a status would be no user, so these stay.
            {
                path: text
                for path, text in found.items()
                if text or (self.clears and path not in (USER_NAME, ACTIVE))
            },
        )

    def heading_of(self, text: str) -> str:
        """Return the heading of the column whose attribute a message begins with; empty if none."""
        lowered = text.lower()
        for whole in (True, False):
            for number, mapped in enumerate(self.paths):
                for name in _names(mapped, whole):
                    end = lowered[len(name) : len(name) + 1]
                    if lowered.startswith(name) and not end.isalnum():
                        return self.headings[number]
        return ""


def _names(path: str, whole: bool) -> list[str]:
    """Return the attributes that a column fills, in lower case; without their parts on request."""
    names = [name.partition("[")[0].lower() for name in path.split("+") if name]
    if whole:
        return names
    return [f"{urn}{colon}{name.partition('.')[0]}" for urn, colon, name in map(_split, names)]


def _split(path: str) -> tuple[str, str, str]:
    return path.rpartition(":")


def written(
    kind: ResourceType, document: Document, values: RowValues, mapping: ColumnMapping
) -> Document:
    """Return a document with the values of a row.

    Args:
        kind: The type of users.
        document: The current document; empty for a new user.
        values: The values.
        mapping: The mapping of the columns.

    Raises:
        RefusedRow: A text is no value of its attribute.
    """
    changed = deepcopy(document)
    for path, text in values.texts.items():
        target = mapping.targets[path]
        attribute = target.attribute
        if attribute is None:
            continue
        try:
            holder = changed if target.schema is None else changed.setdefault(target.schema, {})
            _set(holder, attribute, target, text)
        except ValueError as error:
            raise RefusedRow(str(error), mapping.heading_of(path)) from None
    for urn in [schema.id for schema in kind.extensions.values()]:
        if changed.get(urn) == {}:
            del changed[urn]
    used = [schema.id for schema in kind.extensions.values() if schema.id in changed]
    given = changed.get("schemas", [kind.core.id])
    changed["schemas"] = [*given, *(urn for urn in used if urn not in given)]
    return changed


def _set(holder: Document, attribute: Attribute, target: ColumnTarget, text: str) -> None:
    """Set an attribute, or a part of it, to a text.

    Raises:
        ValueError: The text is no value of the attribute.
    """
    name, sub = attribute.name, target.sub
    if not attribute.is_complex:
        value = _many(attribute, text) if attribute.multi_valued else typed(attribute, text)
        _put(holder, name, value)
    elif sub is None:
        raise ValueError("this attribute needs a part")
    elif not attribute.multi_valued:
        part = dict(holder.get(name) or {})
        _put(part, sub.name, typed(sub, text))
        _put(holder, name, part or None)
    elif target.element is None:
        values = _many(sub, text) or []
        before = {item.get("value"): item for item in holder.get(name, [])}
        _put(holder, name, [before.get(value, {"value": value}) for value in values] or None)
    else:
        elements = [dict(item) for item in holder.get(name, [])]
        _set_element(elements, attribute, target.element, sub, typed(sub, text))
        _put(holder, name, elements or None)


def _set_element(
    elements: list[Document], attribute: Attribute, wanted: str, sub: Attribute, value: Json
) -> None:
    """Set a part of the element of a type, or of the primary one."""
    if wanted == "*":
        found = next((item for item in elements if item.get("primary") is True), None)
        found = found or (elements[0] if elements else None)
    else:
        found = next((item for item in elements if _type(item) == wanted), None)
    if found is None:
        if value is None:
            return
        found = {}
        if wanted != "*" or "work" in _types(attribute):
            found["type"] = "work" if wanted == "*" else wanted
        if wanted == "*" and attribute.sub("primary") is not None:
            found["primary"] = True
        elements.append(found)
    _put(found, sub.name, value)
    # The display of an e-mail address or number belongs to its former value.
    if sub.name == "value":
        found.pop("display", None)
    if not any(name not in ("type", "primary") for name in found):
        elements.remove(found)


def _types(attribute: Attribute) -> tuple[str, ...]:
    kind = attribute.sub("type")
    return () if kind is None else kind.canonical_values


def _type(item: Document) -> str:
    return str(item.get("type") or "").lower()


def _put(holder: Document, name: str, value: Json) -> None:
    if value is None:
        holder.pop(name, None)
    else:
        holder[name] = value


def _many(attribute: Attribute, text: str) -> list[Json] | None:
    texts = [part.strip() for part in text.split(";")]
    return [typed(attribute, part) for part in dict.fromkeys(texts) if part] or None


def typed(attribute: Attribute, text: str) -> Json:
    """Return a text as a value of an attribute; None if it is empty.

    Raises:
        ValueError: It is no such value.
    """
    if not text:
        return None
    if attribute.type == "boolean":
        word = text.casefold()
        if word not in _YES | _NO:
            raise ValueError(f'"{text[:50]}" is neither yes nor no')
        return word in _YES
    if attribute.type == "integer":
        if not _INTEGER.fullmatch(text) or len(text) > _NUMBER_LENGTH:
            raise ValueError(f'"{text[:50]}" is not a whole number')
        return int(text)
    if attribute.type == "decimal":
        if not _DECIMAL.fullmatch(text) or len(text) > _NUMBER_LENGTH:
            raise ValueError(f'"{text[:50]}" is not a number')
        return float(text)
    return text


def operations(kind: ResourceType, before: Document, after: Document) -> list[Document]:
    """Return the PATCH operations that turn a document into another."""
    found: list[Document] = []
    for urn, attribute in kind.attributes():
        old, new = (_held(document, urn, attribute.name) for document in (before, after))
        if old == new or attribute.read_only:
            continue
        path = f"{urn}:{attribute.name}" if urn else attribute.name
        if isinstance(old, dict) and isinstance(new, dict):
            found += _part_operations(path, old, new)
        else:
            found.append(_operation(path, new))
    return found


def _held(document: Document, urn: str | None, name: str) -> Json:
    holder = document if urn is None else document.get(urn) or {}
    value: Json = holder.get(name)
    return value


def _part_operations(path: str, old: Document, new: Document) -> Iterator[Document]:
    for name in old.keys() | new.keys():
        if old.get(name) != new.get(name):
            yield _operation(f"{path}.{name}", new.get(name))


def _operation(path: str, value: Json) -> Document:
    if value is None:
        return {"op": "remove", "path": path}
    return {"op": "replace", "path": path, "value": value}
