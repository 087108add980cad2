"""Sorting (RFC 7644 section 3.4.2.3): the field to sort by, and its value."""

from collections.abc import Sequence

from muster.scim.errors import invalid_path
from muster.scim.filter.evaluate import values_at
from muster.scim.filter.predicate import Field, field_at
from muster.scim.primary import primary_first
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json


def sort_field(
    resource_type: ResourceType, path: str, among: Sequence[ResourceType] = ()
) -> Field | None:
    """Return the field that `sortBy` names; a complex attribute sorts by its `value`.

    Args:
        resource_type: The type to search.
        path: The value of `sortBy`.
        among: All types that are searched at once.

    Returns:
        The field. None if only another one of these types has the attribute; then the resources of
        this type have no value and are sorted by id.

    Raises:
        ScimError: invalidPath, if the path cannot be sorted by.
    """
    path = path.strip()
    if resource_type.place(path) is None and any(other.place(path) is not None for other in among):
        return None
    field = field_at(resource_type, path)
    if field is not None and field.attribute.is_complex:
        field = field_at(resource_type, f"{path}.value")
    if (
        field is None
        or field.attribute.secret
        or field.attribute.is_complex
        or field.keys[0] == resource_type.computed
    ):
        raise invalid_path(f"sortBy: cannot sort by {path[:100]!r}")
    return field


def sort_value(field: Field, document: Json) -> Json:
    """Return the value that a document sorts by, or None if it has none.

    A multi-valued attribute sorts by its primary element, or else by its first.
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
