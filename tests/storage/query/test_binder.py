"""The parameters of a statement, collected while its SQL is written."""

from hypothesis import given
from hypothesis import strategies as st

from muster.storage.port.engine import Statement
from muster.storage.query.binder import Binder

_values = st.lists(st.none() | st.integers() | st.text(max_size=3), max_size=12)


@given(_values)
def test_each_value_has_the_placeholder_of_its_place(values):
    bind = Binder()
    places = [bind(value) for value in values]
    assert places == [f"${number}" for number in range(1, len(values) + 1)]
    assert bind.statement("SELECT") == Statement("SELECT", tuple(values))


@given(_values)
def test_a_page_takes_the_two_parameters_after_those_of_the_statement(values):
    bind = Binder()
    for value in values:
        bind(value)
    first = len(values) + 1
    statement = bind.paged("SELECT 1 <page>")
    assert statement.sql == f"SELECT 1 LIMIT ${first} OFFSET ${first + 1}"
    assert statement.with_parameters(7, 8).parameters == (*values, 7, 8)
