"""Resource ids: UUIDv7 (RFC 9562) whose first 63 free bits are the integer key of the row.

So the order of ids is the order of keys, and a read by id is one descent of one tree, with no index on ids.
"""

import secrets
import threading

_COUNTER_BITS = 21
_TAIL_BITS = 53
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)


def id_of(key: int, tail: int) -> str:
    """The id of a key (48 bits of milliseconds, 15 of them spare, then a 21 bit counter) and 53 random bits."""
    millis, counter = key >> _COUNTER_BITS, key & ((1 << _COUNTER_BITS) - 1)
    free = (counter << _TAIL_BITS) | tail
    value = (millis << 80) | ((free >> 62) << 64) | (free & ((1 << 62) - 1)) | _VERSION_AND_VARIANT
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def key_of(resource_id: str) -> int | None:
    """The key of an id, or None for what cannot be an id of ours.

    An id in another spelling may have a key too: whoever looks a row up by its key compares the id as well.
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
    """Makes ids that grow: within a process always, between processes with the clock."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self, millis: int) -> str:
        """A new id for a resource made at that time, in milliseconds since 1970."""
        with self._lock:
            start = (millis << _COUNTER_BITS) | secrets.randbits(_COUNTER_BITS - 1)
            self._last = max(self._last + 1, start)
            key = self._last
        return id_of(key, secrets.randbits(_TAIL_BITS))
