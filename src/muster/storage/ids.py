"""Resource ids that contain the keys of their rows.

An id is a UUIDv7 (RFC 9562). Its 48 bits of time and the next 21 bits, a counter, form the integer
primary key of the row; 53 bits are random:

    bits 0-47   milliseconds since 1970
    bits 48-51  version 7
    bits 52-63  counter, high 12 bits
    bits 64-65  variant
    bits 66-74  counter, low 9 bits
    bits 75-127 random

So a read by id is one descent of one tree, without an index on ids, and the order of ids is the
order of rows. The random bits are compared as well: knowing a key does not give access to the row.
"""

import secrets
import threading

_COUNTER_BITS = 21
_TAIL_BITS = 53
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)


def id_of(key: int, tail: int) -> str:
    """Return the id with a key and 53 random bits.

    Args:
        key: The row's key: milliseconds since 1970, then a counter of 21 bits.
        tail: The random bits.
    """
    millis, counter = key >> _COUNTER_BITS, key & ((1 << _COUNTER_BITS) - 1)
    free = (counter << _TAIL_BITS) | tail
    value = (millis << 80) | ((free >> 62) << 64) | (free & ((1 << 62) - 1)) | _VERSION_AND_VARIANT
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def key_of(resource_id: str) -> int | None:
    """Return the key in an id, or None if muster cannot have generated the id.

    An id in another spelling (upper case, for example) has a key too, so a reader of a row by its
    key must compare the id as well.
    """
    if len(resource_id) != 36 or resource_id[14] != "7":
        return None
    try:
        value = int(resource_id.replace("-", ""), 16)
    except ValueError:
        return None
    millis = value >> 80
    if millis >> (63 - _COUNTER_BITS):
        return None
    free = ((value >> 64 & 0xFFF) << 62) | (value & ((1 << 62) - 1))
    return (millis << _COUNTER_BITS) | (free >> _TAIL_BITS)


class IdSource:
    """Generates increasing ids; between processes they increase with the clock."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self, millis: int) -> str:
        """Return a new id for a resource created at a time, in milliseconds since 1970."""
        with self._lock:
            start = (millis << _COUNTER_BITS) | secrets.randbits(_COUNTER_BITS - 1)
            self._last = max(self._last + 1, start)
            key = self._last
        return id_of(key, secrets.randbits(_TAIL_BITS))
