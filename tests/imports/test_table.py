"""CSV files as spreadsheets and identity providers write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.imports import table
from muster.imports.table import read_table
from muster.scim.errors import ScimError

ROWS = "User name{0}Name\r\nada{0}Ada Lovelace\r\n\r\nbob{0}Böb\r\n"
CELLS = [(2, ["ada", "Ada Lovelace"]), (4, ["bob", "Böb"])]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_and_separators_are_recognised(codec, separator):
    found = read_table(ROWS.format(separator).encode(codec))
    assert found.headings == ["User name", "Name"]
    assert found.rows == CELLS
    assert found.encoding == ("UTF-16" if "16" in codec else "UTF-8")
    assert found.separator == {",": "comma", ";": "semicolon", "\t": "tab"}[separator]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_first_line_of_excel_names_the_separator(separator):
    others = "".join({",", ";", "\t"} - {separator}).strip()
    text = f"sep={separator}\r\na{separator}b{others}c\r\n1{separator}2\r\n"
    found = read_table(text.encode())
    assert (found.headings, found.rows) == (["a", f"b{others}c"], [(3, ["1", "2"])])


def test_lines_are_counted_within_cells_and_formulas_are_unmasked():
    found = read_table(b"a,b\n\"two\nlines\",'+49 30\nthree,'tis\n")
    assert found.rows == [(2, ["two\nlines", "+49 30"]), (4, ["three", "'tis"])]


def test_columns_without_a_heading_are_named_by_their_number():
    assert read_table(b"a,,c,,\n1,2,3\n").headings == ["a", "Column 2", "c"]


cells = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs", "Cc")),
    max_size=8,
)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=5))
def test_what_a_spreadsheet_writes_is_read(rows):
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    text = io.StringIO()
    csv.writer(text).writerows([["one", "two", "three"], *kept])
    if not kept:
        return
    read = read_table(text.getvalue().encode())
    masks = ("'=", "'+", "'-", "'@")
    for (_, given_row), row in zip(read.rows, kept, strict=True):
        for got, sent in zip(given_row, row, strict=True):
            sent = sent.strip()
            assert got == (sent[1:] if sent.startswith(masks) else sent)


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"", 400, "it is empty"),
        (b"\n\n", 400, "it is empty"),
        (b"a,b\n", 400, "no rows"),
        (b"PK\x03\x04 workbook", 400, 'save it as "CSV UTF-8"'),
        (b"a,b\nx,y\n\xe9t\xe9,z\n", 400, "line 3 is not UTF-8 text (byte 0xE9)"),
        (b'a,b\n1,2\n3,"x"y\n', 400, "line 3 cannot be read"),
        (b'a,b\n1,"2\n3,4\n', 400, "line 2 cannot be read"),
        (b"a\0b\n1\n", 400, "not a CSV file"),
        (b"<html>\n<p>", 400, "not a CSV file"),
        (b'{"users": []}\n', 400, "not a CSV file"),
        ((",".join("abcdefghij" * 11) + "\n1\n").encode(), 400, "more than 100 columns"),
        (b"a\n" + b"x\n" * 50_001, 413, "more than 50,000 rows"),
        (b"a\n" + b"x" * table.MAX_BYTES, 413, "larger than 10 MB"),
    ],
    ids=range(13),
)
def test_other_files_are_refused_with_a_reason(data, status, said):
    with pytest.raises(ScimError) as refused:
        read_table(data)
    assert refused.value.status == status
    assert said in refused.value.detail
    assert refused.value.detail.startswith("file: ")
