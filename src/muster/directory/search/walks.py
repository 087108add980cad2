"""Remembered positions of lists that clients read by `startIndex`.

An offset costs as much as the rows it skips, so a list read by `startIndex` to its end would cost
the square of its length. The end of each page is remembered as a position, and the next page begins
there.

A position is valid only while nothing in the workspace has changed; the storage checks its mark,
and falls back to the offset.
"""

from collections import OrderedDict
from dataclasses import dataclass

from muster.storage.port.resources import Position

_REMEMBERED = 10_000
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class WalkStep:
    """The position at which a page begins.

    Attributes:
        position: The last resource of the page before it.
        mark: The workspace's latest change when that page was read.
        total: The number of resources in the whole list.
    """

    position: Position
    mark: int
    total: int


class Walks:
    """The steps remembered last, in this process."""

    def __init__(self) -> None:
        self._steps: OrderedDict[tuple[Key, int], WalkStep] = OrderedDict()

    def recall(self, listing: Key, offset: int) -> WalkStep | None:
        """Return the step for an offset of a list, if a page ended there recently."""
        return self._steps.get((listing, offset))

    def remember(self, listing: Key, offset: int, step: WalkStep) -> None:
        """Remember the step for an offset of a list."""
        self._steps[listing, offset] = step
        self._steps.move_to_end((listing, offset))
        if len(self._steps) > _REMEMBERED:
            self._steps.popitem(last=False)
