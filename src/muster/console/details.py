"""The attributes of a resource as its page shows them: with labels, links and marks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

from muster.scim.schema.labels import title_of
from muster.scim.schema.model import Attribute, ResourceType, Schema

Document = dict[str, Any]
_LABELS = {"emails": "E-mail", "formatted": "Full name", "ims": "Instant messaging"}
_ELSEWHERE = frozenset({"members", "groups", "schemas", "id", "meta", "active", "password"})
"""Attributes with a place of their own on the page, or none."""
_LINKS = {"emails": "mailto:", "phoneNumbers": "tel:"}
_TEXTS = ("formatted", "display", "displayName", "value")
_MARKS = frozenset({"type", "primary", "$ref", *_TEXTS})
_TELEPHONE = str.maketrans("", "", " ()/.-")


class DetailValue(NamedTuple):
    """One value of an attribute.

    Attributes:
        text: Its text.
        href: The link that it carries; empty for none.
        note: A remark beside it, such as the type of an e-mail address.
        primary: Whether it is the primary one of several.
    """

    text: str
    href: str = ""
    note: str = ""
    primary: bool = False


@dataclass(frozen=True, slots=True)
class DetailRow:
    """An attribute with its values."""

    label: str
    values: Sequence[DetailValue]


@dataclass(frozen=True, slots=True)
class DetailPart:
    """The attributes of one schema that have a value."""

    title: str
    rows: list[DetailRow] = field(default_factory=list)


def manager_of(document: Document, kind: ResourceType) -> str:
    """Return the id of a user's manager; empty if they have none."""
    for schema_id in (schema.id for schema in kind.extensions.values()):
        manager = (document.get(schema_id) or {}).get("manager")
        if isinstance(manager, dict) and manager.get("value"):
            return str(manager["value"])
    return ""


def manager_field(kind: ResourceType) -> str:
    """Return the path of the id of a user's manager; empty if the type has none."""
    for schema in kind.extensions.values():
        attribute = schema.attributes.get("manager")
        if attribute is not None and "value" in attribute.sub_attributes:
            return f"{schema.id}:manager.value"
    return ""


def details_of(
    document: Document, kind: ResourceType, names: Mapping[str, str]
) -> list[DetailPart]:
    """Return the attributes of a document that have a value, grouped by schema.

    Args:
        document: The document.
        kind: Its type.
        names: The names of users that it refers to, by id.
    """
    core = DetailPart(str(kind.core.definition["name"]), list(_rows(document, kind.core, names)))
    if document.get("externalId"):
        row = DetailRow("External ID", [DetailValue(str(document["externalId"]))])
        core.rows.insert(min(1, len(core.rows)), row)
    parts = [core]
    for schema in kind.extensions.values():
        held = document.get(schema.id)
        if isinstance(held, dict):
            title = title_of(str(schema.definition["name"]))
            parts.append(DetailPart(title, list(_rows(held, schema, names))))
    return [part for part in parts if part.rows]


def _rows(held: Document, schema: Schema, names: Mapping[str, str]) -> Iterator[DetailRow]:
    for attribute in schema.attributes.values():
        value = held.get(attribute.name)
        if value is None or value == [] or attribute.name in _ELSEWHERE:
            continue
        label = _LABELS.get(attribute.name) or title_of(attribute.name)
        if attribute.is_complex and not attribute.multi_valued and isinstance(value, dict):
            yield from _parts_of(attribute, label, value, names)
        else:
            items = value if isinstance(value, list) else [value]
            yield DetailRow(label, [_shown(attribute, item) for item in items])


def _parts_of(
    attribute: Attribute, label: str, value: Document, names: Mapping[str, str]
) -> Iterator[DetailRow]:
    """Yield a row for a single complex value, or one for each of its parts."""
    if attribute.name == "manager" and value.get("value"):
        manager = str(value["value"])
        page = f"users/{quote(manager, safe='')}" if manager in names else ""
        name = names.get(manager) or value.get("displayName") or manager
        yield DetailRow(label, [DetailValue(str(name), page, "" if page else "no such user")])
        return
    for name, item in value.items():
        if item is not None and not name.startswith("$"):
            known = _LABELS.get(name) or title_of(name)
            shown = known if attribute.name == "name" else f"{label}: {known.lower()}"
            yield DetailRow(shown, [DetailValue(text_of(item))])


def _shown(attribute: Attribute, item: Any) -> DetailValue:
    if not isinstance(item, dict):
        return DetailValue(text_of(item))
    text = next((text_of(item[name]) for name in _TEXTS if item.get(name)), "")
    text = text or ", ".join(_others(item))
    return DetailValue(
        " ".join(text.split()),
        _link(attribute.name, item.get("value")),
        str(item.get("type") or ""),
        item.get("primary") is True,
    )


def _others(item: Document) -> Iterable[str]:
    return (text_of(value) for name, value in item.items() if name not in _MARKS and value)


def _link(name: str, value: Any) -> str:
    """Return the link to write to an e-mail address, or to call a number; empty for others."""
    scheme = _LINKS.get(name)
    if scheme is None or not isinstance(value, str) or not value.strip():
        return ""
    if scheme == "tel:":
        return scheme + quote(value.removeprefix("tel:").translate(_TELEPHONE), safe="+*#;=")
    return scheme + quote(value, safe="@")


def text_of(value: Any) -> str:
    """Return a value as text: Yes and No for booleans, the parts of an object with commas."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, dict):
        return ", ".join(text_of(item) for item in value.values() if item is not None)
    if isinstance(value, list):
        return ", ".join(text_of(item) for item in value)
    return str(value)
