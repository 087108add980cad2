"""Threads of lower priority, and the fair sharing of one thread."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from muster.base import passwords
from muster.base.threads import FairThread, lower_priority


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are of processes")
def test_lower_priority_affects_only_the_calling_thread():
    mine = niceness()
    with ThreadPoolExecutor(1, "x", lower_priority, (mine + 3,)) as threads:
        assert threads.submit(niceness).result() == mine + 3
    assert niceness() == mine
    assert passwords._executor.submit(niceness).result() > mine


def _order(*submitted):
    """Return the order in which work runs that is submitted while the thread is busy."""
    thread, started, busy, done = (
        FairThread("x", niceness()),
        threading.Event(),
        threading.Event(),
        [],
    )

    def keep_busy():
        started.set()
        busy.wait(60)

    first = thread.submit(keep_busy)
    assert started.wait(60)
    futures = [
        thread.submit(done.append, f"{caller}{number}", rank=rank, caller=caller)
        for number, (rank, caller) in enumerate(submitted)
    ]
    busy.set()
    for future in (first, *futures):
        future.result(60)
    return done


def test_callers_take_turns():
    assert _order(*[(2, "a")] * 4, (2, "b"), (2, "c")) == ["a0", "b4", "c5", "a1", "a2", "a3"]


def test_lower_rank_goes_first_without_starving_others():
    found = _order(*[(2, "a")] * 2, *[(0, "s")] * 8)
    assert found[:3] == ["s2", "s3", "s4"]
    assert found[3] == "a0"
    assert found[4:7] == ["s5", "s6", "s7"]
    assert found[7] == "a1"


def test_one_read_among_a_thousand_waits_for_few_statements():
    found = _order(*[(2, "bulk")] * 1000, (1, "verify"), (0, "admin"), (2, "other"))
    assert found.index("admin1001") == 0
    assert found.index("verify1000") == 1
    assert found.index("other1002") <= 3


def test_cancelled_work_is_skipped_and_errors_reach_the_submitter():
    thread, busy = FairThread("x", niceness()), threading.Event()
    first = thread.submit(busy.wait, 60)
    given_up, failing, after = thread.submit(list), thread.submit(int, "x"), thread.submit(int, "7")
    assert given_up.cancel()
    busy.set()
    first.result(60)
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result(60)
    assert after.result(60) == 7
