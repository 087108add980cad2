"""Remembered positions: a client that walks a list by startIndex is taken on from where its last page ended.

A position holds while nothing in the workspace has changed since; the storage looks, and counts anew where something has.
"""

from collections import OrderedDict
from dataclasses import dataclass

from muster.storage.port.resources import Position

_REMEMBERED = 10_000
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class WalkStep:
    """Where a page begins. mark: of the workspace as it was then; total: of what was listed."""

    position: Position
    mark: int
    total: int


class Walks:
    """The steps that were taken last, in this process."""

    def __init__(self) -> None:
        self._steps: OrderedDict[tuple[Key, int], WalkStep] = OrderedDict()

    def recall(self, listing: Key, offset: int) -> WalkStep | None:
        """Where a listing's page at an offset begins, if a page ended there not long ago."""
        return self._steps.get((listing, offset))

    def remember(self, listing: Key, offset: int, step: WalkStep) -> None:
        self._steps[listing, offset] = step
        self._steps.move_to_end((listing, offset))
        if len(self._steps) > _REMEMBERED:
            self._steps.popitem(last=False)
