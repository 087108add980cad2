"""Threads that stand back."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from muster import passwords
from muster.threads import stand_back


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are of processes")
def test_a_thread_stands_back_and_no_other():
    mine = niceness()
    with ThreadPoolExecutor(1, "x", stand_back, (mine + 3,)) as threads:
        assert threads.submit(niceness).result() == mine + 3
    assert niceness() == mine
    assert passwords._executor.submit(niceness).result() > mine
