"""Commands of muster, run in the process of the tests."""

import contextlib
import io
import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

from muster.cli.main import main

SECONDS = 120
_thread = ThreadPoolExecutor(1, "muster-command")
"""The thread of a test may run an event loop already."""


def run_here(
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    folder: Path,
    check: bool = True,
    typed: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process: starting one takes 0.7 s of a core.

    Args:
        arguments: Its arguments.
        environment: All of its environment variables.
        folder: Its working directory.
        check: Whether to fail if its exit code is not 0.
        typed: Its standard input.
    """
    out, err = _stream(), _stream()
    with (
        patch.dict(os.environ, environment, clear=True),
        patch("sys.stdin", _stream(typed or "")),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = _thread.submit(_exit_code, arguments).result(SECONDS)
    done = subprocess.CompletedProcess(arguments, code, _text(out), _text(err))
    if check:
        done.check_returncode()
    return done


def _exit_code(arguments: tuple[str, ...]) -> int:
    try:
        return main(list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1


def _stream(text: str = "") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", newline="")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()
