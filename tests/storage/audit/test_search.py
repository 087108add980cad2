"""A search of the audit log, continued to its end, finds every match once."""

from hypothesis import given
from hypothesis import strategies as st

from muster.storage.audit import search
from muster.storage.audit.search import next_position


@given(
    st.sets(st.integers(1, 60)).flatmap(
        lambda rows: st.tuples(
            st.just(rows), st.sets(st.sampled_from(sorted(rows))) if rows else st.just(set())
        )
    ),
    st.integers(1, 5),
    st.integers(1, 7),
)
def test_continued_searches_return_all_matches_newest_first(drawn, limit, examined):
    rows, matching = drawn
    found, before, searches = [], 1000, 0
    with_limit = search.MAX_EXAMINED
    search.MAX_EXAMINED = examined
    try:
        while before is not None:
            range_ = sorted((row for row in rows if row < before), reverse=True)[:examined]
            page = [row for row in range_ if row in matching][:limit]
            found += page
            before = next_position(page, limit, min(range_, default=None), len(range_))
            searches += 1
    finally:
        search.MAX_EXAMINED = with_limit
    assert found == sorted(matching, reverse=True)
    assert searches <= len(rows) // examined + len(matching) // limit + 1
