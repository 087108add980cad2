"""How attribute values compare (RFC 7643 section 2.3).

Stored look-ups and the operands of queries are brought into the same form, so that the database can
compare bytes.
"""

import binascii
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

Json = Any

_DATE_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})?",
    re.IGNORECASE | re.ASCII,
)


class Sealed(str):
    """The hash of a secret, in the secret's place in a document; empty to forget it."""

    __slots__ = ()


def fold(text: str) -> str:
    """Return the form in which strings compare that are not caseExact.

    That is NFKC and case folding. Both are applied twice, because each can undo the other's work:
    folding a text again must not change it, or a folded operand would not match a folded value.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text.casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


@lru_cache(maxsize=4096)
def sortable_date_time(text: str) -> str | None:
    """Convert a dateTime to UTC text that sorts like time (RFC 7643 section 2.3.5).

    Without an offset it is read as UTC. 24:00:00 is the beginning of the next day. The fraction has
    six digits; further digits follow the Z, so that they decide the order only between equal
    microseconds.

    Returns:
        The text, or None if it is no xsd:dateTime.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    digits = (fraction or "").rstrip("0")
    days = 0
    if hour == "24" and minute == second == "00" and not digits:
        hour, days = "00", 1
    zone = "+00:00" if offset is None or offset in "Zz" else offset
    try:
        moment = datetime.fromisoformat(
            f"{year}-{month}-{day}T{hour}:{minute}:{second}.{digits[:6].ljust(6, '0')}{zone}"
        )
        moment = (moment + timedelta(days=days)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0") + digits[6:]


def is_base64(text: str) -> bool:
    """Return whether a text is base64 or base64url (RFC 7643 section 2.3.6)."""
    standard = text.translate({ord("-"): "+", ord("_"): "/"})
    try:
        binascii.a2b_base64(standard + "=" * (-len(standard) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        return False
    return True


def mail_domain(address: str) -> str | None:
    """Return the folded domain of an e-mail address, or None if it has none."""
    local, at, domain = address.rpartition("@")
    return fold(domain.strip()) or None if at and local else None


def is_assigned(value: Json) -> bool:
    """Return whether a value is not null, [] or {} (RFC 7643 section 2.5)."""
    return value is not None and value not in ([], {})
