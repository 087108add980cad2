"""Temporary folders in memory: SQLite waits for the disk at each commit.

A killed process loses nothing there that it would not lose on a disk, so tests that kill one prove
as much. `make torture` uses the disk.
"""

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ENOUGH = 4 << 30
"""The bytes that must be free: containers often have 64 MB only."""


def prefer_memory() -> None:
    """Make temporary folders in memory from now on, unless TMPDIR says otherwise."""
    usable = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH
    if usable and "TMPDIR" not in os.environ:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None
