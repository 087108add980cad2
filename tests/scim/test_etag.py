"""ETags: every spelling that clients send back compares alike."""

from hypothesis import given
from hypothesis import strategies as st

from muster.scim.etag import etag, matches_etag, read_etag, read_etags, version_tag

tags = st.builds(
    version_tag, st.integers(1, 2**40), st.none() | st.text("0123456789abcdef", min_size=1)
)
spelt = st.sampled_from(['W/"{}"', '"{}"', "{}", ' W/"{}" ', "W/{}"])


@given(tags, spelt)
def test_weak_strong_and_bare_tags_are_the_same(tag, form):
    assert read_etag(form.format(tag)) == tag
    assert read_etag(etag(tag)) == tag


@given(st.lists(st.tuples(tags, spelt), min_size=1, max_size=4), tags)
def test_a_list_matches_each_of_its_tags_and_no_other(listed, other):
    read = read_etags(",".join(form.format(tag) for tag, form in listed))
    assert read == {tag for tag, _ in listed}
    assert matches_etag(read, other) == (other in read)


@given(tags)
def test_the_asterisk_and_a_missing_header_match_any(tag):
    assert matches_etag(read_etags("*"), tag)
    assert matches_etag(None, tag)


def test_a_tag_tells_the_groups_apart():
    assert len({version_tag(1), version_tag(2), version_tag(1, "a"), version_tag(1, "b")}) == 4
