"""Rows of CSV that are safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from muster.imports.table import begins_formula


def csv_row(values: Sequence[Any], separator: str = ",") -> bytes:
    """Return a row of CSV (RFC 4180) in UTF-8.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.

    Args:
        values: The values of the cells.
        separator: The character between the cells.
    """
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator).writerow([_harmless(value) for value in values])
    return buffer.getvalue().encode("utf-8", "replace")


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and begins_formula(value) else value
