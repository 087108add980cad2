"""Background work: an error ends one round only, and cancellation ends the work."""

import asyncio
import contextlib
import logging

import pytest

from muster.access.registries import Registries
from muster.custom_schemas import indexer
from muster.custom_schemas.indexer import Indexer
from muster.events.webhooks import deliverer
from muster.events.webhooks.deliverer import Deliverer
from muster.http.observe import recorder
from muster.http.observe.recorder import Recorder, Retention
from muster.storage.background import log_and_continue
from muster.storage.port.errors import StorageError
from muster.storage.postgres import epoch
from muster.storage.records.leases import Leases
from muster.storage.records.requests import RequestStore
from muster.upkeep import trimmer
from muster.upkeep.trimmer import Trimmer


def test_defects_are_logged_and_storage_errors_are_not(caplog):
    with log_and_continue("digging"):
        raise KeyError("spade")
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.ERROR,
        "digging failed; it will be tried again",
    )
    assert record.exc_info is not None
    with log_and_continue("digging"):
        raise StorageError("away")
    assert len(caplog.records) == 1


def test_cancellation_ends_background_work():
    with pytest.raises(asyncio.CancelledError), log_and_continue("digging"):
        raise asyncio.CancelledError


def _indexer(bench):
    return Indexer(bench.storage, Registries(bench.storage), Leases(bench.storage)), "_look"


def _deliverer(bench):
    return Deliverer(bench.storage, None, None, None, Leases(bench.storage)), "_look"


def _trimmer(bench):
    return Trimmer(bench.storage, Leases(bench.storage), 90), "trim_all"


def _recorder(bench):
    return Recorder(RequestStore(bench.storage), Retention(1, 1)), "flush"


@pytest.mark.parametrize("made", [_indexer, _deliverer, _trimmer, _recorder])
def test_failed_round_is_followed_by_further_rounds(bench, monkeypatch, made):
    for module, name in (
        (indexer, "_ASK"),
        (deliverer, "_ASK"),
        (trimmer, "_EVERY"),
        (recorder, "_FLUSH"),
    ):
        monkeypatch.setattr(module, f"{name}_SECONDS", 0.01)
    monkeypatch.setattr(indexer, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(deliverer, "_HELD_SECONDS", 0.0)
    work, name = made(bench)
    assert bench.run(_rounds(work, name, work.run)) >= 3


def test_epoch_listener_survives_a_defect(monkeypatch):
    monkeypatch.setattr(epoch, "_ASK_SECONDS", 0.01)
    followed = epoch.PostgresEpoch("postgresql://nowhere")
    before = followed.value()
    assert asyncio.run(_rounds(followed, "_follow", followed._listen)) >= 3
    assert followed.value() > before


def test_failure_to_trim_one_workspace_does_not_stop_the_others(bench):
    trimmed, there = [], [bench.new_workspace().id for _ in range(3)]

    class Odd(Trimmer):
        async def trim(self, workspace, days):
            if workspace == there[0]:
                raise IndexError
            trimmed.append((workspace, days))

    bench.run(Odd(bench.storage, Leases(bench.storage), 90).trim_all())
    assert set(trimmed) >= {(workspace, 90) for workspace in there[1:]}


async def _rounds(work, name, run):
    """Count the rounds, of which the first fails."""
    count, enough = 0, asyncio.Event()

    async def round_of_it():
        nonlocal count
        count += 1
        if count == 1:
            raise IndexError("a row that is not there")
        if count == 3:
            enough.set()

    setattr(work, name, round_of_it)
    running = asyncio.create_task(run())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(enough.wait(), 10)
    running.cancel()
    await asyncio.wait([running])
    return count
