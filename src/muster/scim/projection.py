"""Selects the attributes of an answer (RFC 7644 section 3.9).

The parameters `attributes` and `excludedAttributes` and the characteristic `returned` of each
attribute are turned into a plan once for each combination, and clients send few combinations; a
plan is then applied to each document by looking up its keys.
"""

from dataclasses import dataclass
from functools import lru_cache

from muster.scim.bounds import MAX_NAMES
from muster.scim.document import Document
from muster.scim.errors import invalid_value
from muster.scim.schema.model import Attribute, Place, ResourceType
from muster.scim.values import Json

Chosen = dict[tuple[str | None, str], set[str] | None]
"""(extension, attribute) to the named sub-attributes; None for the whole attribute."""


_MAX_CACHED_LENGTH = 500
"""The most characters of the names of a cached projection; a client may send megabytes."""
Plan = dict[tuple[str | None, str], frozenset[str] | None]
"""The answered attributes in canonical order: (extension, attribute) to its sub-attributes.

None instead of the sub-attributes answers the value unchanged.
"""


@dataclass(frozen=True, slots=True)
class Projection:
    """A selection of attributes for one resource type.

    Attributes:
        resource_type: The resource type.
        included_names: The attributes that `attributes` names; None without the parameter.
        excluded_names: The attributes that `excludedAttributes` names.
        plan: The attributes to answer.
    """

    resource_type: ResourceType
    included_names: Chosen | None
    excluded_names: Chosen
    plan: Plan

    def __call__(self, document: Document) -> Document:
        """Return the selected part of a canonical document."""
        answer: Document = {}
        for (extension, name), subs in self.plan.items():
            holder = document if extension is None else document.get(extension)
            value = holder.get(name) if holder else None
            if value is not None and subs is not None:
                value = _part(value, subs)
            if value is not None:
                part = answer if extension is None else answer.setdefault(extension, {})
                part[name] = value
        return answer

    def drops_only(self, name: str) -> bool:
        """Return whether the projection drops at most this core attribute."""
        return (
            self.included_names is None
            and self.excluded_names.keys() <= {(None, name)}
            and not shows_on_request(self.resource_type)
        )

    def part(self, name: str, value: Json) -> Json:
        """Return the selected part of the value of a core attribute, or None."""
        if (None, name) not in self.plan:
            return None
        subs = self.plan[None, name]
        return value if subs is None else _part(value, subs)


def _part(value: Json, subs: frozenset[str]) -> Json:
    """Return these sub-attributes of a value or of its elements; None if it has none."""
    if isinstance(value, list):
        return [part for part in (_part(item, subs) for item in value) if part] or None
    return {name: item for name, item in value.items() if name in subs} or None


def _plan(
    resource_type: ResourceType, included_names: Chosen | None, excluded_names: Chosen
) -> Plan:
    plan: Plan = {}
    for extension, attribute in resource_type.attributes():
        key = (extension, attribute.name)
        names = included_names.get(key, set()) if included_names is not None else None
        hidden = excluded_names.get(key, set())
        if attribute.returned == "always":
            plan[key] = None
        elif hidden is not None and _is_returned(
            attribute,
            included_names is not None and key in included_names,
            included_names is not None,
        ):
            plan[key] = _subs(attribute, names, hidden) if attribute.sub_attributes else None
    return plan


def _subs(attribute: Attribute, names: set[str] | None, hidden: set[str]) -> frozenset[str]:
    return frozenset(
        sub.name
        for sub in attribute.sub_attributes.values()
        if (sub.name not in hidden or sub.returned == "always")
        and _is_returned(sub, names is None or sub.name in names, bool(names))
    )


def _is_returned(attribute: Attribute, is_named: bool, has_names: bool) -> bool:
    match attribute.returned:
        case "always":
            return True
        case "never":
            return False
        case "request":
            return is_named and has_names
    return is_named or not has_names


@lru_cache(maxsize=1024)
def shows_on_request(resource_type: ResourceType) -> bool:
    """Return whether a resource type has attributes with `returned` request."""
    return resource_type.shows_on_request


def projection(
    resource_type: ResourceType, attributes: str | None, excluded: str | None
) -> Projection | None:
    """Return the projection of two parameters; None to answer the whole resource.

    Names may be in any case, with or without the URN of the schema. Unknown names are ignored.

    Args:
        resource_type: The resource type.
        attributes: The value of `attributes`; None without it.
        excluded: The value of `excludedAttributes`; None without it.

    Raises:
        ScimError: invalidValue, if a parameter has too many names.
    """
    if not attributes and not excluded and not shows_on_request(resource_type):
        return None
    parameters = (attributes or "", excluded or "")
    for name, names in zip(("attributes", "excludedAttributes"), parameters, strict=True):
        if len(names) > MAX_NAMES and names.count(",") >= MAX_NAMES:
            raise invalid_value(
                f"{name} has {names.count(',') + 1:,} names; the limit is {MAX_NAMES:,}"
            )
    is_short = sum(map(len, parameters)) <= _MAX_CACHED_LENGTH
    return (_cached_projection if is_short else _new_projection)(resource_type, *parameters)


def _new_projection(resource_type: ResourceType, attributes: str, excluded: str) -> Projection:
    included_names = _chosen(resource_type, attributes) if attributes else None
    excluded_names = _chosen(resource_type, excluded)
    return Projection(
        resource_type,
        included_names,
        excluded_names,
        _plan(resource_type, included_names, excluded_names),
    )


_cached_projection = lru_cache(maxsize=256)(_new_projection)


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
