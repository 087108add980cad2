"""The answers of muster that the how-to guides quote are those of the code."""

import ast
import re
from pathlib import Path

import pytest

from muster.insight.doctor import FIXES

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "how-to"
_QUOTED = re.compile(r"(?:^|[| ])[45]\d\d `([^`|]+)`")
"""A status, and the text that is quoted after it."""
_ELIDED = re.compile(r"…|<[^>]+>|\.\.\.|\d+")
_OF_OPERATORS = ("deploy", "erase-a-person", "kubernetes", "upgrade")
"""Guides that list what a command or the log says, in a table or in bold."""
_LISTED = re.compile(r"^(?:\| |- \*\*)`([^`|]*(?: [^`|]*){2})`", re.MULTILINE)
"""A quotation of at least three words at the beginning of an entry."""


def _messages():
    """Yield the texts of the code, with … for the values in them."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    part.value if isinstance(part, ast.Constant) else "…" for part in node.values
                )


@pytest.fixture(scope="module")
def messages():
    return "\n".join(_messages())


def _quoted():
    for path in sorted(GUIDES.rglob("*.md")):
        for found in _QUOTED.finditer(path.read_text()):
            yield pytest.param(found[1], id=f"{path.relative_to(GUIDES)}-{found[1][:40]}")


def _listed():
    for name in _OF_OPERATORS:
        for text in _LISTED.findall((GUIDES / f"{name}.md").read_text()):
            yield pytest.param(text, id=f"{name}-{text[:40]}")


@pytest.mark.parametrize("text", list(_listed()))
def test_a_message_that_a_guide_for_operators_lists_is_in_the_code(text, messages):
    for part in _ELIDED.split(
        re.sub("PostgreSQL( at)?", "…", text)
    ):  # composed: a place of either engine
        assert part.strip() in messages, part


@pytest.mark.parametrize("text", list(_quoted()))
def test_a_quoted_answer_is_in_the_code(text, messages):
    for part in _ELIDED.split(text):
        assert part.strip() in messages, part


def test_the_guides_quote_answers():
    assert len(list(_quoted())) > 15
    assert len(list(_listed())) > 8


def test_every_status_that_the_doctor_knows_is_in_the_guide():
    text = (GUIDES / "troubleshooting.md").read_text()
    named = {int(found) for found in re.findall(r"\b([45]\d\d)\b", text)}
    assert set(FIXES) <= named
