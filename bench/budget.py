"""Divides a number of minutes among the rows of a run."""

import time
from collections.abc import Callable

_OVERHEAD_SECONDS = 0.4
"""A measurement takes so much longer than its load."""


_SHORTEST_SECONDS = 1
_WANTED_ROUNDS = 3


class Budget:
    """The time that is left, and the rows that still need some of it.

    Args:
        minutes: The length of the run; None for as long as it takes.
        rows: The number of rows to come.
        clock: Returns seconds, never less than before.
    """

    def __init__(
        self, minutes: float | None, rows: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._end = None if minutes is None else clock() + 60 * minutes
        self.rows = rows

    def left(self) -> float | None:
        """Return the seconds that are left; None without a limit."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def seconds(self, most: float) -> float:
        """Return the length of a measurement with which every row gets some rounds.

        It is in whole seconds, which is all that wrk takes.

        Args:
            most: The length without a limit.
        """
        left = self.left()
        if left is None:
            return most
        one = left / max(1, self.rows) / (2 * (_WANTED_ROUNDS + 1)) - _OVERHEAD_SECONDS
        return max(_SHORTEST_SECONDS, min(most, int(one)))

    def rounds(self, seconds: float, most: int) -> int:
        """Return the rounds to measure the next row in, and count the row as done.

        Every round measures muster and its reference, and one more warms both.

        Args:
            seconds: The length of a measurement.
            most: The rounds without a limit.

        Returns:
            Zero if there is no time for a single round.
        """
        left, rows = self.left(), max(1, self.rows)
        self.rows -= 1
        if left is None:
            return most
        return max(0, min(most, int(left / rows / (2 * (seconds + _OVERHEAD_SECONDS))) - 1))
