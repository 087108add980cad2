"""A filter read by its shape means the same as the filter read by itself."""

from hypothesis import given
from hypothesis import strategies as st

from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.filter.evaluate import matches
from muster.scim.filter.grammar import parse
from muster.scim.filter.predicate import bind
from muster.scim.filter.shapes import read_filter
from muster.scim.schema.model import registry
from tests.support.strategies import users

USER_TYPE = registry().types["/Users"]
SHAPES = (
    'userName eq "{0}"',
    'title ne "{0}" and nickName eq "{1}"',
    'not (title sw "{0}") or displayName co "{1}"',
    'emails[type eq "{0}" and not (value ew "{1}")]',
    'emails.value gt "{0}" and (addresses.locality lt "{1}" or active eq true)',
    'not (emails[value eq "{0}" or display eq "{1}"])',
)
texts = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\', exclude_categories=["Cc", "Cs"]),
    max_size=8,
)


@given(st.sampled_from(SHAPES), *[st.tuples(texts, texts)] * 2)
def test_the_second_filter_of_a_shape_has_its_own_values(shape, first, second):
    for values in (first, second):
        text = shape.format(*values)
        by_shape = read_filter(text, USER_TYPE, Dialect())
        assert by_shape == bind(parse(text, Dialect()), USER_TYPE, Dialect())


@given(st.sampled_from(SHAPES), users(), st.data())
def test_it_matches_the_same_documents(shape, raw, data):
    document = read(raw, USER_TYPE, Dialect())
    values = [str(document.get(name, "")) for name in ("userName", "title", "nickName")]
    drawn = data.draw(st.tuples(*[st.sampled_from([*values, "work", "a"])] * 2))
    text = shape.format(*(value.replace("\\", "").replace('"', "") for value in drawn))
    read_filter(shape.format("other", "one"), USER_TYPE, Dialect())
    directly = bind(parse(text, Dialect()), USER_TYPE, Dialect())
    assert matches(read_filter(text, USER_TYPE, Dialect()), document) == matches(directly, document)
