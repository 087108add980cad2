"""Threads that compute for long, beside the one that answers."""

import os
import sys
import threading


def stand_back(niceness: int) -> None:
    """Let the thread that answers go before this one, by Linux's scheduler; what this one starts stands back as well."""
    if sys.platform == "linux":  # elsewhere priorities are of processes
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
