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

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
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


_entry = tuple.__new__
"""Makes a LookupEntry in half the time that its class takes."""


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


Entries = tuple[frozenset[LookupEntry], frozenset[LookupEntry]]
"""The look-ups and the unique values of a document."""


def entries(
    document: Document, resource_type: ResourceType, tops: Set[str] | None = None
) -> Entries:
    """Return the look-ups and the unique values of a canonical document.

    Args:
        document: The document.
        resource_type: Its type.
        tops: Only those that derive from these top-level attributes and extensions; None for all.
            Attributes with mail domains are all among them, or none is.
    """
    lookups: list[LookupEntry] = []
    unique: list[LookupEntry] = []
    for top, readers in _readers(resource_type):
        value = document.get(top)
        if value is not None and (tops is None or top in tops):
            for read in readers:
                read(value, lookups, unique)
    return frozenset(lookups), frozenset(unique)


def entries_of_next(
    document: Document, before: Document, known: Entries, resource_type: ResourceType
) -> Entries:
    """Return the entries of the next version of a document, as `entries` does.

    Most changes concern few attributes, so only these are read.

    Args:
        document: The next version.
        before: The version before.
        known: The entries of the version before.
        resource_type: The type of the resource.
    """
    indexed, of_domains = _indexed_tops(resource_type)
    tops = {top for top in indexed if document.get(top) != before.get(top)}
    if not tops.isdisjoint(of_domains):
        tops |= of_domains  # one domain may derive from several of them
    gone, new = entries(before, resource_type, tops), entries(document, resource_type, tops)
    return (known[0] - gone[0]) | new[0], (known[1] - gone[1]) | new[1]


@lru_cache(maxsize=1024)
def _indexed_tops(resource_type: ResourceType) -> tuple[frozenset[str], frozenset[str]]:
    """Return the top-level attributes with entries, and those of them with mail domains."""
    of_domains = frozenset(field.keys[0] for field in index_of(resource_type).domains)
    return frozenset(top for top, _ in _readers(resource_type)), of_domains


_Reader = Callable[[Json, list[LookupEntry], list[LookupEntry]], None]
"""Adds the entries of one field, given the value of its top-level attribute or extension."""


@lru_cache(maxsize=1024)
def _readers(resource_type: ResourceType) -> tuple[tuple[str, tuple[_Reader, ...]], ...]:
    """Return the functions that derive the entries of each top-level attribute."""
    index = index_of(resource_type)
    readers: dict[str, list[_Reader]] = {}

    def add(field: Field, made: Callable[[Field], _Reader]) -> None:
        within = replace(field, keys=field.keys[1:])
        readers.setdefault(field.keys[0], []).append(made(within))

    for fields, unique in (
        (index.fields, index.unique),
        (index.building, frozenset[str]()),
        (index.constrained, index.constrained.keys()),
    ):
        for name, field in fields.items():
            add(field, partial(_value_reader, name, name in unique))
    for name, field in index.denied.items():
        add(field, partial(_denied_reader, name))
    for field in index.domains:
        add(field, _domain_reader)
    return tuple((top, tuple(found)) for top, found in readers.items())


def _value_reader(name: str, is_unique: bool, field: Field) -> _Reader:
    form = _form_of_one(field.attribute)
    if field.each:
        return _elements_reader(name, is_unique, field, form)
    within = field.keys

    def read(value: Json, lookups: list[LookupEntry], unique: list[LookupEntry]) -> None:
        for key in within:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            (unique if is_unique else lookups).append(
                _entry(LookupEntry, (name, form(value), True))
            )

    return read


def _elements_reader(name: str, is_unique: bool, field: Field, form: _Form) -> _Reader:
    """Read the distinct values of a multi-valued attribute.

    Two e-mail addresses that fold alike share one look-up.
    """

    def read(value: Json, lookups: list[LookupEntry], unique: list[LookupEntry]) -> None:
        values = values_at(field, value)
        if values:
            first = form(sort_value(field, value))
            found = {form(item) for item in values} if len(values) > 1 else (form(values[0]),)
            holder = unique if is_unique else lookups
            holder += [_entry(LookupEntry, (name, item, item == first)) for item in found]

    return read


def _denied_reader(name: str, field: Field) -> _Reader:
    def read(value: Json, lookups: list[LookupEntry], _: list[LookupEntry]) -> None:
        # `active eq false` is the usual question, and most users are active.
        if False in values_at(field, value):
            lookups.append(LookupEntry(name, FALSE))

    return read


def _domain_reader(field: Field) -> _Reader:
    def read(value: Json, lookups: list[LookupEntry], _: list[LookupEntry]) -> None:
        domains = map(mail_domain, values_at(field, value))
        lookups.extend(LookupEntry(DOMAIN, domain) for domain in domains if domain is not None)

    return read


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
