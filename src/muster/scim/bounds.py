"""Limits on the size of a resource, which bound the time to read and change it.

The members of a group are exempt, since they are stored as rows of their own.
"""

from muster.scim.errors import ScimError, invalid_value, too_many
from muster.scim.values import Json

MAX_ELEMENTS = 5000
ELEMENTS_SETTING = "MUSTER_MAX_ELEMENTS"
MAX_COMPARISONS = 100_000
"""The most comparisons of a PATCH: per operation, the elements times the conditions of its path."""
MAX_NAMES = 1000
"""The most names in `attributes` or `excludedAttributes`."""
LARGE_BODY = 50_000
"""The most bytes of a body that is parsed in the event loop, which takes up to 10 ms."""
_EXEMPT = "members"


def check_elements(name: str, values: list[Json], where: str, most: int | None) -> None:
    """Check the number of elements of a multi-valued attribute.

    Args:
        name: The name of the attribute.
        values: Its elements.
        where: The name of the attribute in the error.
        most: The limit; None for no limit.

    Raises:
        ScimError: invalidValue.
    """
    if most is not None and len(values) > most and name != _EXEMPT:
        raise too_many_elements(where, len(values), most)


def check_growth(
    before: dict[str, Json], after: dict[str, Json], most: int | None, prefix: str = ""
) -> None:
    """Check that a change gives no attribute more than `most` elements.

    Attributes that had more elements before, under a higher limit, may keep them or shrink.

    Raises:
        ScimError: invalidValue.
    """
    if most is None:
        return
    for name, value in after.items():
        if isinstance(value, list):
            current = before.get(name)
            if len(value) > most and len(value) > (
                len(current) if isinstance(current, list) else 0
            ):
                raise too_many_elements(prefix + name, len(value), most)
        elif isinstance(value, dict) and ":" in name:
            check_growth(before.get(name) or {}, value, most, f"{name}:")


def too_many_elements(where: str, count: int, most: int) -> ScimError:
    """Return the error for a multi-valued attribute over the limit."""
    return invalid_value(
        f"{where} has {count:,} elements; the limit is {most:,} ({ELEMENTS_SETTING})"
    )


def too_many_comparisons(where: str, most: int) -> ScimError:
    """Return the error for a PATCH that compares too many elements."""
    return too_many(
        f"{where}: this PATCH needs too many comparisons. The limit on operations times elements"
        f" times conditions is {most:,} (MUSTER_MAX_COMPARISONS). Send fewer operations, or several"
        " values in one operation."
    )
