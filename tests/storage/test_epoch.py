"""The stamps of a database file: allocated on the disk, and one for all its names."""

import asyncio
import os
import subprocess
import sys

import pytest

from muster.storage.port.errors import StorageError
from muster.storage.sqlite import SqliteStorage
from muster.storage.sqlite.epoch import Stamps

ON_A_SMALL_DISK = """
import os, sys
from muster.storage.port.errors import StorageFull
from muster.storage.sqlite.epoch import Stamps

def fill():
    with open("filler", "ab", buffering=0) as filler:
        try:
            while filler.write(b"x" * 512):
                pass
        except OSError:
            pass

os.chdir(sys.argv[1])
if sys.argv[2] == "hole":  # as a version left it that wrote no bytes
    os.ftruncate(os.open("m.db-epoch", os.O_CREAT | os.O_RDWR), 16)
if sys.argv[2] == "full":
    fill()
try:
    stamps = Stamps("m.db")
except StorageFull as error:
    print(error)
    raise SystemExit
fill()
before = stamps.commits(), stamps.accounts()
stamps.announce_commit()
stamps.announce_accounts()
print(before != (stamps.commits(), stamps.accounts()))
"""


def mounted(folder, script, *arguments):
    """Run a script with a 64 KiB tmpfs at a folder, in a mount namespace of its own."""
    shell = 'mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"'
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        shell,
        "sh",
        str(folder),
        sys.executable,
        "-c",
        script,
        str(folder),
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.outside
@pytest.mark.parametrize(
    ("begin", "expected"),
    [("new", "True\n"), ("hole", "True\n"), ("full", "no space left on device\n")],
)
def test_a_full_disk_kills_no_process_that_has_the_stamps_mapped(tmp_path, begin, expected):
    if mounted(tmp_path, "").returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    done = mounted(tmp_path, ON_A_SMALL_DISK, begin)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(expected)


def test_stamps_are_allocated_on_the_disk(tmp_path):
    path = tmp_path / "m.db"
    os.truncate(os.open(tmp_path / "m.db-epoch", os.O_CREAT | os.O_RDWR), 16)
    for _ in range(2):
        stamps = Stamps(str(path))
        seen = stamps.commits()
        stamps.announce_commit()
        assert stamps.commits() != seen
        kept = stamps.commits()
        stamps.close()
        assert (tmp_path / "m.db-epoch").stat().st_blocks > 0
    again = Stamps(str(path))
    assert again.commits() == kept
    again.close()


def test_stamps_that_cannot_be_opened_are_named(tmp_path):
    with pytest.raises(StorageError, match=r"nowhere/m\.db-epoch: no such file"):
        Stamps(str(tmp_path / "nowhere" / "m.db"))


@pytest.mark.parametrize("kind", ["file", "folder", "chain"])
def test_services_that_open_one_file_by_several_names_share_its_stamps(tmp_path, kind):
    (tmp_path / "real").mkdir()
    path = tmp_path / "real" / "m.db"
    link = tmp_path / "link.db"
    if kind == "folder":
        (tmp_path / "folder").symlink_to("real")
        link = tmp_path / "folder" / "m.db"
    elif kind == "chain":
        (tmp_path / "middle.db").symlink_to(path)
        link.symlink_to("middle.db")
    else:
        link.symlink_to(path)

    async def run():
        storages = [SqliteStorage(str(path)), SqliteStorage(str(link))]
        for storage in storages:
            await storage.migrate()
            await storage.start()
        one, other = storages
        seen = other.epoch()
        await one.add_workspace("w", "rfc7644", False, "2020-01-01T00:00:00Z")
        assert other._stamps.commits() == one._stamps.commits()
        assert other.epoch() != seen  # at once, not at the next look
        assert await one.size() == await other.size()
        for storage in storages:
            await storage.close()

    asyncio.run(run())
    assert sorted(item.name for item in tmp_path.rglob("*-epoch")) == ["m.db-epoch"]
