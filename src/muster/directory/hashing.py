"""Hashes the values that are never returned, before the transaction of a write.

Hashing is slow by design and takes a thread, so it cannot be part of a decision. The hashes of
top-level secrets are passed to the decision; those within complex values are sealed in the document
or in the steps of the PATCH.
"""

from collections.abc import Sequence

from muster.base.passwords import hash_password
from muster.scim import patch, secrets
from muster.scim.document import Document
from muster.scim.errors import invalid_value, mutability
from muster.scim.schema.model import Attribute, Place, ResourceType, secret_places
from muster.scim.secrets import Hashes
from muster.scim.values import Json


async def take_secrets(document: Document, resource_type: ResourceType, workspace: int) -> Hashes:
    """Hash the values of a document that are never returned.

    Top-level secrets are moved out of the document; those within complex values are sealed in it.

    Returns:
        The hashes of the top-level secrets, by name.
    """
    slots = secrets.slots_of_document(document, resource_type)
    tops = [
        (place, holder)
        for place in secret_places(resource_type)
        if place.attribute is not None
        and place.attribute.name in (holder := _holder(document, place))
    ]
    if not tops and not slots:
        return {}
    given = [_texts(holder[place.attribute.name]) for place, holder in tops if place.attribute]
    secrets.check_number(sum(map(len, given)) + sum(len(slot.values) for slot in slots))
    hashes: Hashes = {}
    for (place, holder), texts in zip(tops, given, strict=True):
        value = holder.pop(place.attribute.name if place.attribute is not None else "")
        hashed = [await hash_password(text, workspace) for text in texts]
        _note(hashes, place.name, hashed, replaces=True, several=isinstance(value, list))
        if not holder and place.schema is not None:
            document.pop(place.schema)
            document["schemas"].remove(place.schema)
    await _seal(slots, workspace)
    return hashes


def _holder(document: Document, place: Place) -> Document:
    holder: Document = document if place.schema is None else document.get(place.schema, {})
    return holder


def _texts(value: Json) -> list[str]:
    return [secrets.as_text(item) for item in (value if isinstance(value, list) else [value])]


def _note(hashes: Hashes, name: str, hashed: list[str], replaces: bool, several: bool) -> None:
    """Add the hashes of one attribute; those of a multi-valued one accumulate."""
    if not several:
        secrets.add(hashes, {name: hashed[0]})
        return
    if replaces:
        secrets.forget(hashes, name)
    secrets.keep_all(hashes, name, hashed)


async def _seal(slots: Sequence[secrets.Slot], workspace: int) -> None:
    for slot in slots:
        slot.seal([await hash_password(text, workspace) for text in slot.values])


async def secrets_of(
    steps: Sequence[patch.PatchStep], resource_type: ResourceType, workspace: int
) -> Hashes:
    """Hash the secrets that the steps of a PATCH set.

    Secrets within complex values are sealed in the steps.

    Returns:
        The hashes by name; None for the secrets that the steps remove.
    """
    slots = secrets.slots_of_steps(steps)
    tops = [_texts(step.value) for step in steps if step.secret is not None and _sets(step)]
    secrets.check_number(sum(map(len, tops)) + sum(len(slot.values) for slot in slots))
    hashes: Hashes = {}
    for step in steps:
        for name in secrets.removed_by(step, resource_type):
            secrets.forget(hashes, name)
        if step.secret is not None:
            await _note_step(hashes, step, step.secret, workspace)
    await _seal(slots, workspace)
    return hashes


def _sets(step: patch.PatchStep) -> bool:
    """Return whether a step on a top-level secret sets it."""
    return step.operation != "remove" and not isinstance(step.value, patch.Whole)


async def _note_step(
    hashes: Hashes, step: patch.PatchStep, attribute: Attribute, workspace: int
) -> None:
    name, value = step.target.place.name, step.value
    if step.operation == "remove" and isinstance(value, list):
        raise invalid_value(f"{step.where} is never returned, so a remove cannot name its values")
    if not _sets(step):
        if attribute.required:
            raise mutability(f"{step.where} is required and cannot be removed")
        secrets.forget(hashes, name)
        return
    hashed = [await hash_password(text, workspace) for text in _texts(value)]
    several = isinstance(value, list)
    _note(hashes, name, hashed, replaces=step.operation == "replace", several=several)
