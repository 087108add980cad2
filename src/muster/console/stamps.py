"""Stamps, by which a form notices that what it shows has changed since it was opened.

A form sends all of its fields, so an old page would set those back that somebody else has changed
meanwhile. Its hidden field `seen` has the stamp of the values that it showed.
"""

import hashlib

import orjson

from muster.console.web import Visit
from muster.scim.errors import ScimError
from muster.scim.values import Json

CHANGED = (
    "Somebody else has changed this since you opened the form. Your changes are below, and nothing"
    " was saved. Check them against the current values, and save again."
)


def stamp_of(shown: Json) -> str:
    """Return a text that differs for other values."""
    return hashlib.sha256(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def has_changed(visit: Visit, current: Json) -> bool:
    """Return whether the form was opened with other values than the current ones.

    False for a form without a stamp, as programs and earlier versions send it.
    """
    return visit.text("seen") not in ("", stamp_of(current))


def check_unchanged(visit: Visit, current: Json) -> None:
    """Check that the form was opened with the current values.

    Raises:
        ScimError: 409 if it was not.
    """
    if has_changed(visit, current):
        raise ScimError(409, CHANGED)


def seen(visit: Visit, current: Json, error: str) -> str:
    """Return the stamp for a form that is shown.

    In a form that is shown again it is the one that was sent, or somebody else's change in the
    meantime would go unnoticed. After CHANGED it is the current one, so that saving again succeeds.
    """
    sent = "" if error == CHANGED else visit.text("seen")
    return sent or stamp_of(current)
