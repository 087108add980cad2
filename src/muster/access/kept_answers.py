"""Items stored in the transaction of an act, such as the answer to its request.

A request with an `Idempotency-Key` acts once, even if the process dies. That holds only if the
answer is stored if and only if the act is, so the use cases that act for such requests store it
with their own changes. They give the parts of the answer to `keep`, and store what it returns. In
the same way a set-up link remembers the credential that it makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from muster.storage.port.changes import Note
from muster.storage.port.items import Item


@dataclass(frozen=True, slots=True)
class Kept:
    """Items and notes to store with an act.

    Attributes:
        puts: Items to store in the same transaction.
        standing: Items that must not have changed since they were read; otherwise another request
            acts in place of this one, and this one must not.
        notes: Notes to record in the same transaction.
    """

    puts: Sequence[Item] = ()
    standing: Sequence[Item] = ()
    notes: Sequence[Note] = ()


_NOTHING = Kept()


def keep_nothing(*_: object) -> Kept:
    """Return nothing to store, for an act whose answer is not kept."""
    return _NOTHING
