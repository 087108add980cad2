"""Which attributes an answer shows: `attributes`, `excludedAttributes` and `returned` (RFC 7644 section 3.9)."""

from dataclasses import dataclass
from functools import lru_cache

from muster.scim.resource import Document
from muster.scim.schema import Attribute, Place, ResourceType
from muster.scim.values import Json

Chosen = dict[tuple[str | None, str], set[str] | None]
"""(extension, attribute) to the sub-attributes that were named, or None for all of it."""


@dataclass(frozen=True, slots=True)
class Projection:
    """wanted: what `attributes` names, None without one. unwanted: what `excludedAttributes` names."""

    resource_type: ResourceType
    wanted: Chosen | None
    unwanted: Chosen

    def __call__(self, document: Document) -> Document:
        """The part of a canonical document that is to be shown. What is `always` is never lost, `never` never shown."""
        shown: Document = {}
        for extension, attribute in self.resource_type.attributes():
            holder = document if extension is None else document.get(extension, {})
            if attribute.name not in holder:
                continue
            value = self._value(extension, attribute, holder[attribute.name])
            if value is None:
                continue
            (shown if extension is None else shown.setdefault(extension, {}))[attribute.name] = value
        return shown

    def leaves_out_only(self, name: str) -> bool:
        """Whether every core attribute but that one is shown as it is, and every extension."""
        return self.wanted is None and self.unwanted.keys() <= {(None, name)} and not shows_on_request(self.resource_type)

    def part(self, name: str, value: Json) -> Json:
        """What is to be shown of the value of a core attribute, or None."""
        attribute = self.resource_type.core.attribute(name)
        return None if attribute is None else self._value(None, attribute, value)

    def _value(self, extension: str | None, attribute: Attribute, value: Json) -> Json:
        if attribute.returned == "always":
            return value
        key = (extension, attribute.name)
        names = self.wanted.get(key, set()) if self.wanted is not None else None
        asked = self.wanted is not None and key in self.wanted
        if not _shown(attribute, asked, self.wanted is not None):
            return None
        hidden = self.unwanted.get(key, set())
        if hidden is None:
            return None
        if not attribute.sub_attributes:
            return value
        if isinstance(value, list):
            return [part for part in (_part(attribute, item, names, hidden) for item in value) if part] or None
        return _part(attribute, value, names, hidden) or None


def _part(attribute: Attribute, value: Document, names: set[str] | None, hidden: set[str]) -> Document:
    shown = {}
    for name, item in value.items():
        sub = attribute.sub(name)
        if sub is None or (name in hidden and sub.returned != "always"):
            continue
        if _shown(sub, names is None or name in names, bool(names)):
            shown[name] = item
    return shown


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


def projection(resource_type: ResourceType, attributes: str | None, excluded: str | None) -> Projection | None:
    """The projection that the two parameters ask for, or None where the answer is the whole resource.

    Names may be in any case, with or without the schema URN, sub-attributes after a dot; unknown ones name nothing.
    """
    if not attributes and not excluded and not shows_on_request(resource_type):
        return None
    wanted = _chosen(resource_type, attributes) if attributes else None
    return Projection(resource_type, wanted, _chosen(resource_type, excluded or ""))


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
