"""Paths with {names} in them, as routes have them."""

import re
from urllib.parse import unquote

from muster.scim.errors import ScimError


def pattern(path: str) -> re.Pattern[str]:
    """What matches a path, each of its names a group that holds anything but a slash."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def names(match: re.Match[str]) -> dict[str, str]:
    """The names of a path that matched, decoded. Raises ScimError 400."""
    try:
        return {name: unquote(value, errors="strict") for name, value in match.groupdict().items()}
    except ValueError:
        raise ScimError(400, "the path cannot be read: it must be UTF-8, percent-encoded") from None
