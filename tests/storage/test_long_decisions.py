"""Long decisions are made on a thread, on both engines, with the same result."""

import asyncio
import threading
from dataclasses import replace

import pytest

from muster.directory.documents import parse
from muster.directory.versions import make_put, next_version
from muster.scim.schema.model import USER, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.errors import Conflict
from muster.storage.port.resources import LONG_DECISION, Write
from tests.support.people import name

USER_TYPE = registry().types["/Users"]
NOW = "2020-01-01T00:00:00.000Z"
_ids = IdSource()


def creation(bench, user_name, title="x", **attributes):
    document = {"schemas": [USER], "userName": user_name, "title": title}
    threads = []

    def decide(_):
        threads.append(threading.current_thread())
        return make_put(document, USER_TYPE, _ids(1_600_000_000_000), 1, NOW, NOW)

    return Write(
        bench.workspace.id, "User", None, decide, ChangeOrigin("a", "r", NOW), **attributes
    ), threads


def change(bench, stored, title, **attributes):
    threads = []

    def decide(standing):
        threads.append(threading.current_thread())
        return next_version(standing, {**parse(standing.document), "title": title}, USER_TYPE, NOW)

    return Write(
        bench.workspace.id, "User", stored.id, decide, ChangeOrigin("a", "r", NOW), **attributes
    ), threads


def is_here(threads):
    """Whether everything was done in the thread of the event loop."""
    found = {thread is threading.main_thread() for thread in threads}
    assert len(found) == 1
    return found.pop()


@pytest.mark.parametrize(
    ("size", "standing", "passes", "expected"),
    [
        (1_000, 0, 1, False),
        (LONG_DECISION // 4, 0, 1, False),
        (LONG_DECISION // 4 + 1, 0, 1, True),
        (0, LONG_DECISION // 5, 1, False),
        (0, LONG_DECISION // 5 + 1, 1, True),
        (0, 1_000, 150, False),
        (0, 1_000, 200, True),
    ],
)
def test_is_long_counts_size_and_passes(bench, size, standing, passes, expected):
    write, _ = creation(bench, "x", size=size, passes=passes)
    assert write.is_long(standing) is expected


@pytest.mark.parametrize("size", [100, LONG_DECISION])
def test_a_large_body_is_decided_on_a_thread(bench, size):
    write, threads = creation(bench, name(), size=size)
    stored = bench.run(bench.storage.write(write)).stored
    assert is_here(threads) is (size == 100)
    assert (
        bench.run(bench.storage.get(bench.workspace.id, "User", stored.id)).document
        == stored.document
    )


@pytest.mark.parametrize(
    ("length", "passes", "here"), [(1, 1, True), (LONG_DECISION, 1, False), (1_000, 500, False)]
)
def test_a_change_of_a_large_resource_is_decided_on_a_thread(bench, length, passes, here):
    stored = bench.run(bench.storage.write(creation(bench, name(), "x" * length)[0])).stored
    write, threads = change(bench, stored, "changed", passes=passes)
    changed = bench.run(bench.storage.write(write)).stored
    assert is_here(threads) is here
    assert (changed.version, parse(changed.document)["title"]) == (2, "changed")
    assert (
        bench.run(bench.storage.get(bench.workspace.id, "User", stored.id)).document
        == changed.document
    )


def test_refused_write_is_undone_alone_in_a_transaction_with_long_writes(bench):
    large = bench.run(bench.storage.write(creation(bench, name(), "x" * LONG_DECISION)[0])).stored
    taken = name()
    bench.run(bench.storage.write(creation(bench, taken)[0]))
    writes = [
        creation(bench, name())[0],
        change(bench, large, "one")[0],
        creation(bench, taken, size=LONG_DECISION)[0],
        change(bench, large, "x" * LONG_DECISION)[0],
        creation(bench, taken)[0],
        replace(change(bench, large, "three")[0], passes=500),
        creation(bench, name(), size=LONG_DECISION)[0],
    ]

    async def together():
        return await asyncio.gather(*map(bench.storage.write, writes), return_exceptions=True)

    answers = bench.run(together())
    assert [isinstance(answer, Conflict) for answer in answers] == [
        False,
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    assert [answers[n].stored.version for n in (1, 3, 5)] == [2, 3, 4]
    assert (
        parse(bench.run(bench.storage.get(bench.workspace.id, "User", large.id)).document)["title"]
        == "three"
    )
    for answer in answers:
        if not isinstance(answer, Conflict):
            assert (
                bench.run(bench.storage.get(bench.workspace.id, "User", answer.stored.id))
                is not None
            )
