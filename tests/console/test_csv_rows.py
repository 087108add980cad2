"""Rows of CSV exports."""

import csv
import io

import pytest

from muster.console.csv_rows import csv_row


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", " =x", "\n=x", "＝x", "＠x"]
)
def test_an_export_holds_no_formula(text):
    found = next(csv.reader(io.StringIO(csv_row([text, 7, None]).decode(), newline="")))
    assert found == [f"'{text}", "7", ""]


def test_an_export_keeps_every_text():
    texts = ['a "quoted" one', "a,b", "two\nlines", "ünïcode", ""]
    assert next(csv.reader(io.StringIO(csv_row(texts).decode(), newline=""))) == texts
