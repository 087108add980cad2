"""What the storage keeps of a document to find it by: its look-ups, its unique values and its search form."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from muster.scim.evaluate import comparable, values_at
from muster.scim.predicate import Field, field_of
from muster.scim.resource import Document
from muster.scim.schema import Attribute, ResourceType
from muster.scim.values import Json, mail_domain

_UNSEARCHED = frozenset({"location", "version"})
DOMAIN = "domain"
"""The look-up of mail domains; no attribute has this name."""


class Entry(NamedTuple):
    """One look-up: the attribute's path and a value as it compares. first: the value that the resource sorts by."""

    attribute: str
    value: str
    first: bool = True


@dataclass(frozen=True, slots=True)
class Index:
    """The fields of a resource type that have look-ups, by canonical path. unique: those whose look-ups are unique values.

    building: fields whose look-ups are kept and not yet asked. constrained: fields whose values are unique beside that.
    """

    fields: dict[str, Field]
    unique: frozenset[str]
    domains: tuple[Field, ...]
    building: dict[str, Field]
    constrained: dict[str, Field]


@lru_cache(maxsize=1024)
def index_of(resource_type: ResourceType) -> Index:
    """The index of a resource type."""
    fields = _fields(resource_type, resource_type.indexed)
    constrained = _fields(resource_type, resource_type.constrained)
    served = ((name, field) for name, field in fields.items() if name not in constrained)
    unique = frozenset(name for name, field in served if field.attribute.uniqueness in ("server", "global"))
    domains = tuple(fields[path] for path in resource_type.mail_domains)
    return Index(fields, unique, domains, _fields(resource_type, resource_type.building), constrained)


def _fields(resource_type: ResourceType, paths: tuple[str, ...]) -> dict[str, Field]:
    places = (resource_type.place(path) for path in paths)
    return {place.name: field_of(place) for place in places if place is not None}


def entries(document: Document, resource_type: ResourceType) -> tuple[frozenset[Entry], frozenset[Entry]]:
    """The look-ups of a canonical document, and its unique values apart."""
    index = index_of(resource_type)
    lookups: set[Entry] = set()
    unique: set[Entry] = set()
    for name, field in index.fields.items():
        if field.keys[0] in document:
            holder = unique if name in index.unique else lookups
            holder.update(_entries_of(name, field, document))
    for name, field in index.building.items():
        lookups.update(_entries_of(name, field, document))
    for name, field in index.constrained.items():
        unique.update(_entries_of(name, field, document))
    for field in index.domains:
        for value in values_at(field, document):
            domain = mail_domain(value)
            if domain is not None:
                lookups.add(Entry(DOMAIN, domain))
    return frozenset(lookups), frozenset(unique)


def _entries_of(name: str, field: Field, document: Document) -> Iterable[Entry]:
    values = values_at(field, document)
    if not values:
        return ()
    if not field.each:
        return (Entry(name, comparable(field.attribute, values[0])),)
    sorts_by = comparable(field.attribute, sort_value(field, document))
    return [Entry(name, value, value == sorts_by) for value in {comparable(field.attribute, item) for item in values}]


def sort_value(field: Field, document: Document) -> Json:
    """The value that a document sorts by: of a multi-valued attribute that of the primary element, or else of the first.

    None where there is none (RFC 7644 section 3.4.2.3).
    """
    if not field.each:
        found = values_at(field, document)
        return found[0] if found else None
    holder: Json = document
    for key in field.keys:
        holder = holder.get(key, {}) if isinstance(holder, dict) else {}
    elements = primary_first(holder) if holder else []
    if not elements:
        return None
    return elements[0] if field.sub is None else elements[0].get(field.sub)


def primary_first(elements: list[Json]) -> list[Json]:
    """The elements with the primary one, if any, in front."""
    return sorted(elements, key=lambda item: not (isinstance(item, dict) and item.get("primary") is True))


def search_form(document: Document, resource_type: ResourceType) -> Document:
    """The document as filters see it: strings folded that are not caseExact, dateTimes sortable, primary elements first."""
    found: Document = {}
    for extension, attribute in resource_type.attributes():
        holder = document if extension is None else document.get(extension, {})
        if attribute.name in holder:
            target = found if extension is None else found.setdefault(extension, {})
            target[attribute.name] = _searchable(attribute, holder[attribute.name])
    return found


def _searchable(attribute: Attribute, value: Json) -> Json:
    if isinstance(value, str):
        return comparable(attribute, value)
    if isinstance(value, list):
        return [_searchable(attribute, item) for item in (primary_first(value) if len(value) > 1 else value)]
    if isinstance(value, dict):
        found = {}
        for name, item in value.items():
            sub = attribute.sub(name)
            if sub is not None and name not in _UNSEARCHED:
                found[name] = comparable(sub, item) if isinstance(item, str) else _searchable(sub, item)
        return found
    return value
