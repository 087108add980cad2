"""A reader who follows a tutorial to the letter: runs its commands and compares what they show.

A page is read from its beginning to its end, with a shell for each terminal. A comment on the line
before a block says more about it, and its readers do not see it:

- A `bash` block is run in the first terminal, or in the one of `<!-- terminal: NAME -->`. Of
  `<!-- stays in terminal: NAME -->` it is run in the background, until
  `<!-- ctrl-c in terminal: NAME -->`. Of `<!-- not run: REASON -->` it is not run.
- A `text` or `json` block after it is the output that the page promises; after a comment
  `<!-- terminal: NAME -->`, what the program that stays in that terminal shows soon. `…` stands for
  anything.
- A block with a `title` is written to the file of that name, or added to its end.
- An image, and a comment `<!-- in the browser: NAME -->`, call `act` with its name.
"""

import fnmatch
import json
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.waiting import until

DOCS = Path(__file__).parents[2] / "docs" / "tutorials"
_ITEM = re.compile(
    r"^<!-- ctrl-c in terminal: (?P<stopped>\w+) -->$"
    r"|^<!-- in the browser: (?P<act>\w+) -->$"
    r"|^(?:<!-- (?:not run: (?P<reason>.+?)|terminal: (?P<terminal>\w+)"
    r"|stays in terminal: (?P<stays>\w+)) -->\n)?"
    r"^```(?P<info>\w[^\n]*)\n(?P<text>.*?)^```$"
    r"|!\[[^\]]*\]\((?P<image>[^)#]+)#gh-light-mode-only\)",
    re.M | re.S,
)
_BASH = (
    "import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL);"
    " os.execvp('bash', ['bash', '--norc', '--noprofile'])"
)
"""Bash passes on that SIGINT is ignored, as it may be here, and programs would not see Ctrl-C."""
_UNTIL_IT_ENDS = (
    "for i in {{1..100}}; do kill -0 {0} 2>/dev/null || break; sleep 0.1; done;"
    " kill -0 {0} 2>/dev/null || echo ended"
)
_SECONDS = 120
FIRST = "first"
"""The terminal of the blocks that name none."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: The first word of its info string.
        title: The file that it shows; empty for none.
        text: Its text.
        reason: Why it is not run; empty if it is.
        terminal: The terminal that it is for; empty if the page does not say it.
        stays: Whether its program runs until it is stopped.
    """

    language: str
    title: str
    text: str
    reason: str = ""
    terminal: str = ""
    stays: bool = False


@dataclass(frozen=True)
class Act:
    """An act in the browser, by its name: that of a picture has no -light and -dark."""

    name: str


@dataclass(frozen=True)
class Stop:
    """The end of the program that stays in a terminal."""

    terminal: str


def items(page: str) -> Iterator[Block | Act | Stop]:
    """Yield the blocks, acts and stops of a page, in order."""
    for found in _ITEM.finditer(page):
        if found["image"]:
            yield Act(Path(found["image"]).stem.removesuffix("-light"))
        elif found["act"]:
            yield Act(found["act"])
        elif found["stopped"]:
            yield Stop(found["stopped"])
        else:
            title = re.search(r'title="([^"]+)"', found["info"])
            yield Block(
                found["info"].partition(" ")[0],
                title[1] if title else "",
                found["text"],
                found["reason"] or "",
                found["terminal"] or found["stays"] or "",
                bool(found["stays"]),
            )


def files(page: str) -> dict[str, str]:
    """Return the files that a page shows, with their text."""
    found: dict[str, list[str]] = {}
    for item in items(page):
        if isinstance(item, Block) and item.title:
            found.setdefault(item.title, []).append(item.text)
    return {name: "\n".join(parts) for name, parts in found.items()}


class Shell:
    """A bash whose variables and folder last from one block to the next."""

    started: Path | None = None
    """The log of the program that stays; None if there is none."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BASH],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.run("set -o pipefail; trap 'failed=1' ERR")

    def run(self, text: str) -> tuple[bool, str]:
        """Run a block. Returns whether all of its commands succeeded, and their output."""
        end = uuid.uuid4().hex
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"failed=0\n{text}\nprintf '\\n%s %s\\n' {end} $failed\n")
        self._process.stdin.flush()
        killer = threading.Timer(_SECONDS, self._process.kill)
        killer.start()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(end):
                killer.cancel()
                self.said = "".join(lines).removesuffix("\n")
                return line.split()[1] == "0", self.said
            lines.append(line)
        raise AssertionError(f"the shell has ended: {''.join(lines)}")

    def start(self, text: str) -> None:
        """Start a program that stays, in the folder and with the variables of the shell."""
        log = self._folder / f"{uuid.uuid4().hex}.log"
        log.touch()
        succeeded, output = self.run(f"set -m; {text.strip()} > {log} 2>&1 & echo $!")
        assert succeeded, output
        self.started = log
        self._program = int(output.split()[-1])

    def shown(self) -> str:
        """What the program that stays has shown so far."""
        assert self.started is not None
        return self.started.read_text()

    def interrupt(self) -> None:
        """End the program that stays, as Ctrl-C does."""
        os.killpg(self._program, signal.SIGINT)
        self.run(_UNTIL_IT_ENDS.format(self._program))
        assert self.said.strip() == "ended", f"it does not end: {self.shown()}"
        assert self.started is not None
        self.started.unlink()
        self.started = None

    def close(self) -> None:
        if self.started is not None:
            self.interrupt()
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()


class Reader:
    """Follows one page.

    Args:
        page: The name of the page in docs/tutorials, without `.md`.
        folders: For each terminal, the folder that it is in at first.
        instead: For the beginning of a block, the act that stands for it; its result is the output.
        typed: For a text of the page, the text that the reader puts in its place.
        act: Acts in the browser; called with the name of each picture and comment.
        files_in: The terminal in whose folder the reader writes files.
        variables: Further environment variables.
    """

    def __init__(
        self,
        page: str,
        folders: Mapping[str, Path],
        instead: Mapping[str, Callable[[], str]],
        typed: Mapping[str, Callable[[], str]],
        act: Callable[[str], None],
        files_in: str = FIRST,
        **variables: str,
    ) -> None:
        self.name = page
        self.page = (DOCS / f"{page}.md").read_text()
        self._instead = instead
        self._typed = typed
        self._unused = {*instead, *(text for text in typed if text.startswith("PASTE"))}
        self._in_browser = act
        self._files_in = files_in
        self._output: Callable[[], str] | None = None
        self.shells = {name: Shell(folder, **variables) for name, folder in folders.items()}

    def follow(self) -> None:
        """Follow the page to its end."""
        try:
            for item in items(self.page):
                if isinstance(item, Act):
                    self._in_browser(item.name)
                elif isinstance(item, Stop):
                    self.shells[item.terminal].interrupt()
                elif item.title:
                    self._write(item)
                elif item.language == "bash":
                    self._output = self._act(item)
                else:
                    self._compare(item)
        finally:
            for shell in self.shells.values():
                shell.close()
        assert not self._unused, f"{self.name}: not on the page: {self._unused}"

    def _shell(self, block: Block) -> "Shell":
        return self.shells[block.terminal or FIRST]

    def _write(self, block: Block) -> None:
        known = files(self.page)[block.title]
        _, where = self.shells[self._files_in].run("pwd")
        path = Path(where.strip()) / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() + "\n" if path.exists() else ""
        if not known.startswith(before + block.text):
            before = ""
        path.write_text(before + block.text)
        self._output = None

    def _act(self, block: Block) -> Callable[[], str] | None:
        for beginning, act in self._instead.items():
            if block.text.startswith(beginning):
                self._unused.discard(beginning)
                shown = act()
                return lambda: shown
        if block.reason:
            return None
        text, shell = self._replaced(block.text), self._shell(block)
        if block.stays:
            shell.start(text)
            return None
        succeeded, output = shell.run(text)
        assert succeeded, f"{self.name}: {text}\n{output}"
        return lambda: output

    def _replaced(self, text: str) -> str:
        for known, found in self._typed.items():
            if known in text:
                self._unused.discard(known)
                text = text.replace(known, found())
        return text

    def _compare(self, block: Block) -> None:
        text = self._replaced(block.text)
        shell = self.shells.get(block.terminal)
        staying = shell or next((each for each in self.shells.values() if each.started), None)
        if self._output is None and staying is None:
            return
        if shell is not None or self._output is None:
            assert staying is not None
            until(lambda: _shows(text, staying.shown()))
            output = staying.shown()
        else:
            output = self._output()
        said = f"{self.name} promises:\n{text}\nbut shows:\n{output}"
        if block.language == "json":
            assert same(json.loads(_elided(text)), json.loads(output)), said
        else:
            assert _shows(text, output), said


def _shows(wanted: str, output: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in _lines(wanted).split("…"))
    return re.search(pattern, _lines(output), re.S) is not None


def _elided(text: str) -> str:
    """Make JSON of a shown document whose objects and lists may be left out, as {…} and […]."""
    return re.sub(r"[{\[]\s*…\s*[}\]]", '"…"', text)


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def same(wanted: Any, shown: Any) -> bool:
    """Compare JSON. A text with … stands for every text, or value, that it can be."""
    if isinstance(wanted, str):
        if wanted == "…":
            return True
        pattern = re.sub(r"([*?\[])", r"[\1]", wanted).replace("…", "*")
        return isinstance(shown, str) and fnmatch.fnmatchcase(shown, pattern)
    if isinstance(wanted, dict):
        return (
            isinstance(shown, dict)
            and wanted.keys() == shown.keys()
            and all(same(wanted[name], shown[name]) for name in wanted)
        )
    if isinstance(wanted, list):
        return (
            isinstance(shown, list)
            and len(wanted) == len(shown)
            and all(same(one, other) for one, other in zip(wanted, shown, strict=True))
        )
    return bool(wanted == shown)
