"""CSV files as spreadsheets and identity providers write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.console.csv_rows import csv_row
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
    for (_, given_row), row in zip(read.rows, kept, strict=True):
        for got, sent in zip(given_row, row, strict=True):
            sent = sent.strip()
            bare = sent[1:].lstrip()
            masked = sent.startswith("'") and bare.startswith(tuple("=+-@＝＋－＠"))
            assert got == (bare if masked else sent)


@pytest.mark.parametrize("text", ["=1+1", "-1", "＝1", " =1", "\n=1", "\t1", "'", "1"])
def test_what_the_console_exports_is_read_as_it_was(text):
    read = read_table(csv_row(["name", "other"]) + csv_row([text, "x"]))
    assert read.rows == [(2, [text.strip(), "x"])]


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


def _refused(data):
    with pytest.raises(ScimError) as refused:
        read_table(data)
    return refused.value.status, refused.value.detail


def test_a_file_has_so_many_bytes_and_no_more():
    start = b"User name\n"
    padded = start + b"x" * (table.MAX_BYTES - len(start))
    with pytest.raises(ScimError) as read:  # a cell of that size is refused by the CSV reader
        read_table(padded)
    assert read.value.status == 400
    assert _refused(padded + b"x")[0] == 413


def test_a_file_has_so_many_rows_and_no_more():
    rows = b"User name\n" + b"ada\n" * table.MAX_ROWS
    assert len(read_table(rows).rows) == table.MAX_ROWS
    status, detail = _refused(rows + b"bob\n")
    assert (status, f"{table.MAX_ROWS:,}" in detail) == (413, True)


@pytest.mark.parametrize("blank", [b"\n", b" \r\n", b"\r", b";\n"])
def test_a_file_has_so_many_lines_and_no_more(monkeypatch, blank):
    """Ten million blank lines would take ten seconds."""
    monkeypatch.setattr(table, "MAX_LINES", 10)
    assert read_table(b"a;b\n" + blank * 8 + b"ada\n").rows == [(10, ["ada"])]
    for data in (b"a;b\n" + blank * 9 + b"ada\n", blank * 9 + b"a;b\nada", blank * 20 + b"a"):
        status, detail = _refused(data)
        assert (status, "more than 10 lines" in detail) == (413, True)
    status, detail = _refused(b'a;b\n"' + b"\n" * 10 + b'"\n')
    assert (status, "more than 10 lines" in detail) == (413, True)


@pytest.mark.parametrize("blank", [b"\n", b" \t\r\n", b",,,\r\n"])
def test_blank_rows_at_the_end_are_not_counted(blank):
    rows = b"a,b\nada,\n" + blank * (table.MAX_LINES + 1)
    assert read_table(rows).rows == [(2, ["ada", ""])]
    assert _refused(b"a,b\n" + blank * (table.MAX_LINES + 1))[1].endswith("no rows below them.")


def test_a_file_has_so_many_columns_and_no_more():
    def file(columns):
        return ",".join(f"c{n}" for n in range(columns)) + "\n" + "x," * (columns - 1) + "x\n"

    assert len(read_table(file(table.MAX_COLUMNS).encode()).headings) == table.MAX_COLUMNS
    status, detail = _refused(file(table.MAX_COLUMNS + 1).encode())
    assert (status, str(table.MAX_COLUMNS) in detail) == (400, True)


def test_a_row_that_is_wider_than_the_headings_is_refused_with_its_line():
    status, detail = _refused(b"a,b\n1,2\n\n3,4,five\n")
    assert (status, "line 4 has 3 cells" in detail, "headings is 2" in detail) == (400, True, True)
    assert _refused(b"a\n1\n2" + b", " * 300 + b",x\n")[0] == 400
    assert read_table(b"a,b,,\n1,2,, ,\n,,,\n3\n").rows == [(2, ["1", "2"]), (4, ["3"])]


def test_a_line_of_separators_is_refused_before_it_is_divided(monkeypatch):
    monkeypatch.setattr(table, "_MAX_SEPARATORS", 200)
    status, detail = _refused(b"a\n1\n2" + b"," * 201)
    assert (status, "line 3 has 202 cells" in detail) == (400, True)
    assert read_table(b"a\n1\n2" + b"," * 200).rows == [(2, ["1"]), (3, ["2"])]
