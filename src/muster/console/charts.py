"""Charts as SVG without styles: numbers in, the positions of shapes out.

A chart's shapes are stretched to the width of the page. Its labels are text outside of the SVG, so
that they keep their size: those of the vertical axis are evenly spaced, and so are those of the
horizontal one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muster.insight.ranges import TimeRange

HEIGHT = 100
"""The height of a chart and of a sparkline, in units of its view box."""
SLOT = 10
"""The width of one part of the range, likewise."""
_GAP = 1.5
_EDGE = 4
"""The number of parts that a label may need."""
_LINES = 4
"""The most intervals of the vertical axis."""
_FLAT = 0.5
"""A line chart begins at zero if its lowest value is below this share of the highest."""


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle.

    Attributes:
        name: The name of its series, which is its class.
        x, y, width, height: Its place, in units of the view box.
    """

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Label:
    """The label of one part of the horizontal axis.

    Attributes:
        time: The beginning of the part, as ISO 8601.
        text: The same in UTC, in words; empty for a part without a label.
        minor: Whether it is left out on small screens.
    """

    time: str
    text: str
    minor: bool


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of stacked bars.

    Attributes:
        width: The width of the view box.
        blocks: The rectangles.
        lines: The vertical positions of the grid lines.
        ticks: The labels of the vertical axis, from the top.
        labels: The labels of the horizontal axis, one for each part.
    """

    width: int
    blocks: Sequence[Block]
    lines: Sequence[float]
    ticks: Sequence[str]
    labels: Sequence[Label]


@dataclass(frozen=True, slots=True)
class Line:
    """A chart of one line.

    Attributes:
        width: The width of the view box.
        path: The line.
        area: The area below the line; empty if the axis does not begin at zero.
        lines: The vertical positions of the grid lines.
        ticks: The labels of the vertical axis, from the top.
        labels: The labels of the horizontal axis, one for each part.
    """

    width: int
    path: str
    area: str
    lines: Sequence[float]
    ticks: Sequence[str]
    labels: Sequence[Label]


def stacked(series: Sequence[tuple[str, Sequence[int]]], most: int) -> list[Block]:
    """Return the rectangles of stacked bars.

    Args:
        series: The name and the values of each series, from the bottom.
        most: The value at the top of the chart.
    """
    blocks = []
    tops = [0.0] * len(series[0][1])
    for name, values in series:
        for place, value in enumerate(values):
            if not value:
                continue
            height = value / most * HEIGHT
            tops[place] += height
            x = place * SLOT + _GAP / 2
            y = HEIGHT - tops[place]
            blocks.append(Block(name, x, round(y, 2), SLOT - _GAP, round(height, 2)))
    return blocks


def bars(
    series: Sequence[tuple[str, Sequence[int]]], wanted: TimeRange, starts: Sequence[datetime]
) -> Bars:
    """Return a chart of stacked bars, one for each part of a range.

    Args:
        series: The name and the values of each series, from the bottom.
        wanted: The range.
        starts: The beginning of each part, and the end of the last one.
    """
    sums = [sum(values) for values in zip(*(values for _, values in series), strict=True)]
    ticks = _ticks(0, max(sums, default=0))
    return Bars(
        len(sums) * SLOT,
        stacked(series, ticks[-1]),
        _lines(ticks),
        _reversed_texts(ticks),
        _labels(wanted, starts),
    )


def line(values: Sequence[int | None], wanted: TimeRange, starts: Sequence[datetime]) -> Line:
    """Return a chart of a line through the value at each of `starts`; None where it is unknown."""
    known = [value for value in values if value is not None]
    lowest, highest = min(known, default=0), max(known, default=0)
    from_zero = lowest < highest * _FLAT or lowest == highest
    ticks = _ticks(0 if from_zero else lowest, highest)
    low, span = ticks[0], ticks[-1] - ticks[0]
    places = [
        (place * SLOT, round(HEIGHT - (value - low) / span * HEIGHT, 2))
        for place, value in enumerate(values)
        if value is not None
    ]
    path = " ".join(f"{'L' if n else 'M'}{x} {y}" for n, (x, y) in enumerate(places))
    area = f"{path} V{HEIGHT} H{places[0][0]} Z" if places and from_zero else ""
    return Line(
        (len(values) - 1) * SLOT,
        path,
        area,
        _lines(ticks),
        _reversed_texts(ticks),
        _labels(wanted, starts),
    )


def _ticks(low: int, high: int) -> list[int]:
    """Return round values from at most `low` to at least `high`, in equal steps."""
    step = _step((high - low) / _LINES)
    first = low // step * step
    last = max(math.ceil(high / step) * step, first + step)
    return list(range(first, last + 1, step))


def _step(least: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, … that is not below a number."""
    if least <= 1:
        return 1
    power = 10 ** math.floor(math.log10(least))
    return next(int(power * factor) for factor in (1, 2, 5, 10) if power * factor >= least)


def _lines(ticks: Sequence[int]) -> list[float]:
    intervals = len(ticks) - 1
    return [round(HEIGHT * number / intervals, 2) for number in range(intervals + 1)]


def _reversed_texts(ticks: Sequence[int]) -> list[str]:
    return [f"{value:,}" for value in reversed(ticks)]


def _labels(wanted: TimeRange, starts: Sequence[datetime]) -> list[Label]:
    """Label the parts at round moments, such as midnight, except for those at the right edge."""
    labels = []
    for place, moment in enumerate(starts[: wanted.parts]):
        number, rest = divmod(int(moment.timestamp()) // wanted.seconds, wanted.labelled)
        shown = rest == 0 and place <= wanted.parts - _EDGE
        text = in_words(moment, wanted) if shown else ""
        labels.append(Label(moment.isoformat(), text, number % 2 == 1))
    return labels


def in_words(moment: datetime, wanted: TimeRange) -> str:
    """Return a moment of the horizontal axis in UTC, as short as the range allows."""
    if wanted.name == "24h":
        return f"{moment:%H:%M}"
    return f"{moment.day} {moment:%b}"


def part_in_words(start: datetime, wanted: TimeRange) -> str:
    """Return a part of a range in UTC, for a row of a table."""
    day = f"{start.day} {start:%b}"
    if wanted.seconds >= 86_400:
        return day
    return f"{day}, {start:%H:%M}"
