"""Derives look-ups, unique values and the search form from a document.

The storage finds documents by them.

- A look-up is one folded value of an indexed attribute. Filters with eq, sw, gt, ge, lt, le and pr,
  and sorting, read look-ups, which the database has in an index. A multi-valued attribute has one
  for each distinct value; `first` marks the one that the resource sorts by.
- A unique value is a look-up of an attribute with `uniqueness`; the database enforces it by a
  primary key.
- The search form is the document in the form in which values compare: strings folded, dateTimes
  sortable, the primary element first. All other filters scan it, so that the database compares
  plain values and needs no folding of its own.

Folding happens at every write. The code for a resource type is therefore composed once, of one
function for each attribute, instead of inspecting the schema for each document.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

from muster.scim.document import Document
from muster.scim.filter.evaluate import comparable, values_at
from muster.scim.filter.predicate import Field, field_of
from muster.scim.primary import primary_first
from muster.scim.schema.model import Attribute, ResourceType
from muster.scim.sorting import sort_value
from muster.scim.values import Json, fold, mail_domain

_UNSEARCHED = frozenset({"location", "version"})
"""Members of `meta` that depend on the request or say nothing about the resource."""
_Form = Callable[[Json], Json]
DOMAIN = "domain"
"""The name of the look-ups of e-mail domains; no attribute has it."""
FALSE = "false"
"""The look-up of a boolean that is false. Most users are active, so true has none."""


class LookupEntry(NamedTuple):
    """A look-up or unique value.

    Attributes:
        attribute: The path of the attribute.
        value: The value in the form in which it compares.
        first: Whether the resource sorts by this value.
    """

    attribute: str
    value: str
    first: bool = True


@dataclass(frozen=True, slots=True)
class LookupIndex:
    """The indexed fields of a resource type, by canonical path.

    Attributes:
        fields: The fields with look-ups that searches may use.
        unique: The paths whose look-ups are unique values.
        domains: The fields whose e-mail domains have look-ups.
        denied: The booleans of which only false has look-ups.
        building: The fields whose look-ups are written but still incomplete, so that searches do
            not use them yet.
        constrained: The fields with unique values besides their look-ups.
    """

    fields: dict[str, Field]
    unique: frozenset[str]
    domains: tuple[Field, ...]
    denied: dict[str, Field]
    building: dict[str, Field]
    constrained: dict[str, Field]


@lru_cache(maxsize=1024)
def index_of(resource_type: ResourceType) -> LookupIndex:
    """Return the indexed fields of a resource type."""
    fields = _fields(resource_type, resource_type.indexed)
    constrained = _fields(resource_type, resource_type.constrained)
    # Constrained paths keep ordinary look-ups and have unique values besides.
    served = ((name, field) for name, field in fields.items() if name not in constrained)
    unique = frozenset(
        name for name, field in served if field.attribute.uniqueness in ("server", "global")
    )
    domains = tuple(fields[path] for path in resource_type.mail_domains)
    denied, building = (
        _fields(resource_type, paths) for paths in (resource_type.denied, resource_type.building)
    )
    return LookupIndex(fields, unique, domains, denied, building, constrained)


def _fields(resource_type: ResourceType, paths: tuple[str, ...]) -> dict[str, Field]:
    places = (resource_type.place(path) for path in paths)
    return {place.name: field_of(place) for place in places if place is not None}


def entries(
    document: Document, resource_type: ResourceType
) -> tuple[frozenset[LookupEntry], frozenset[LookupEntry]]:
    """Return the look-ups and the unique values of a canonical document."""
    lookups: set[LookupEntry] = set()
    unique: set[LookupEntry] = set()
    for indexed in _indexed_fields(resource_type):
        name, field, is_unique, form, top, inner = indexed
        value = document.get(top)
        if value is None:
            continue
        holder = unique if is_unique else lookups
        if field.each:
            holder.update(_entries_of_elements(indexed, document))
            continue
        if inner is not None:
            value = value.get(inner) if isinstance(value, dict) else None
        elif len(field.keys) > 1:
            value = (values_at(field, document) or _NOTHING)[0]
        if value is not None:
            holder.add(LookupEntry(name, form(value)))
    index = index_of(resource_type)
    for name, field in index.denied.items():
        # `active eq false` is the usual question, and most users are active.
        if False in values_at(field, document):
            lookups.add(LookupEntry(name, FALSE))
    for field in index.domains:
        for value in values_at(field, document):
            domain = mail_domain(value)
            if domain is not None:
                lookups.add(LookupEntry(DOMAIN, domain))
    return frozenset(lookups), frozenset(unique)


class _IndexedField(NamedTuple):
    """A field that has look-ups.

    Attributes:
        name: Its path.
        field: The field.
        unique: Whether they are unique values.
        form: Brings a value into the form in which it compares.
        top: The first of its keys.
        inner: The second of its keys, if it has two.
    """

    name: str
    field: Field
    unique: bool
    form: _Form
    top: str
    inner: str | None


_NOTHING = (None,)


def _entries_of_elements(indexed: _IndexedField, document: Document) -> list[LookupEntry]:
    """Return the look-ups of the distinct values of a multi-valued attribute.

    Two e-mail addresses that fold alike share one look-up.
    """
    field, form = indexed.field, indexed.form
    values = values_at(field, document)
    if not values:
        return []
    if len(values) == 1:
        only = form(values[0])
        return [LookupEntry(indexed.name, only, only == form(sort_value(field, document)))]
    sorts_by = form(sort_value(field, document))
    distinct = {form(item) for item in values}
    return [LookupEntry(indexed.name, value, value == sorts_by) for value in distinct]


@lru_cache(maxsize=1024)
def _indexed_fields(resource_type: ResourceType) -> tuple[_IndexedField, ...]:
    index = index_of(resource_type)
    kept = [(name, field, name in index.unique) for name, field in index.fields.items()]
    kept += [(name, field, False) for name, field in index.building.items()]
    kept += [(name, field, True) for name, field in index.constrained.items()]
    return tuple(
        _IndexedField(
            name,
            field,
            unique,
            _form_of_one(field.attribute),
            field.keys[0],
            field.keys[1] if len(field.keys) == 2 else None,
        )
        for name, field, unique in kept
    )


def search_form(document: Document, resource_type: ResourceType) -> Document:
    """Return the search form of a canonical document with its `meta`."""
    form: Document = _form_of_type(resource_type)(document)
    return form


@lru_cache(maxsize=1024)
def _form_of_type(resource_type: ResourceType) -> _Form:
    common = resource_type.common.attributes
    meta = _object_form(
        sub for sub in common["meta"].sub_attributes.values() if sub.name not in _UNSEARCHED
    )
    inner = {
        schema.id: _object_form(schema.attributes.values())
        for schema in resource_type.extensions.values()
    }
    return _object_form(
        (*common.values(), *resource_type.core.attributes.values()), meta=meta, **inner
    )


def _form_of(attribute: Attribute) -> _Form:
    """Return the function that brings a value of an attribute into its search form.

    It returns a value of another type unchanged: the schema may have changed since it was stored.
    """
    one = _form_of_one(attribute)
    return _array_form(one) if attribute.multi_valued else one


def _form_of_one(attribute: Attribute) -> _Form:
    if attribute.is_complex:
        return _object_form(attribute.sub_attributes.values())
    if attribute.type == "dateTime":
        return partial(comparable, attribute)
    return _unchanged if attribute.case_exact else _folded


def _array_form(one: _Form) -> _Form:
    def form(value: Json) -> Json:
        if not isinstance(value, list):
            return value
        # The primary element comes first, so that sorting finds it at a fixed path.
        return [one(item) for item in (primary_first(value) if len(value) > 1 else value)]

    return form


def _object_form(attributes: Iterable[Attribute], **more: _Form) -> _Form:
    """Return the function for an object.

    Args:
        attributes: The attributes of the object.
        more: The functions for its other members, by name.
    """
    forms = {attribute.name: _form_of(attribute) for attribute in attributes} | more
    texts = frozenset(name for name, form in forms.items() if form is _folded)

    def form(value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        found = {}
        for name, item in value.items():
            if name in texts and isinstance(item, str):
                # The same as `fold`, without the cost of a call for ASCII.
                found[name] = item.lower() if item.isascii() else fold(item)
            elif name in forms:
                found[name] = forms[name](item)
        return found

    return form


def _unchanged(value: Json) -> Json:
    return value


def _folded(value: Json) -> Json:
    return fold(value) if isinstance(value, str) else value
