"""`muster serve`: Granian, its worker processes, and the line that says when it is ready."""

import ctypes
import functools
import http.client
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from granian.constants import Interfaces, Loops, RuntimeModes
from granian.log import LogLevels
from granian.server import Server

from muster.app import RsgiMuster
from muster.config import Settings

_POLL_SECONDS = 0.05


def serve(settings: Settings, ready: str) -> None:
    """Serve until SIGTERM or SIGINT, and then finish what is in flight. ready: printed once the service answers.

    Raises OSError where the address cannot be listened on.
    """
    _check_address(settings)
    server = Server(
        "muster",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        workers=settings.workers,
        runtime_mode=RuntimeModes.mt,
        loop=Loops.uvloop,
        websockets=False,
        backlog=2048,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=settings.drain_seconds,
    )
    stopping = multiprocessing.Value(ctypes.c_bool, False, lock=False)
    server.on_startup(lambda: signal.signal(signal.SIGTERM, _draining(server, stopping, settings.drain_delay)))
    announce = threading.Thread(target=_announce, args=(settings, ready), daemon=True)
    server.on_startup(announce.start)
    load: Any = functools.partial(_load, settings, stopping, os.getpid())  # Granian takes any object with the RSGI methods
    server.serve(target_loader=load, wrap_loader=False)


def _check_address(settings: Settings) -> None:
    """Listen for a moment, for Granian says of an address that is taken only that it panicked."""
    found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen()


def _draining(server: Any, stopping: Any, delay: float) -> Callable[[int, object], None]:
    """What SIGTERM does: /readyz goes red and connections are closed as they are answered, so that a balancer sends no more;
    a while later the server stops. A second SIGTERM stops it at once.
    """

    def handle(*_: object) -> None:
        wait = 0.0 if stopping.value else delay
        stopping.value = True
        timer = threading.Timer(wait, server.signal_handler_interrupt)
        timer.daemon = True
        timer.start()

    return handle


def _load(settings: Settings, stopping: Any, parent: int, *_: object) -> RsgiMuster:
    return RsgiMuster(settings, lambda: bool(stopping.value), parent)


def _announce(settings: Settings, ready: str) -> None:
    """Print the line once a request is answered. It sleeps first, while Granian forks its workers."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    while True:
        time.sleep(_POLL_SECONDS)
        connection = http.client.HTTPConnection(host, settings.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                break
        except OSError:
            pass
        finally:
            connection.close()
    sys.stdout.write(ready + "\n")
    sys.stdout.flush()
