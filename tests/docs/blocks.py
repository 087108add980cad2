"""The fenced code blocks of the documents, and how each of them is tested.

A block is tested by the first word after its fence:

- `bash` and `sh` run; `console` runs the lines that start with `$ `, and their output must have the
  lines below; `python` and `js` run.
- `json`, `yaml` and `toml` are parsed. In JSON, `…` stands for elided values.
- `text` and a few others are only shown.

A block with `title="FILE"` after the first word is written to that file instead of being run. A
block that cannot run here has a comment on the line before: `<!-- not run: reason -->`.

`python -m tests.docs.blocks` lists the blocks that do not run, with their reasons.
"""

import json
import re
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SHELL = {"bash", "sh", "console"}
PROGRAMS = SHELL | {"python", "js"}
DATA = {"json", "yaml", "toml"}
SHOWN = {"text", "http", "html", "ini", "diff", "markdown"}
_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")
_NOT_RUN = re.compile(r" *<!-- not run: *(?P<reason>.*?) *-->")
_TITLE = re.compile(r'title="([^"]+)"')
_JSON_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[^"]', re.S)


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        page: The document, relative to the root.
        line: The line of its opening fence.
        kind: The first word of its info string; empty if there is none.
        title: The file that it stands for; empty if it stands for none.
        reason: Why it is not run; None if it is.
        text: Its content.
    """

    page: str
    line: int
    kind: str
    title: str
    reason: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        return self.reason is None and not self.title and self.kind in PROGRAMS


def documents() -> list[Path]:
    """The documents with code blocks: the README and every page of the site."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path: Path) -> list[Block]:
    """The blocks of a document, in order."""
    page = path.relative_to(ROOT).as_posix()
    found, lines = [], path.read_text().splitlines()
    position = 0
    while position < len(lines):
        opening = _FENCE.fullmatch(lines[position])
        if opening is None:
            position += 1
            continue
        start, body = position, []
        end = re.compile(rf" *{opening['fence']}{opening['fence'][0]}* *")
        position += 1
        while position < len(lines) and not end.fullmatch(lines[position]):
            body.append(_unindented(lines[position], len(opening["indent"])))
            position += 1
        assert position < len(lines), f"{page}:{start + 1}: the block has no end"
        position += 1
        marked = _NOT_RUN.fullmatch(lines[start - 1]) if start else None
        titled = _TITLE.search(opening["info"])
        found.append(
            Block(
                page,
                start + 1,
                opening["info"].strip().partition(" ")[0],
                titled[1] if titled else "",
                marked["reason"] if marked else None,
                "\n".join(body) + "\n",
            )
        )
    return found


def _unindented(line: str, spaces: int) -> str:
    return line[spaces:] if not line[:spaces].strip() else line.lstrip()


def problem_of(block: Block) -> str | None:
    """Why a block is wrong before it runs, or None."""
    if block.reason is not None:
        return None if len(block.reason) > 5 else "say why it is not run"
    if not block.kind:
        return "name its kind after the fence, such as bash, json or text"
    if block.kind not in PROGRAMS | DATA | SHOWN and not block.title:
        return f"nothing can test {block.kind!r}; mark it as not run, with the reason"
    try:
        if block.kind == "json":
            _parse_json(block.text)
        elif block.kind == "yaml":
            list(yaml.safe_load_all(block.text))
        elif block.kind == "toml":
            tomllib.loads(block.text)
        elif block.kind == "python":
            compile(textwrap.dedent(block.text), str(block), "exec")
    except (ValueError, SyntaxError, yaml.YAMLError) as error:
        return str(error)
    return None


def _parse_json(text: str) -> None:
    """Parse JSON, or JSON Lines, with `…` for values and members that are left out."""
    whole = _filled(text)
    try:
        json.loads(whole)
    except ValueError:
        lines = [line for line in whole.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        for line in lines:
            json.loads(line)


def _filled(text: str) -> str:
    """Replace each `…` outside of strings by a value, or by a member of an object."""
    filled, open_brackets, before = [], [], ""
    for token in _JSON_TOKENS.findall(text):
        if token in "{[":
            open_brackets.append(token)
        elif token in "}]" and open_brackets:
            open_brackets.pop()
        if token == "…":
            in_object = bool(open_brackets) and open_brackets[-1] == "{" and before != ":"
            token = '"…": null' if in_object else "null"
        if token.strip():
            before = token
        filled.append(token)
    return "".join(filled)


def main() -> None:
    """Print the blocks that are not run."""
    for path in documents():
        for block in blocks(path):
            if block.reason is not None:
                print(f"{block}: {block.kind or 'no kind'}: {block.reason}")


if __name__ == "__main__":
    main()
