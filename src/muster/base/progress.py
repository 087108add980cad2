"""How long work reports its progress, without knowing who shows it."""

from typing import Protocol


class Progress(Protocol):
    """Shows progress, or ignores it."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """Advance.

        Args:
            done: The number of items done since the last call.
            total: The number of items in all; None if it is as before.
        """


def silent(done: int, total: int | None = None) -> None:
    """Show no progress."""
    del done, total
