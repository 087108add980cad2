"""The values of a row, and the changes of a user that they mean."""

import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.imports.columns import (
    ACTIVE,
    EMAIL_AND_NAME,
    GROUPS,
    ID,
    MANAGER,
    USER_NAME,
    targets_of,
)
from muster.imports.rows import ColumnMapping, RefusedRow, RowValues, operations, typed, written
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.patch import PATCH_OP, apply, prepare
from muster.scim.schema.model import ENTERPRISE_USER, USER, Attribute, registry
from tests.support.strategies import users

USERS = registry().types["/Users"]
TARGETS = targets_of(USERS)
_cells = st.text("ab;1@. ", max_size=5)


def mapping(*paths, clears=False):
    return ColumnMapping([f"Column {path}" for path in paths], paths, TARGETS, clears)


def patched(before, after):
    message = {"schemas": [PATCH_OP], "Operations": operations(USERS, before, after)}
    if not message["Operations"]:
        return before
    return apply(copy.deepcopy(before), prepare(message, USERS, Dialect()), USERS, Dialect())


@given(users(), users())
def test_the_operations_turn_one_document_into_the_other(before, after):
    before, after = (read(document, USERS, Dialect()) for document in (before, after))
    assert patched(before, after) == after


@given(
    users(), st.dictionaries(st.sampled_from(sorted(TARGETS)), _cells, max_size=5), st.booleans()
)
def test_a_document_with_the_values_of_a_row_is_what_the_operations_make(document, cells, clears):
    """A row is rehearsed on the document, and stored by a PATCH."""
    before = read(document, USERS, Dialect())
    columns = mapping(*cells, clears=clears)
    try:
        values = columns.values(list(cells.values()))
        changed = written(USERS, before, values, columns)
        after = read(changed, USERS, Dialect())
    except Exception as error:
        assert type(error).__name__ in ("RefusedRow", "ScimError")  # noqa: PT017 (either is a refusal)
        return
    assert patched(before, after) == after


def test_an_empty_cell_changes_nothing_unless_empty_cells_clear():
    before = {"schemas": [USER], "userName": "ann", "active": True, "title": "Lead"}
    for clears in (False, True):
        columns = mapping("title", USER_NAME, ACTIVE, clears=clears)
        after = written(USERS, before, columns.values(["", "", ""]), columns)
        assert after == {**before, "title": "Lead"} if not clears else "title" not in after
        assert (after["userName"], after["active"]) == ("ann", True)


@pytest.mark.parametrize(
    ("paths", "cells", "values"),
    [
        ([ID, USER_NAME], ["7", "ann"], RowValues("7", "ann", texts={USER_NAME: "ann"})),
        (
            [EMAIL_AND_NAME],
            ["a@x.example"],
            RowValues("", "a@x.example", texts={"emails": "a@x.example", USER_NAME: "a@x.example"}),
        ),
        ([MANAGER, GROUPS], ["bob", " a; b;;a "], RowValues(manager="bob", groups=["a", "b"])),
        (["title", "", "nickName"], ["t", "x"], RowValues(texts={"title": "t"})),
        (["title"], ["t", "", ""], RowValues(texts={"title": "t"})),
    ],
)
def test_the_cells_of_a_row_mean_what_their_columns_say(paths, cells, values):
    assert mapping(*paths).values(cells) == RowValues(
        values.user_id, values.user_name, values.manager, values.groups or [], values.texts
    )


def test_more_cells_than_columns_are_refused():
    with pytest.raises(RefusedRow, match="it has 2 cells, and the file has 1 columns"):
        mapping("title").values(["t", "x"])


@pytest.mark.parametrize("kind", ["string", "boolean", "integer", "decimal", "dateTime"])
@given(text=st.text(max_size=8) | st.from_regex(r"[+-]{0,2}[0-9.]{1,6}", fullmatch=True))
def test_a_text_is_a_value_of_its_type_or_is_named(kind, text):
    attribute = Attribute("a", kind)
    expected = {"boolean": bool, "integer": int, "decimal": float}.get(kind, str)
    try:
        value = typed(attribute, text)
    except ValueError as error:
        assert re.search(r"is neither yes nor no|is not a (whole )?number", str(error))  # noqa: PT017 (any of several)
    else:
        assert value is None if not text else type(value) is expected


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        *(("boolean", "Ja", True), ("boolean", "DISABLED", False), ("integer", "-7", -7)),
        *(
            ("integer", "+7", 7),
            ("decimal", "-.5", -0.5),
            ("decimal", "7.", 7.0),
            ("string", "7", "7"),
        ),
    ],
)
def test_texts_as_spreadsheets_write_them(kind, text, value):
    assert typed(Attribute("a", kind), text) == value


def test_an_element_is_found_by_its_type_or_made():
    before = {
        "schemas": [USER],
        "userName": "ann",
        "emails": [{"value": "h@x.example", "type": "home", "display": "Home"}],
    }

    def emails(**cells):
        columns = mapping(*cells)
        return written(USERS, before, columns.values(list(cells.values())), columns)["emails"]

    assert emails(**{"emails[home]": "n@x.example"}) == [{"value": "n@x.example", "type": "home"}]
    assert emails(emails="n@x.example") == [{"value": "n@x.example", "type": "home"}]
    assert emails(**{"emails[work]": "w@x.example"}) == [
        *before["emails"],
        {"value": "w@x.example", "type": "work"},
    ]


def test_extensions_are_listed_among_the_schemas_while_they_have_values():
    path = f"{ENTERPRISE_USER}:department"
    columns = mapping(path, clears=True)
    user = {"schemas": [USER], "userName": "ann"}
    made = written(USERS, user, columns.values(["Tours"]), columns)
    assert made == {
        **user,
        "schemas": [USER, ENTERPRISE_USER],
        ENTERPRISE_USER: {"department": "Tours"},
    }
    assert ENTERPRISE_USER not in written(USERS, made, columns.values([""]), columns)


def test_a_message_leads_to_the_column_of_its_attribute():
    columns = mapping("emails[work]", "userName", f"{ENTERPRISE_USER}:department")
    assert columns.heading_of("userName: expected a string") == "Column userName"
    assert columns.heading_of("emails[0].value: x") == "Column emails[work]"
    assert columns.heading_of(f"{ENTERPRISE_USER}:department: x").endswith(":department")
    assert columns.heading_of("userNames: x") == ""
