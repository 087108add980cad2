"""Bounds on the size of a resource, so that reading and changing one takes a bounded time.

The members of a group are exempt: they are stored as rows of their own.
"""

from muster.scim.errors import ScimError, invalid_value, too_many
from muster.scim.values import Json

MAX_ELEMENTS = 5000
ELEMENTS_SETTING = "MUSTER_MAX_ELEMENTS"
MAX_COMPARISONS = 100_000
"""Comparisons of one PATCH: each operation looks at each element of its attribute, once for each condition of its path."""
MAX_NAMES = 1000
"""Names in `attributes` or `excludedAttributes`."""
LARGE_BODY = 50_000
"""The most bytes of a body that is read in the event loop: to read one of 50,000 takes up to 10 ms."""
_EXEMPT = "members"


def check_elements(name: str, values: list[Json], where: str, most: int | None) -> None:
    """Refuse more elements of a multi-valued attribute than `most`; None for no limit. Raises ScimError invalidValue."""
    if most is not None and len(values) > most and name != _EXEMPT:
        raise too_many_elements(where, len(values), most)


def check_growth(
    before: dict[str, Json], after: dict[str, Json], most: int | None, prefix: str = ""
) -> None:
    """Refuse a change after which an attribute has more than `most` elements, and more than before.

    Resources from before a lower limit can still be changed otherwise. Raises ScimError invalidValue.
    """
    if most is None:
        return
    for name, value in after.items():
        if isinstance(value, list):
            standing = before.get(name)
            if len(value) > most and len(value) > (
                len(standing) if isinstance(standing, list) else 0
            ):
                raise too_many_elements(prefix + name, len(value), most)
        elif isinstance(value, dict) and ":" in name:
            check_growth(before.get(name) or {}, value, most, f"{name}:")


def too_many_elements(where: str, count: int, most: int) -> ScimError:
    """The error for a multi-valued attribute over the limit."""
    return invalid_value(
        f"{where} has {count:,} elements, and at most {most:,} are allowed ({ELEMENTS_SETTING})"
    )


def too_many_comparisons(where: str, most: int) -> ScimError:
    """The error for a PATCH with too many operations for so many elements."""
    return too_many(
        f"{where}: this PATCH has too many operations for so many elements: their product, times the conditions in the paths,"
        f" may be {most:,} (MUSTER_MAX_COMPARISONS). Send fewer operations, or name several values in one"
    )
