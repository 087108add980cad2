"""The requirements of the RFCs and profiles: their tests and modules exist, their pages are current."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from conformance.requirements import DOCUMENTS, MUSTS, PAGES, load, pages

ROOT = Path(__file__).parents[2]
EVERY = [found for name in DOCUMENTS for found in load(name).requirements]


@cache
def functions(path):
    return {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_named_test_exists():
    missing = []
    for found in EVERY:
        for test in found.tests:
            path, _, name = test.partition("::")
            if not (ROOT / path).is_file() or name not in functions(path):
                missing.append((found.id, test))
    assert missing == []


def test_every_named_module_exists():
    missing = [
        (found.id, module)
        for found in EVERY
        for module in found.held
        if not (ROOT / "src" / "muster" / module).is_file()
    ]
    assert missing == []


def test_every_must_of_the_server_has_a_test_or_a_reason():
    assert [
        found.id for found in EVERY if found.is_open and found.level in MUSTS and not found.note
    ] == []


def test_every_recommendation_to_the_server_has_a_test_or_a_reason():
    assert [found.id for found in EVERY if found.is_open and not found.note] == []


def test_every_requirement_is_listed_once():
    assert [found for found, count in Counter(one.id for one in EVERY).items() if count > 1] == []


def test_levels_and_parties_are_the_known_ones():
    assert {found.party for found in EVERY} <= {"server", "client", "both", "product"}
    assert {found.level for found in EVERY} <= {
        *MUSTS, "SHOULD", "SHOULD NOT", "RECOMMENDED", "NOT RECOMMENDED",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["index.md", *(f"{name}.md" for name in DOCUMENTS)])
def test_a_page_shows_the_data(name):
    assert (PAGES / name).read_text() == pages()[name]
