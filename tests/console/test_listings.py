"""The state of a list, as its URL has it."""

from datetime import UTC, datetime

import pytest

from muster.console.listings import COUNTED, ListQuery
from muster.scim.errors import ScimError


def test_a_trail_is_bounded():
    query = ListQuery("users")
    for number in range(50):
        place = query.following(f"c{number}", 50)
        query = ListQuery(
            "users",
            cursor=place["cursor"],
            first=place["first"],
            trail=tuple(place["trail"].split()),
        )
    assert len(query.trail) == 10
    assert query.first == 2501


@pytest.mark.parametrize(
    ("created", "begin"), [("today", "2026-06-18"), ("7d", "2026-06-11"), ("30d", "2026-05-19")]
)
def test_the_time_of_creation_counts_from_midnight(clock, created, begin):
    clock.moment = datetime(2026, 6, 18, 9, 41, tzinfo=UTC)
    query = ListQuery("users", created=created, active="no")
    assert query.conditions() == (
        f'(active eq false) and (meta.created ge "{begin}T00:00:00.000Z")'
    )
    assert query.parameters()["created"] == created
    assert query.domain() is None


def test_users_are_listed_since_a_date():
    query = ListQuery("users", created="date", day="2026-05-04")
    assert query.conditions() == 'meta.created ge "2026-05-04T00:00:00.000Z"'
    assert query.chips("") == [("Created since 2026-05-04", "created")]
    assert query.parameters()["day"] == "2026-05-04"
    assert query.without("created")["created"] == ""
    assert ListQuery("users", created="date").conditions() is None
    assert ListQuery("users", created="7d", day="2026-05-04").parameters()["day"] == ""
    with pytest.raises(ScimError, match="day: expected a time"):
        ListQuery("users", created="date", day="yesterday").conditions()


def test_only_the_matches_of_a_condition_are_counted_up_to_a_number():
    assert ListQuery("users").search(50).counted is None
    assert ListQuery("users", sort="userName").search(50).counted is None
    for condition in ({"q": "ada"}, {"q": "@example.com"}, {"active": "yes"}, {"group": "x"}):
        assert ListQuery("users", **condition).search(50).counted == COUNTED + 1
