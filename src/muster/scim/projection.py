"""Which attributes an answer shows: `attributes`, `excludedAttributes` and `returned` (RFC 7644 section 3.9)."""

from dataclasses import dataclass
from functools import lru_cache

from muster.scim.bounds import MAX_NAMES
from muster.scim.document import Document
from muster.scim.errors import invalid_value
from muster.scim.schema.model import Attribute, Place, ResourceType
from muster.scim.values import Json

Chosen = dict[tuple[str | None, str], set[str] | None]
"""(extension, attribute) to the sub-attributes that were named, or None for all of it."""


_REMEMBERED_LENGTH = 500
"""How long the names may be, in characters, of a projection that is remembered: a client may send megabytes of them."""
Plan = dict[tuple[str | None, str], frozenset[str] | None]
"""What is shown: (extension, attribute) to the sub-attributes that are, or None for the value as it is; in canonical order."""


@dataclass(frozen=True, slots=True)
class Projection:
    """wanted: what `attributes` names, None without one. unwanted: what `excludedAttributes` names. plan: what follows."""

    resource_type: ResourceType
    wanted: Chosen | None
    unwanted: Chosen
    plan: Plan

    def __call__(self, document: Document) -> Document:
        """The part of a canonical document that is to be shown. What is `always` is never lost, `never` never shown."""
        shown: Document = {}
        for (extension, name), subs in self.plan.items():
            holder = document if extension is None else document.get(extension)
            value = holder.get(name) if holder else None
            if value is not None and subs is not None:
                value = _part(value, subs)
            if value is not None:
                (shown if extension is None else shown.setdefault(extension, {}))[name] = value
        return shown

    def leaves_out_only(self, name: str) -> bool:
        """Whether every core attribute but that one is shown as it is, and every extension."""
        return (
            self.wanted is None
            and self.unwanted.keys() <= {(None, name)}
            and not shows_on_request(self.resource_type)
        )

    def part(self, name: str, value: Json) -> Json:
        """What is to be shown of the value of a core attribute, or None."""
        if (None, name) not in self.plan:
            return None
        subs = self.plan[None, name]
        return value if subs is None else _part(value, subs)


def _part(value: Json, subs: frozenset[str]) -> Json:
    """The sub-attributes that are to be shown, of each element where there are several; None where there is nothing of them."""
    if isinstance(value, list):
        return [part for part in (_part(item, subs) for item in value) if part] or None
    return {name: item for name, item in value.items() if name in subs} or None


def _plan(resource_type: ResourceType, wanted: Chosen | None, unwanted: Chosen) -> Plan:
    plan: Plan = {}
    for extension, attribute in resource_type.attributes():
        key = (extension, attribute.name)
        names = wanted.get(key, set()) if wanted is not None else None
        hidden = unwanted.get(key, set())
        if attribute.returned == "always":
            plan[key] = None
        elif hidden is not None and _shown(
            attribute, wanted is not None and key in wanted, wanted is not None
        ):
            plan[key] = _subs(attribute, names, hidden) if attribute.sub_attributes else None
    return plan


def _subs(attribute: Attribute, names: set[str] | None, hidden: set[str]) -> frozenset[str]:
    return frozenset(
        sub.name
        for sub in attribute.sub_attributes.values()
        if (sub.name not in hidden or sub.returned == "always")
        and _shown(sub, names is None or sub.name in names, bool(names))
    )


def _shown(attribute: Attribute, asked: bool, choosing: bool) -> bool:
    match attribute.returned:
        case "always":
            return True
        case "never":
            return False
        case "request":
            return asked and choosing
    return asked or not choosing


@lru_cache(maxsize=1024)
def shows_on_request(resource_type: ResourceType) -> bool:
    """Whether some attribute of a resource type is shown only to those who ask for it."""
    return resource_type.shows_on_request


def projection(
    resource_type: ResourceType, attributes: str | None, excluded: str | None
) -> Projection | None:
    """The projection that the two parameters ask for, or None where the answer is the whole resource.

    Names may be in any case, with or without the schema URN, sub-attributes after a dot; unknown ones name nothing.
    """
    if not attributes and not excluded and not shows_on_request(resource_type):
        return None
    asked = (attributes or "", excluded or "")
    for name, names in zip(("attributes", "excludedAttributes"), asked, strict=True):
        if len(names) > MAX_NAMES and names.count(",") >= MAX_NAMES:
            raise invalid_value(
                f"{name} has {names.count(',') + 1:,} names, and at most {MAX_NAMES:,} are allowed"
            )
    short = len(asked[0]) + len(asked[1]) <= _REMEMBERED_LENGTH
    return (_remembered if short else _made)(resource_type, *asked)


def _made(resource_type: ResourceType, attributes: str, excluded: str) -> Projection:
    wanted = _chosen(resource_type, attributes) if attributes else None
    unwanted = _chosen(resource_type, excluded)
    return Projection(resource_type, wanted, unwanted, _plan(resource_type, wanted, unwanted))


_remembered = lru_cache(maxsize=256)(_made)


def _chosen(resource_type: ResourceType, names: str) -> Chosen:
    chosen: Chosen = {}
    for name in names.split(","):
        place = resource_type.place(name.strip())
        if place is None:
            continue
        if place.attribute is None:
            _choose_extension(chosen, resource_type, place)
        elif place.sub is None:
            chosen[place.schema, place.attribute.name] = None
        else:
            subs = chosen.setdefault((place.schema, place.attribute.name), set())
            if subs is not None:
                subs.add(place.sub.name)
    return chosen


def _choose_extension(chosen: Chosen, resource_type: ResourceType, place: Place) -> None:
    schema = resource_type.extension(place.schema or "")
    for attribute in schema.attributes.values() if schema else ():
        chosen[place.schema, attribute.name] = None
