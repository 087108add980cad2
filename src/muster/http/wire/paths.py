"""Paths with {names} in them, as routes have them."""

import re

from muster.scim.errors import not_found


def pattern(path: str) -> re.Pattern[str]:
    """What matches a path, each of its names a group that holds anything but a slash."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def names(match: re.Match[str]) -> dict[str, str]:
    """The names of a path that matched, which the server has decoded. Raises ScimError 404 for NUL, which no database has."""
    found = match.groupdict()
    if any("\0" in name for name in found.values()):
        raise not_found("there is nothing with a NUL character in its name")
    return found
