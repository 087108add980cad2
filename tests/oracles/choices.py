"""Enumerate the outcomes of code that may choose between alternatives."""

from collections.abc import Callable, Iterator
from typing import Any

Json = Any

_MOST_RUNS = 3000


class Refused(Exception):
    """An error answer with one of these scimTypes. Nothing changes."""

    def __init__(self, *kinds: str, status: int = 400) -> None:
        super().__init__(*kinds)
        self.kinds = frozenset((status, kind) for kind in kinds)


class Choices:
    """Replays a script of choices, then takes the first alternative of each new one."""

    def __init__(self, script: list[int]) -> None:
        self.script, self.widths = script, []

    def pick(self, width: int) -> int:
        if len(self.widths) == len(self.script):
            self.script.append(0)
        self.widths.append(width)
        return self.script[len(self.widths) - 1]


def _all_choices() -> Iterator[Choices]:
    script: list[int] = []
    while True:
        choices = Choices(script)
        yield choices
        script = choices.script
        while script and script[-1] + 1 == choices.widths[len(script) - 1]:
            script.pop()
        if not script:
            return
        script[-1] += 1


def outcomes(
    run: "Callable[[Choices], Json]",
) -> tuple[list[Json] | None, frozenset[tuple[int, str]]]:
    documents: list[Json] = []
    errors: frozenset[tuple[int, str]] = frozenset()
    for number, choices in enumerate(_all_choices()):
        if number == _MOST_RUNS:
            return None, errors
        try:
            made = run(choices)
        except Refused as refused:
            errors |= refused.kinds
        else:
            if made not in documents:
                documents.append(made)
    return documents, errors
