"""What the storage keeps of a document to find it by: its look-ups, its unique values and its search form."""

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
"""What of meta varies with the request, or says nothing of the resource."""
_Form = Callable[[Json], Json]
DOMAIN = "domain"
"""The look-up of mail domains; no attribute has this name."""
FALSE = "false"
"""The look-up of a boolean that is false."""


class LookupEntry(NamedTuple):
    """One look-up: the attribute's path and a value as it compares. first: the value that the resource sorts by."""

    attribute: str
    value: str
    first: bool = True


@dataclass(frozen=True, slots=True)
class LookupIndex:
    """The fields of a resource type that have look-ups, by canonical path. unique: those whose look-ups are unique values.

    denied: booleans of which only false has look-ups.
    building: fields whose look-ups are kept and not yet asked. constrained: fields whose values are unique beside that.
    """

    fields: dict[str, Field]
    unique: frozenset[str]
    domains: tuple[Field, ...]
    denied: dict[str, Field]
    building: dict[str, Field]
    constrained: dict[str, Field]


@lru_cache(maxsize=1024)
def index_of(resource_type: ResourceType) -> LookupIndex:
    """The index of a resource type."""
    fields = _fields(resource_type, resource_type.indexed)
    constrained = _fields(resource_type, resource_type.constrained)
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
    """The look-ups of a canonical document, and its unique values apart."""
    lookups: set[LookupEntry] = set()
    unique: set[LookupEntry] = set()
    for look in _looks_of(resource_type):
        field = look.field
        if field.keys[0] in document and (values := values_at(field, document)):
            holder = unique if look.unique else lookups
            if field.each:
                sorts_by = look.form(sort_value(field, document))
                holder.update(
                    [
                        LookupEntry(look.name, value, value == sorts_by)
                        for value in {look.form(item) for item in values}
                    ]
                )
            else:
                holder.add(LookupEntry(look.name, look.form(values[0])))
    index = index_of(resource_type)
    for name, field in index.denied.items():
        if False in values_at(field, document):
            lookups.add(LookupEntry(name, FALSE))
    for field in index.domains:
        for value in values_at(field, document):
            domain = mail_domain(value)
            if domain is not None:
                lookups.add(LookupEntry(DOMAIN, domain))
    return frozenset(lookups), frozenset(unique)


class _Look(NamedTuple):
    """A field that look-ups are kept of. form: how its values compare."""

    name: str
    field: Field
    unique: bool
    form: _Form


@lru_cache(maxsize=1024)
def _looks_of(resource_type: ResourceType) -> tuple[_Look, ...]:
    index = index_of(resource_type)
    kept = [(name, field, name in index.unique) for name, field in index.fields.items()]
    kept += [(name, field, False) for name, field in index.building.items()]
    kept += [(name, field, True) for name, field in index.constrained.items()]
    return tuple(
        _Look(name, field, unique, _form_of_one(field.attribute)) for name, field, unique in kept
    )


def search_form(document: Document, resource_type: ResourceType) -> Document:
    """The document as filters see it: strings folded that are not caseExact, dateTimes sortable, primary elements first."""
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
    """What makes the search form of a value; one that is not of the attribute's type stays as it is."""
    one = _form_of_one(attribute)
    return _array_form(one) if attribute.multi_valued else one


def _form_of_one(attribute: Attribute) -> _Form:
    if attribute.is_complex:
        return _object_form(attribute.sub_attributes.values())
    if attribute.type == "dateTime":
        return partial(comparable, attribute)
    return _as_it_is if attribute.case_exact else _folded


def _array_form(one: _Form) -> _Form:
    def form(value: Json) -> Json:
        if not isinstance(value, list):
            return value
        return [one(item) for item in (primary_first(value) if len(value) > 1 else value)]

    return form


def _object_form(attributes: Iterable[Attribute], **more: _Form) -> _Form:
    """more: the forms of what else the object has."""
    forms = {attribute.name: _form_of(attribute) for attribute in attributes} | more
    texts = frozenset(name for name, form in forms.items() if form is _folded)

    def form(value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        found = {}
        for name, item in value.items():
            if name in texts and isinstance(item, str):
                found[name] = (
                    item.lower() if item.isascii() else fold(item)
                )  # as fold does, without the call
            elif name in forms:
                found[name] = forms[name](item)
        return found

    return form


def _as_it_is(value: Json) -> Json:
    return value


def _folded(value: Json) -> Json:
    return fold(value) if isinstance(value, str) else value
