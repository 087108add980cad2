"""Runs the blocks of one page in order: one shell, one Python and one folder for all of them."""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.docs.blocks import Block

_SECONDS = 60
_DONE = "\x01done"
_INTERPRETER = """
import json, os, sys, traceback
names = {"__name__": "__main__"}
for line in sys.stdin:
    order = json.loads(line)
    os.environ.clear(); os.environ.update(order["environment"]); os.chdir(order["folder"])
    with open(order["output"], "w") as output:
        sys.stdout = sys.stderr = output
        failed = 0
        try:
            exec(compile(open(order["code"]).read(), order["name"], "exec"), names)
        except SystemExit as end:
            failed = int(end.code not in (None, 0))
        except BaseException:
            traceback.print_exc(); failed = 1
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    print("\\x01done", failed, flush=True)
"""
_LOOSE = [
    (re.compile(r"https?://(127\.0\.0\.1|localhost)(:\d+)?"), "http://HOST"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?"), "TIME"),
    (re.compile(r"eyJ[\w-]+(\.[\w-]+)*"), "TOKEN"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|seconds)\b"), "DURATION"),
    (re.compile(r"\s+"), " "),
]


class BlockFailed(AssertionError):
    """A block of a page did not do what the page says."""


class Session:
    """The shell and the interpreter of one page.

    Variables, functions and the working directory of the shell last from block to block, and so do
    the names of the Python blocks, which see the exported variables of the shell.

    Args:
        folder: An empty folder, in which the blocks run.
        environment: Their environment variables.
        replaced: Texts to replace in the blocks, such as the address of the service.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], replaced: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self._notes = folder.with_name(folder.name + ".blocks")
        self._notes.mkdir()
        self._environment = dict(environment)
        self._replaced = replaced
        self._programs: dict[str, subprocess.Popen[str]] = {}
        self._number = 0

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)  # also what it has started
            program.wait()
            program.stdin.close()
            program.stdout.close()

    def run(self, block: Block) -> None:
        """Run a block, or write the file that it stands for. Raises BlockFailed."""
        text = block.text
        for before, after in self._replaced.items():
            text = text.replace(before, after)
        if block.title:
            self._write(block, text)
        elif block.kind == "console":
            self._console(block, text)
        elif block.kind == "python":
            self._python(block, text)
        elif block.kind == "js":
            name = self._note("mjs", text)
            self._shell(block, f'node "{name}"')
        else:
            self._shell(block, text)

    def _write(self, block: Block, text: str) -> None:
        path = self._where() / block.title
        assert path.resolve().is_relative_to(self.folder.resolve()), f"{block}: outside the folder"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _console(self, block: Block, text: str) -> None:
        commands: list[tuple[str, list[str]]] = []
        for line in text.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif not commands:
                raise BlockFailed(f"{block}: a console block starts with a line that starts with $")
            elif not commands[-1][1] and (commands[-1][0].endswith("\\") or line.startswith("> ")):
                command = f"{commands[-1][0]}\n{line.removeprefix('> ')}"
                commands[-1] = command, []
            else:
                commands[-1][1].append(line)
        for command, shown in commands:
            output = self._shell(block, command)
            missing = missing_line(shown, output)
            if missing is not None:
                raise BlockFailed(f"{block}: not in the output: {missing}\n--- output\n{output}")

    def _shell(self, block: Block, text: str) -> str:
        code, output = self._note("bash", text), self._note("out", "")
        shell = self._program(
            "bash", ["bash", "--noprofile", "--norc"], "set -euo pipefail; shopt -s expand_aliases"
        )
        order = f'source "{code}" >"{output}" 2>&1 </dev/null; printf "\\x01done 0\\n"\n'
        failed = self._order(shell, order)
        if failed:
            raise BlockFailed(f"{block}: {failed}\n--- block\n{text}--- output\n{_end_of(output)}")
        return output.read_text(errors="replace")

    def _python(self, block: Block, text: str) -> None:
        import json

        code, output = self._note("py", text), self._note("out", "")
        order = {
            "environment": self._exported(),
            "folder": str(self._where()),
            "code": str(code),
            "name": str(block),
            "output": str(output),
        }
        program = self._program("python", [sys.executable, "-c", _INTERPRETER])
        failed = self._order(program, json.dumps(order) + "\n")
        if failed:
            raise BlockFailed(f"{block}: {failed}\n--- output\n{_end_of(output)}")

    def _program(self, name: str, command: list[str], first: str = "") -> subprocess.Popen[str]:
        if name not in self._programs:
            self._programs[name] = program = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            program.stdin.write(first + "\n" if first else "")
        return self._programs[name]

    def _order(self, program: subprocess.Popen[str], order: str) -> str | None:
        """Give a program an order. Returns why it failed, or None."""
        program.stdin.write(order)
        program.stdin.flush()
        end = time.monotonic() + _SECONDS
        said = ""
        with selectors.DefaultSelector() as ready:
            ready.register(program.stdout, selectors.EVENT_READ)
            while _DONE not in said:
                if not ready.select(max(0.0, end - time.monotonic())):
                    return f"it has not ended after {_SECONDS} seconds"
                read = os.read(program.stdout.fileno(), 65_536).decode(errors="replace")
                if not read:
                    return f"exit code {program.wait()}"
                said += read
        return None if said.rpartition(_DONE)[2].strip() == "0" else "it raised an exception"

    def _exported(self) -> dict[str, str]:
        """The environment variables that the shell blocks have exported so far."""
        if "bash" not in self._programs:
            return self._environment
        listed = self._note("env", "")
        self._order(self._programs["bash"], f'env -0 >"{listed}"; printf "\\x01done 0\\n"\n')
        pairs = listed.read_text().rstrip("\0").split("\0")
        return dict(pair.split("=", 1) for pair in pairs)

    def _where(self) -> Path:
        """The working directory of the shell."""
        if "bash" not in self._programs:
            return self.folder
        named = self._note("pwd", "")
        self._order(self._programs["bash"], f'pwd >"{named}"; printf "\\x01done 0\\n"\n')
        return Path(named.read_text().strip())

    def _note(self, ending: str, text: str) -> Path:
        self._number += 1
        path = self._notes / f"{self._number}.{ending}"
        path.write_text(text)
        return path


def missing_line(shown: list[str], output: str) -> str | None:
    """Return the first line of the shown output that a command did not print.

    The lines have to be in the output in their order, with others between them. `…` stands for any
    text, and ids, times, tokens and the address of the service may differ.
    """
    rest = [_loosened(line) for line in output.splitlines()]
    for line in shown:
        wanted = _loosened(line)
        if wanted in ("", "…", "..."):
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in re.split(r"…|\.\.\.", wanted)))
        place = next((at for at, printed in enumerate(rest) if pattern.fullmatch(printed)), None)
        if place is None:
            return line
        rest = rest[place + 1 :]
    return None


def _loosened(line: str) -> str:
    for pattern, word in _LOOSE:
        line = pattern.sub(word, line)
    return line.strip()


def _end_of(output: Path) -> str:
    return output.read_text(errors="replace")[-3000:]
