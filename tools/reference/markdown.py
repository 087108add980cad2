"""Markdown as the pages of the reference use it."""

import json
import re
from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any

_WIDTH = 100
_EMPTY = ""
CUT = "(cut)"
"""Stands in a JSON value for elements that are left out."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells may contain line breaks and vertical bars."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return a text in code font; nothing for an empty one."""
    if not text:
        return _EMPTY
    fence = "``" if "`" in text else "`"
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


_LITERAL = re.compile(
    r"(?<![\w`/-])("
    r"MUSTER_\w+|--[a-z][\w-]*|(?:sqlite|postgresql|https?)://[^\s,;()`]*[^\s,;.:()`]"
    r"|/(?:metrics|readyz|api/v1[\w/{}-]*|scim/v2[\w/{}-]*)\b|X-Forwarded-\*|#[0-9a-f]{6}"
    r"|muster\.toml|SIGTERM)(?![\w`])"
)


def with_literals(text: str) -> str:
    """Return a help text with its variables, options, URLs and paths in code font."""
    return _LITERAL.sub(lambda found: code(found[1]), text)


def escaped(text: str) -> str:
    """Return a text that reads the same in Markdown."""
    return re.sub(r"([\\*_\[\]<>])", r"\\\1", text)


def block(text: str, language: str = "text") -> str:
    """Return a fenced block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def json_block(value: Any) -> str:
    """Return a value as a fenced block of JSON, with an ellipsis for each CUT."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return block(text.replace(json.dumps(CUT), "…"), "json")


def paragraph(text: str) -> str:
    """Return a text as one paragraph, with lines of up to a hundred characters."""
    return fill(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)


def page(*parts: str) -> str:
    """Join the parts of a page, with a blank line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def anchor(heading: str) -> str:
    """Return the anchor that forges and the site give to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sentence(text: str) -> str:
    """Return a text as a sentence: with a capital letter first and a full stop last."""
    text = text.strip()
    if not text:
        return _EMPTY
    first = text.partition(" ")[0]
    text = text if "://" in first else text[:1].upper() + text[1:]
    return text + ("" if text.endswith((".", "!", "?")) else ".")
