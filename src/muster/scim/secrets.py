"""Values that are never returned, such as passwords (RFC 7643 section 7).

They are stored as hashes, outside the document. Hashing takes too long for a transaction, and a
PATCH needs the document that only the transaction has, so a secret takes three steps:

1. Before the transaction, the service hashes every secret in the request (`slots_of_document`,
   `slots_of_steps`) and puts a `Sealed`, a string that holds the hash, in its place.
2. In the transaction, PATCH moves sealed values around like any others.
3. `extract` takes the sealed values out of the resulting document and gives each a name, under
   which the storage keeps the hash.

The names are:

- `urn:…:pin`, `urn:…:vault.pin` for an attribute or sub-attribute.
- `urn:…:keys[identity].pin` for a sub-attribute of an element. The identity is a digest of the
  element's `value` and `type`, or else of all its visible content; if that changes, the element
  loses its secrets.
- One of the above followed by `[id]`, for one of several values of a multi-valued attribute.

Forgetting a name also forgets every name that continues it with a bracket.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator

import orjson

from muster.scim.document import Document
from muster.scim.elements import key_of
from muster.scim.errors import invalid_value
from muster.scim.patch import NamedValue, Partial, PatchStep, Whole
from muster.scim.schema.model import (
    Attribute,
    Place,
    ResourceType,
    holders_of_secrets,
    secret_places,
)
from muster.scim.values import Json, Sealed

Hashes = dict[str, str | None]
"""Hashes by name, in order; None for a name to forget, which comes before its continuations."""
MAX_SECRETS = 100
"""The most secrets of one resource in a request; hashing each takes as long as a password."""


class Slot:
    """A key of an object whose secret value, or values, are not sealed yet."""

    def __init__(self, holder: dict[str, Json], name: str) -> None:
        self._holder = holder
        self._name = name
        value = holder[name]
        self.values: list[str] = [as_text(item) for item in _listed(value)]

    def seal(self, hashes: list[str]) -> None:
        """Replace the values by their hashes."""
        sealed = [Sealed(hashed) for hashed in hashes]
        is_list = isinstance(self._holder[self._name], list)
        self._holder[self._name] = sealed if is_list else sealed[0]


def as_text(value: Json) -> str:
    """Return the text of a secret that is hashed."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def check_number(secrets: int) -> None:
    """Check the number of secrets that a request sets. Raises ScimError invalidValue."""
    if secrets > MAX_SECRETS:
        raise invalid_value(
            f"The request sets {secrets:,} values that are never returned; the limit is"
            f" {MAX_SECRETS} for each resource."
        )


def forget(hashes: Hashes, name: str) -> None:
    """Forget a name and its continuations, and drop their earlier hashes."""
    for noted in [other for other in hashes if other == name or other.startswith(f"{name}[")]:
        del hashes[noted]
    hashes[name] = None


def add(hashes: Hashes, later: Hashes) -> None:
    """Add later hashes to earlier ones."""
    for name, hashed in later.items():
        if hashed is None:
            forget(hashes, name)
        else:
            hashes.pop(name, None)
            hashes[name] = hashed


def keep_all(hashes: Hashes, name: str, several: Iterable[str]) -> None:
    """Add the hashes of several values of an attribute, beside those that are stored."""
    for hashed in several:
        hashes[f"{name}[{uuid.uuid4().hex}]"] = hashed


def slots_of_document(document: Document, resource_type: ResourceType) -> list[Slot]:
    """Return the secrets within the complex attributes of a canonical document."""
    return [
        slot
        for place in holders_of_secrets(resource_type)
        for slot in _slots(_value_at(document, place), place.attribute)
    ]


def slots_of_steps(steps: Iterable[PatchStep]) -> list[Slot]:
    """Return the secrets within the complex values of the steps of a PATCH.

    The steps are modified: a secret sub-attribute that a step clears becomes an empty `Sealed`.

    Raises:
        ScimError: invalidValue, if a remove names a secret value, which cannot be compared.
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
    named = step.value.value if isinstance(step.value, NamedValue) else step.value
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
    """Return the names to forget if a step removes an extension or complex attribute."""
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
    """Take the sealed secrets out of a document, which is not modified.

    Returns:
        The document without them, and their hashes by name.

    Raises:
        ScimError: invalidValue for an element with nothing but secrets, which has no identity.
    """
    hashes: Hashes = {}
    for place in holders_of_secrets(resource_type):
        value = _value_at(document, place)
        if value is None or place.attribute is None:
            continue
        visible: Json = [_extracted(item, place, hashes) for item in _listed(value)]
        if not place.attribute.multi_valued:
            visible = visible[0]
        elif {} in visible:
            raise invalid_value(
                f"{place.name}: an element needs at least one value that is returned"
            )
        document = _with(document, place, visible)
    return document, hashes


def _extracted(value: Json, place: Place, hashes: Hashes) -> Json:
    attribute = place.attribute
    if attribute is None:
        return value
    secret = {sub.name for sub in attribute.secret_subs}
    visible = {name: item for name, item in value.items() if name not in secret}
    prefix = _element_name(place, attribute, visible) if attribute.multi_valued else place.name
    for sub in attribute.secret_subs:
        if sub.name in value:
            _note(hashes, f"{prefix}.{sub.name}", value[sub.name])
    return visible


def _note(hashes: Hashes, name: str, value: Json) -> None:
    if isinstance(value, list):
        forget(hashes, name)
        for number, hashed in enumerate(value):
            hashes[f"{name}[{number}]"] = hashed
    elif value:
        hashes[name] = str(value)
    else:
        forget(hashes, name)


def _element_name(place: Place, attribute: Attribute, visible: Document) -> str:
    named = {name: value for name, value in visible.items() if name != "primary"}
    identity = repr(_ordered(key_of(attribute, named)))
    return f"{place.name}[{hashlib.sha256(identity.encode()).hexdigest()[:32]}]"


def _ordered(value: object) -> object:
    """Return an identity in a form whose text does not depend on the order of sets."""
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return tuple(map(_ordered, value)) if isinstance(value, tuple) else value


def lost_with_elements(before: Document, after: Document, resource_type: ResourceType) -> Hashes:
    """Return the names to forget because their elements are no longer in the document."""
    hashes: Hashes = {}
    for place in holders_of_secrets(resource_type):
        attribute = place.attribute
        if attribute is None or not attribute.multi_valued:
            continue
        had, has = (
            {_element_name(place, attribute, item) for item in _value_at(document, place) or ()}
            for document in (before, after)
        )
        for name in sorted(had - has):
            for sub in attribute.secret_subs:
                hashes[f"{name}.{sub.name}"] = None
    return hashes


def first_secret(document: Document, resource_type: ResourceType) -> str | None:
    """Return the path of the first secret in a canonical document, or None."""
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
    """Return a document with another value at a place; without the attribute if empty."""
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
