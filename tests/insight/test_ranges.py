"""The time ranges of the overview."""

import itertools
from datetime import UTC, datetime

from muster.insight.ranges import RANGES


def test_parts_of_a_range_end_with_the_one_that_contains_now():
    now = datetime(2026, 1, 31, 13, 20, tzinfo=UTC)
    for wanted in RANGES.values():
        starts = wanted.starts(now)
        assert len(starts) == wanted.parts + 1
        assert starts[-2] <= now < starts[-1]
        assert {later - earlier for earlier, later in itertools.pairwise(starts)} == {wanted.part}
