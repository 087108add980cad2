"""Values that are never returned: found in documents and PATCH steps, and named for the storage, which keeps their hashes.

The service hashes each value before the transaction and puts a `Sealed` in its place. A PATCH then treats it like any other
value, and `extract` takes it out of the result. In the storage a hash has a name:

- `urn:…:pin`, `urn:…:vault.pin`: the value of an attribute or sub-attribute.
- `urn:…:keys[identity].pin`: that of an element, which is told apart by its `value` and `type`, or else by all that it shows. An
  element that gets another identity loses its secrets.
- a name with `[id]` at its end: one of several values of a multi-valued attribute.

Forgetting a name forgets all names that continue it with a bracket.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator

import orjson

from muster.scim.document import Document
from muster.scim.elements import key_of
from muster.scim.errors import invalid_value
from muster.scim.patch import Named, Partial, PatchStep, Whole
from muster.scim.schema.model import (
    Attribute,
    Place,
    ResourceType,
    holders_of_secrets,
    secret_places,
)
from muster.scim.values import Json, Sealed

Hashes = dict[str, str | None]
"""Hashes by name; None for a name to forget. In order: a name is forgotten before what continues it is kept."""
MAX_SECRETS = 100
"""The most secrets of one resource in a request: each takes as long to hash as a password."""


class Slot:
    """A place of a secret that is not sealed yet: a key of an object, and its values."""

    def __init__(self, holder: dict[str, Json], name: str) -> None:
        self._holder = holder
        self._name = name
        value = holder[name]
        self.values: list[str] = [as_text(item) for item in _listed(value)]

    def seal(self, hashes: list[str]) -> None:
        """Put hashes in the place of the values."""
        sealed = [Sealed(hashed) for hashed in hashes]
        is_list = isinstance(self._holder[self._name], list)
        self._holder[self._name] = sealed if is_list else sealed[0]


def as_text(value: Json) -> str:
    """The text of a secret, which is hashed."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def check_number(secrets: int) -> None:
    """Raises ScimError invalidValue if a request sets too many secrets of one resource."""
    if secrets > MAX_SECRETS:
        raise invalid_value(
            f"the request sets {secrets:,} values that are never returned; the limit is {MAX_SECRETS} for each resource"
        )


def forget(hashes: Hashes, name: str) -> None:
    """Note that a name and all that continue it are to be forgotten, those that were noted before as well."""
    for noted in [other for other in hashes if other == name or other.startswith(f"{name}[")]:
        del hashes[noted]
    hashes[name] = None


def add(hashes: Hashes, later: Hashes) -> None:
    """Add what is noted later."""
    for name, hashed in later.items():
        if hashed is None:
            forget(hashes, name)
        else:
            hashes.pop(name, None)
            hashes[name] = hashed


def keep_all(hashes: Hashes, name: str, several: Iterable[str]) -> None:
    """Note the hashes of several values of a multi-valued attribute, beside those that are kept."""
    for hashed in several:
        hashes[f"{name}[{uuid.uuid4().hex}]"] = hashed


def slots_of_document(document: Document, resource_type: ResourceType) -> list[Slot]:
    """The secrets within the complex attributes of a canonical document."""
    return [
        slot
        for place in holders_of_secrets(resource_type)
        for slot in _slots(_value_at(document, place), place.attribute)
    ]


def slots_of_steps(steps: Iterable[PatchStep]) -> list[Slot]:
    """The secrets within the complex values of the steps of a PATCH.

    A sub-attribute that a step clears becomes a `Sealed` that is empty. A step is changed in place, before it is applied.

    Raises:
        ScimError: invalidValue if a remove names a value that is never returned, as it cannot be compared.
    """
    found: list[Slot] = []
    for step in steps:
        attribute = step.target.place.attribute
        if attribute is None or not attribute.secret_subs:
            continue
        if step.operation == "remove" and not isinstance(step.value, Partial | Whole):
            _check_comparable(step, attribute)
            continue
        if isinstance(step.value, Partial):
            found += _slots(step.value.assigned, attribute)
            _seal_cleared(step.value, attribute)
        else:
            found += _slots(step.value, attribute)
    return found


def _check_comparable(step: PatchStep, attribute: Attribute) -> None:
    named = step.value.value if isinstance(step.value, Named) else step.value
    values = named.assigned if isinstance(named, Partial) else named
    for item in _listed(values):
        for sub in attribute.secret_subs:
            if isinstance(item, dict) and sub.name in item:
                raise invalid_value(
                    f"{step.where}.{sub.name} is never returned, so a remove cannot name its value"
                )


def _seal_cleared(value: Partial, attribute: Attribute) -> None:
    secret = {sub.name for sub in attribute.secret_subs}
    for name in value.cleared:
        if name in secret:
            value.assigned[name] = Sealed()
    value.cleared = tuple(name for name in value.cleared if name not in secret)


def _slots(value: Json, attribute: Attribute | None) -> Iterator[Slot]:
    for holder in _listed(value):
        for sub in attribute.secret_subs if attribute is not None else ():
            if isinstance(holder, dict) and sub.name in holder:
                yield Slot(holder, sub.name)


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def removed_by(step: PatchStep, resource_type: ResourceType) -> list[str]:
    """The names that a step makes to be forgotten: those of a whole extension or of a whole complex attribute."""
    place = step.target.place
    if place.attribute is None:
        tops = [at.name for at in secret_places(resource_type) if at.schema == place.schema]
        holders = [at for at in holders_of_secrets(resource_type) if at.schema == place.schema]
        return [*tops, *(name for at in holders for name in _names_within(at))]
    if place.sub is None and place.attribute.secret_subs and isinstance(step.value, Whole):
        return [] if place.attribute.multi_valued else _names_within(place)
    return []


def _names_within(place: Place) -> list[str]:
    attribute = place.attribute
    if attribute is None or attribute.multi_valued:
        return [place.name]
    return [f"{place.name}.{sub.name}" for sub in attribute.secret_subs]


def extract(document: Document, resource_type: ResourceType) -> tuple[Document, Hashes]:
    """Take the sealed secrets out of a document.

    Neither the document nor what is in it is changed.

    Raises:
        ScimError: invalidValue for an element that has nothing but secrets, and so could not be told apart.
    """
    hashes: Hashes = {}
    for place in holders_of_secrets(resource_type):
        value = _value_at(document, place)
        if value is None or place.attribute is None:
            continue
        shown: Json = [_extracted(item, place, hashes) for item in _listed(value)]
        if not place.attribute.multi_valued:
            shown = shown[0]
        elif {} in shown:
            raise invalid_value(
                f"{place.name}: an element needs a value that is returned, to be told apart by"
            )
        document = _with(document, place, shown)
    return document, hashes


def _extracted(value: Json, place: Place, hashes: Hashes) -> Json:
    attribute = place.attribute
    if attribute is None:
        return value
    secret = {sub.name for sub in attribute.secret_subs}
    shown = {name: item for name, item in value.items() if name not in secret}
    prefix = _element_name(place, attribute, shown) if attribute.multi_valued else place.name
    for sub in attribute.secret_subs:
        if sub.name in value:
            _note(hashes, f"{prefix}.{sub.name}", value[sub.name])
    return shown


def _note(hashes: Hashes, name: str, value: Json) -> None:
    if isinstance(value, list):
        forget(hashes, name)
        for number, hashed in enumerate(value):
            hashes[f"{name}[{number}]"] = hashed
    elif value:
        hashes[name] = str(value)
    else:
        forget(hashes, name)


def _element_name(place: Place, attribute: Attribute, shown: Document) -> str:
    named = {name: value for name, value in shown.items() if name != "primary"}
    identity = repr(_ordered(key_of(attribute, named)))
    return f"{place.name}[{hashlib.sha256(identity.encode()).hexdigest()[:32]}]"


def _ordered(value: object) -> object:
    """An identity as a value whose text is always the same."""
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return tuple(map(_ordered, value)) if isinstance(value, tuple) else value


def gone(before: Document, after: Document, resource_type: ResourceType) -> Hashes:
    """The names to forget of the elements that a document has no more."""
    hashes: Hashes = {}
    for place in holders_of_secrets(resource_type):
        attribute = place.attribute
        if attribute is None or not attribute.multi_valued:
            continue
        there, left = (
            {_element_name(place, attribute, item) for item in _value_at(document, place) or ()}
            for document in (before, after)
        )
        for name in sorted(there - left):
            for sub in attribute.secret_subs:
                hashes[f"{name}.{sub.name}"] = None
    return hashes


def first_secret(document: Document, resource_type: ResourceType) -> str | None:
    """The path of a secret that a canonical document gives, or None."""
    for place in secret_places(resource_type):
        if _value_at(document, place) is not None:
            return place.name
    for place in holders_of_secrets(resource_type):
        if any(_slots(_value_at(document, place), place.attribute)):
            return place.name
    return None


def _value_at(document: Document, place: Place) -> Json:
    holder = document if place.schema is None else document.get(place.schema) or {}
    return holder.get(place.attribute.name) if place.attribute is not None else None


def _with(document: Document, place: Place, value: Json) -> Document:
    """A document with another value at a place; without the attribute if it is empty."""
    name = "" if place.attribute is None else place.attribute.name
    changed = dict(document)
    holder = changed if place.schema is None else dict(document[place.schema])
    if value:
        holder[name] = value
    else:
        holder.pop(name)
    if place.schema is not None:
        changed[place.schema] = holder
        if not holder:
            del changed[place.schema]
            changed["schemas"] = [urn for urn in document["schemas"] if urn != place.schema]
    return changed
