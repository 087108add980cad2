"""Reads a CSV file as spreadsheets and identity providers write it.

Accepted are UTF-8 and UTF-16, with or without a byte order mark, and commas, semicolons or tabs
between the cells. Anything else is an error that names the line and says what to do.
"""

import codecs
import csv
import io
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from muster.scim.errors import ScimError

MAX_BYTES = 10_000_000
MAX_ROWS = 50_000
MAX_COLUMNS = 100
MAX_LINES = 500_000
"""The most lines, blank ones included: a row takes several if its cells contain line breaks."""
_MAX_HEADING = 200
_MAX_SEPARATORS = 100_000
"""The most separators of a line, which is checked before it is divided into cells."""
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
"""The names of the separators."""
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
"""The first bytes of Excel workbooks, today's and those before 2007."""
_FORMULA = tuple("=+-@＝＋－＠")
"""The characters that begin a formula; some spreadsheets take the wide ones for the others."""
_LINE_END = re.compile(r"[\r\n]")
_SAVE_AS = 'In a spreadsheet, save it as "CSV UTF-8".'
CsvRow = tuple[int, list[str]]
"""The number of the line on which a row begins, from 1, and its cells."""


@dataclass(frozen=True, slots=True)
class Table:
    """The content of a CSV file.

    Attributes:
        headings: The cells of the first line.
        rows: The other rows; empty ones are left out.
        encoding: UTF-8 or UTF-16.
        separator: comma, semicolon or tab.
    """

    headings: list[str]
    rows: list[CsvRow]
    encoding: str
    separator: str


def read_table(data: bytes) -> Table:
    """Read a CSV file.

    Raises:
        ScimError: 400 if it cannot be read, 413 if it is too large.
    """
    if len(data) > MAX_BYTES:
        raise ScimError(
            413, f"file: larger than {MAX_BYTES // 1_000_000} MB. Split it, and import the parts."
        )
    text, encoding = _decoded(data)
    text = _without_blank_end(text)
    if _lines(text) > MAX_LINES:
        raise ScimError(
            413,
            f"file: more than {MAX_LINES:,} lines. Delete blank lines between the rows, or split"
            " it, and import the parts.",
        )
    head, _, rest = text.partition("\n")
    head = head.removesuffix("\r")
    if head.lower() in {f"sep={separator}" for separator in SEPARATORS}:
        # Excel writes and reads such a first line. It stays a line, so that the numbers are right.
        separator, text = head[4:], f"\n{rest}"
    else:
        separator = _separator(text)
    rows = _rows(text, separator)
    _, first = next(rows, (0, []))
    headings = _headings(first)
    kept: list[CsvRow] = []
    for line, cells in rows:
        kept.append((line, _fitting(line, cells, len(headings))))
        if len(kept) > MAX_ROWS:
            raise ScimError(
                413, f"file: more than {MAX_ROWS:,} rows. Split it, and import the parts."
            )
    if not kept:
        raise ScimError(400, "file: it has headings, but no rows below them.")
    return Table(headings, kept, encoding, SEPARATORS[separator])


def _without_blank_end(text: str) -> str:
    """Return a text without the blank rows at its end, of which spreadsheets write a million."""
    filled = len(text.rstrip("".join(SEPARATORS) + string.whitespace))
    end = _LINE_END.search(text, filled)
    return text[: end.start()] if end else text


def _lines(text: str) -> int:
    """Count the lines, which a line feed, a carriage return, or both divide."""
    return text.count("\n") + text.count("\r") - text.count("\r\n") + 1


def _decoded(data: bytes) -> tuple[str, str]:
    """Return the text of a file, and the name of its encoding."""
    if data.startswith((_ZIP, _OLE)):
        raise ScimError(400, f"file: this is a workbook or an archive, not a CSV file. {_SAVE_AS}")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        codec, name = "utf-16", "UTF-16"
    elif codec := _wide(data):
        name = "UTF-16"
    else:
        codec, name = "utf-8-sig", "UTF-8"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScimError(
            400,
            f"file: line {line:,} is not {name} text (byte 0x{data[error.start]:02X}). {_SAVE_AS}",
        ) from None
    if "\0" in text or text.lstrip()[:1] in ("<", "{"):
        raise ScimError(400, f"file: this is not a CSV file. {_SAVE_AS}")
    return text, name


def _wide(data: bytes) -> str:
    """Return the codec of UTF-16 without a byte order mark; empty for other text.

    Every second byte of a heading in a Western script is zero.
    """
    start = data[:200]
    half = len(start) // 2
    if half and start[1::2].count(0) > half * 0.8:
        return "utf-16-le"
    return "utf-16-be" if half and start[::2].count(0) > half * 0.8 else ""


def _separator(text: str) -> str:
    """Return the separator that the headings contain most often outside of quotation marks."""
    lines = io.StringIO(text, newline="")
    first = next((line for line in lines if line.strip()), "")
    plain = "".join(first.split('"')[::2])
    return max(SEPARATORS, key=plain.count)


def _rows(text: str, separator: str) -> Iterator[CsvRow]:
    """Yield the rows that are not empty.

    Raises:
        ScimError: 400 with the number of the line.
    """
    lines = _narrow_lines(text, separator)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error:
        raise ScimError(
            400,
            f"file: line {line:,} cannot be read as CSV. Check its quotation marks: one within a"
            " cell is written twice.",
        ) from None


def _narrow_lines(text: str, separator: str) -> Iterator[str]:
    """Yield the lines of a text.

    Raises:
        ScimError: 400 if a line has far more separators than any file has columns.
    """
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if (found := line.count(separator)) > _MAX_SEPARATORS:
            raise _too_wide(number, found + 1, f"the limit is {MAX_COLUMNS} columns")
        yield line


def _fitting(line: int, cells: list[str], width: int) -> list[str]:
    """Return the cells of a row, without empty ones that have no heading.

    Raises:
        ScimError: 400 if other cells have no heading.
    """
    if any(map(str.strip, cells[width:])):
        raise _too_wide(line, len(cells), f"the number of headings is {width}")
    return [_cell(cell) for cell in cells[:width]]


def _too_wide(line: int, cells: int, columns: str) -> ScimError:
    return ScimError(
        400,
        f"file: line {line:,} has {cells:,} cells, but {columns}. Put a cell that contains the"
        " separator in quotation marks.",
    )


def begins_formula(text: str) -> bool:
    """Return whether a spreadsheet could take a cell for a formula, also after spaces."""
    return text.lstrip().startswith(_FORMULA) or text.startswith(("\t", "\r", "\n"))


def _cell(text: str) -> str:
    """Return a cell without spaces around it.

    An apostrophe before a character that begins a formula is removed: exports add it.
    """
    text = text.strip()
    return text[1:].lstrip() if text.startswith("'") and begins_formula(text[1:]) else text


def _headings(cells: list[str]) -> list[str]:
    cells = [_cell(cell) for cell in cells]
    while cells and not cells[-1]:
        cells.pop()
    if not cells:
        raise ScimError(400, "file: it is empty. The first line has to name the columns.")
    if len(cells) > MAX_COLUMNS:
        raise ScimError(400, f"file: more than {MAX_COLUMNS} columns.")
    return [cell[:_MAX_HEADING] or f"Column {number}" for number, cell in enumerate(cells, 1)]
