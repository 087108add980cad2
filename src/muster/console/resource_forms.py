"""Forms for a user or group, made from its schemas, and the changes that a sent form means.

A form has a field for each attribute that a client may write. Its names are the paths of the
attributes, such as `name.givenName`, with a number for each element of a multi-valued attribute,
such as `emails.0.value`. Nothing is parsed out of the names that a browser sends: the same schemas
and the same number of elements give the same fields again, and each is looked up by its name.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from muster.scim.errors import ScimError, invalid_value
from muster.scim.schema.labels import title_of
from muster.scim.schema.model import Attribute, ResourceType
from muster.scim.values import Json

Document = dict[str, Any]
_HIDDEN = frozenset({"schemas", "id", "meta", "members", "groups", "active", "password"})
"""Attributes with a place of their own on the page, or none."""
_MOST_ELEMENTS = 30
_BLANK_ELEMENTS = 1
_ROW_DIGITS = 4
_NUMBER = re.compile(r"[+-]?\d{1,19}(\.\d{1,19})?([eE][+-]?\d{1,3})?", re.ASCII)
_CHOICES = {"": "Not set", "true": "Yes", "false": "No"}
_FIRST = ("Name", "Emails", "Phone numbers")
"""The attributes that a form shows first; it folds other multi-valued ones without a value."""
_LONG = frozenset({"formatted"})


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form.

    Attributes:
        name: The path of its attribute, also in the form.
        label: Its label.
        kind: text, number, choice, lines, secret or long.
        value: Its text.
        required: Whether the schema requires a value.
        hint: The description of the attribute.
        options: The text of each choice, by its value.
        suggestions: Usual values, which are not the only ones.
    """

    name: str
    label: str
    kind: str
    value: str = ""
    required: bool = False
    hint: str = ""
    options: dict[str, str] = field(default_factory=dict)
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FormPart:
    """Fields under one heading.

    Attributes:
        title: The heading.
        fields: The fields of an attribute, or of a schema.
        elements: The fields of each element of a multi-valued attribute, the last of them blank.
        rows: The name of the field with the number of elements; empty for none.
    """

    title: str
    fields: list[FormField] = field(default_factory=list)
    elements: list[list[FormField]] = field(default_factory=list)
    rows: str = ""

    @property
    def is_filled(self) -> bool:
        """Whether any of its elements has a value."""
        return any(found.value for row in self.elements for found in row)


@dataclass(frozen=True, slots=True)
class _Slot:
    """A writable attribute of a resource type, and its place in a document."""

    attribute: Attribute
    schema: str | None

    @property
    def path(self) -> str:
        return f"{self.schema}:{self.attribute.name}" if self.schema else self.attribute.name

    def value_in(self, document: Document) -> Json:
        holder = document.get(self.schema) or {} if self.schema else document
        return holder.get(self.attribute.name)


def _slots(resource_type: ResourceType) -> Iterator[_Slot]:
    common = resource_type.common.attributes.get("externalid")
    tops = [*resource_type.core.attributes.values(), *([common] if common else [])]
    places: list[tuple[str | None, list[Attribute]]] = [(None, tops)]
    places += [
        (schema.id, list(schema.attributes.values()))
        for schema in resource_type.extensions.values()
    ]
    for schema, attributes in places:
        for attribute in attributes:
            hidden = schema is None and attribute.name in _HIDDEN
            if not hidden and not attribute.read_only:
                yield _Slot(attribute, schema)


def _subs(attribute: Attribute) -> list[Attribute]:
    """Return the sub-attributes that a form has: not `$ref`, which the server computes."""
    subs = attribute.sub_attributes.values()
    return [sub for sub in subs if not sub.read_only and not sub.name.startswith("$")]


def form_of(resource_type: ResourceType, document: Document) -> list[FormPart]:
    """Return the form of a resource.

    Args:
        resource_type: Its type.
        document: Its current document; empty for a new resource.
    """
    basic = FormPart("")
    by_schema = {urn: FormPart(_name_of(resource_type, urn)) for urn in resource_type.extensions}
    parts: list[FormPart] = []
    for slot in _slots(resource_type):
        attribute, value = slot.attribute, slot.value_in(document)
        plain = basic if slot.schema is None else by_schema[slot.schema.lower()]
        if not attribute.is_complex:
            plain.fields.append(_field(attribute, slot.path, value))
        elif attribute.multi_valued:
            given = value if isinstance(value, list) else []
            if len(given) <= _MOST_ELEMENTS:
                parts.append(_elements(slot, given, len(given) + _BLANK_ELEMENTS))
        else:
            held = value if isinstance(value, dict) else {}
            fields = [
                _field(sub, f"{slot.path}.{sub.name}", held.get(sub.name))
                for sub in _subs(attribute)
            ]
            parts.append(FormPart(title_of(attribute.name), fields))
    extensions = [part for part in by_schema.values() if part.fields]
    parts.sort(key=lambda part: _FIRST.index(part.title) if part.title in _FIRST else len(_FIRST))
    return [basic, *parts, *extensions]


def _name_of(resource_type: ResourceType, urn: str) -> str:
    return title_of(str(resource_type.extensions[urn].definition["name"]))


def _elements(slot: _Slot, given: list[Any], rows: int) -> FormPart:
    elements = []
    for number in range(rows):
        held = given[number] if number < len(given) and isinstance(given[number], dict) else {}
        elements.append(
            [
                _field(sub, f"{slot.path}.{number}.{sub.name}", held.get(sub.name))
                for sub in _subs(slot.attribute)
            ]
        )
    return FormPart(title_of(slot.attribute.name), [], elements, f"{slot.path}.rows")


def _field(attribute: Attribute, name: str, value: Json) -> FormField:
    kind, text, options = "text", "" if value is None else str(value), {}
    if attribute.secret:
        kind, text = "secret", ""
    elif attribute.multi_valued:
        kind, text = "lines", "\n".join(str(item) for item in value or [])
    elif attribute.type == "boolean":
        kind, text, options = "choice", "" if value is None else str(value).lower(), _CHOICES
    elif attribute.type in ("integer", "decimal"):
        kind = "number"
    elif attribute.name in _LONG or "\n" in text:
        kind = "long"
    return FormField(
        name,
        title_of(attribute.name),
        kind,
        text,
        attribute.required,
        attribute.description,
        options,
        attribute.canonical_values,
    )


def with_sent(parts: list[FormPart], text: Callable[[str], str | None]) -> list[FormPart]:
    """Return a form with the values that were sent, to show it again beside an error."""

    def kept(found: FormField) -> FormField:
        sent = text(found.name)
        if sent is None or found.kind == "secret":
            return found
        return FormField(
            found.name,
            found.label,
            found.kind,
            sent,
            found.required,
            found.hint,
            found.options,
            found.suggestions,
        )

    return [
        FormPart(
            part.title,
            [kept(found) for found in part.fields],
            [[kept(found) for found in row] for row in part.elements],
            part.rows,
        )
        for part in parts
    ]


class _Sent:
    """The values of a form, read by the attributes that they are for."""

    def __init__(self, text: Callable[[str], str | None]) -> None:
        self._text = text

    def has(self, name: str) -> bool:
        return self._text(name) is not None

    def value(self, attribute: Attribute, name: str, before: Json) -> Json:
        """Return the value of a simple attribute; None if the field is empty.

        A field with the text that it was shown with keeps the stored value, to the letter: a form
        cannot tell an absent value from an empty one.

        Raises:
            ScimError: invalidValue with the name of the field.
        """
        shown = _field(attribute, name, before)
        sent = self._text(name) or ""
        if not attribute.secret and _as_sent(sent, shown.kind) == _as_sent(shown.value, shown.kind):
            return before
        text = sent.strip()
        if attribute.multi_valued:
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            return [_typed(attribute, line, name) for line in lines] or None
        return _typed(attribute, text, name) if text else None

    def element(self, attribute: Attribute, prefix: str, before: Any) -> Document | None:
        """Return an element with the sent values; None if its fields are empty.

        Sub-attributes without a field keep their values.
        """
        held: Document = before if isinstance(before, dict) else {}
        subs = _subs(attribute)
        sent = {
            sub.name: self.value(sub, f"{prefix}.{sub.name}", held.get(sub.name))
            if self.has(f"{prefix}.{sub.name}")
            else held.get(sub.name)
            for sub in subs
        }
        if held and all(held.get(name) == value for name, value in sent.items()):
            return held
        if all(sent[sub.name] in (None, "") for sub in subs if sub.type != "boolean"):
            return None
        kept = {name: value for name, value in held.items() if name not in sent}
        return kept | {name: value for name, value in sent.items() if value is not None}

    def rows(self, name: str) -> int:
        """Return the number of elements that the form had."""
        text = self._text(name) or ""
        if not (text.isascii() and text.isdecimal() and len(text) < _ROW_DIGITS):
            return 0
        return min(int(text), _MOST_ELEMENTS + _BLANK_ELEMENTS)


def _as_sent(text: str, kind: str) -> str:
    """Return a text as a browser sends it from its field, with one form of line break."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if kind in ("long", "lines") else text.replace("\n", "")


def _typed(attribute: Attribute, text: str, name: str) -> Json:
    if attribute.type == "boolean":
        if text not in ("true", "false"):
            raise invalid_value(f"{name}: expected Yes or No")
        return text == "true"
    if attribute.type in ("integer", "decimal"):
        whole = attribute.type == "integer"
        if not _NUMBER.fullmatch(text) or (whole and not text.lstrip("+-").isdecimal()):
            raise invalid_value(f"{name}: expected a {'whole ' if whole else ''}number")
        number = int(text) if whole else float(text)
        if not math.isfinite(number):
            raise invalid_value(f"{name}: expected a number that is not so large")
        return number
    return text


def new_document(resource_type: ResourceType, text: Callable[[str], str | None]) -> Document:
    """Return the document of a new resource from a sent form.

    Args:
        resource_type: Its type.
        text: Returns the text of a field, or None if it was not sent.

    Raises:
        ScimError: invalidValue with the name of the field.
    """
    document: Document = {"schemas": [resource_type.core.id]}
    for slot, value in _sent_values(resource_type, {}, text):
        if value is None:
            continue
        if slot.schema is None:
            document[slot.attribute.name] = value
            continue
        if slot.schema not in document:
            document[slot.schema] = {}
            document["schemas"].append(slot.schema)
        document[slot.schema][slot.attribute.name] = value
    return document


def operations(
    resource_type: ResourceType, document: Document, text: Callable[[str], str | None]
) -> list[Document]:
    """Return the PATCH operations that make a resource as a sent form says.

    Attributes that the form leaves as they are have no operation, so that the history shows the
    real changes alone.

    Args:
        resource_type: Its type.
        document: Its current document.
        text: Returns the text of a field, or None if it was not sent.

    Raises:
        ScimError: invalidValue with the name of the field.
    """
    found: list[Document] = []
    for slot, value in _sent_values(resource_type, document, text):
        before = slot.value_in(document)
        if slot.attribute.secret and value is None:
            continue
        if slot.attribute.is_complex and not slot.attribute.multi_valued and value is not None:
            found += _sub_operations(slot, before if isinstance(before, dict) else {}, value)
        elif value != before:
            found.append(_operation(slot.path, value))
    return found


def _sub_operations(slot: _Slot, before: Document, value: Any) -> Iterable[Document]:
    for sub in _subs(slot.attribute):
        if value.get(sub.name) != before.get(sub.name):
            yield _operation(f"{slot.path}.{sub.name}", value.get(sub.name))


def _operation(path: str, value: Json) -> Document:
    if value is None:
        return {"op": "remove", "path": path}
    return {"op": "replace", "path": path, "value": value}


def _sent_values(
    resource_type: ResourceType, document: Document, text: Callable[[str], str | None]
) -> Iterator[tuple[_Slot, Json]]:
    """Yield each attribute that the form has, with the value that was sent for it."""
    sent = _Sent(text)
    for slot in _slots(resource_type):
        attribute, path = slot.attribute, slot.path
        if not attribute.is_complex:
            if sent.has(path):
                yield slot, sent.value(attribute, path, slot.value_in(document))
        elif not attribute.multi_valued:
            if any(sent.has(f"{path}.{sub.name}") for sub in _subs(attribute)):
                yield slot, sent.element(attribute, path, slot.value_in(document))
        elif sent.has(f"{path}.rows"):
            given = slot.value_in(document)
            held = given if isinstance(given, list) else []
            rows = [
                sent.element(
                    attribute, f"{path}.{number}", held[number] if number < len(held) else None
                )
                for number in range(max(sent.rows(f"{path}.rows"), len(held)))
            ]
            yield slot, [row for row in rows if row is not None] or None


def check_version(expected: str, current: int) -> None:
    """Check that a resource has not changed since its form was opened.

    Raises:
        ScimError: 412 if it has.
    """
    if expected and expected != str(current):
        raise ScimError(
            412,
            "Somebody else has changed this since you opened the form. Your changes are below, and"
            " nothing was saved. Check them against the current version, and save again.",
        )
