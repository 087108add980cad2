"""The state of a list, as its URL has it."""

from muster.console.listings import ListQuery


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
