"""Charts of the overview, as SVG."""

from datetime import UTC, datetime

import pytest

from muster.console import charts
from muster.insight.ranges import RANGES


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 0, [0, 1]),
        (0, 3, [0, 1, 2, 3]),
        (0, 9, [0, 5, 10]),
        (0, 1234, [0, 500, 1000, 1500]),
        (980, 1015, [980, 990, 1000, 1010, 1020]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low, high, ticks):
    assert charts._ticks(low, high) == ticks


def test_stacked_bars_reach_their_share_of_the_height():
    found = charts.stacked([("a", [1, 0, 3]), ("b", [1, 2, 1])], 4)
    assert [(b.name, b.y, b.height) for b in found] == [
        ("a", 75.0, 25.0),
        ("a", 25.0, 75.0),
        ("b", 50.0, 25.0),
        ("b", 50.0, 50.0),
        ("b", 0.0, 25.0),
    ]


def test_a_line_leaves_out_unknown_values_and_begins_at_zero_if_it_is_near():
    wanted = RANGES["24h"]
    starts = wanted.starts(datetime(2026, 1, 31, tzinfo=UTC))
    near = charts.line([None] * 23 + [5, 20], wanted, starts)
    assert (near.path, near.ticks[-1]) == ("M230 75.0 L240 0.0", "0")
    assert near.area.endswith("V100 H230 Z")
    far = charts.line([None] * 23 + [1000, 1001], wanted, starts)
    assert (far.ticks, far.area) == (["1,001", "1,000"], "")
    assert charts.line([None] * 25, wanted, starts).path == ""
