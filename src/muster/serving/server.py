"""`muster serve`: Granian, its worker processes, and the line that says when it is ready."""

import contextlib
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
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server import Server

from muster.config import Settings
from muster.http.wire.message import MAX_HEADER_BYTES
from muster.serving.worker import RsgiWorker

_POLL_SECONDS = 0.05
_CALM_SECONDS = 30.0
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0
"""Seconds without a death after which the next is replaced at once; and the shortest and longest wait of others."""
_CONNECTIONS = 16_384
"""How many connections a worker accepts at a time. Granian would stop accepting at the backlog, and idle ones count."""
_HEADER_MILLISECONDS = 10_000
"""How long the head of a request may take to come."""


def serve(settings: Settings, ready: str) -> None:
    """Serve until SIGTERM or SIGINT, and then finish what is in flight. ready: printed once the service answers.

    Raises OSError where the address cannot be listened on.
    """
    check_address(settings)
    server = _Server(
        "muster",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        workers=settings.workers,
        runtime_mode=RuntimeModes.mt,
        loop=Loops.uvloop,
        websockets=False,
        backlog=2048,
        backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(
            header_read_timeout=_HEADER_MILLISECONDS, max_buffer_size=MAX_HEADER_BYTES
        ),
        http2_settings=HTTP2Settings(max_headers_size=MAX_HEADER_BYTES),
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=settings.drain_seconds,
    )
    stopping = multiprocessing.Value(ctypes.c_bool, False, lock=False)
    server.on_startup(
        lambda: signal.signal(signal.SIGTERM, _draining(server, stopping, settings.drain_delay))
    )
    announce = threading.Thread(
        target=_announce, args=(settings, ready, server.answered), daemon=True
    )
    server.on_startup(announce.start)
    load: Any = functools.partial(
        _load, settings, stopping, os.getpid()
    )  # Granian takes any object with the RSGI methods
    server.serve(target_loader=load, wrap_loader=False)


class _Server(Server):  # type: ignore[misc, valid-type]  # Granian picks its class at import
    """Granian's server, which goes on replacing a worker that dies again and again.

    Granian takes two deaths of one worker within six seconds for a loop and ends the whole service. Here the next worker is made
    a little later each time instead, while the others serve. Only a service that has never answered is ended: it cannot start.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.answered = threading.Event()
        self._backoff = Backoff()

    def _respawn_workers(
        self, workers: Any, spawn_target: Any, target_loader: Any, delay: float = 0
    ) -> None:
        end = time.monotonic() + self._backoff.delay(time.monotonic())
        while not self.interrupt_signal and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        if self.interrupt_signal:
            return
        super()._respawn_workers(workers, spawn_target, target_loader, delay)
        if self.answered.is_set():
            self.respawned_wrks.clear()  # else the next death of one of these is taken for a loop


class Backoff:
    """How long to wait before a worker is replaced: not at all at first, then longer with each death that follows closely."""

    def __init__(self) -> None:
        self._last = -_CALM_SECONDS
        self._wait = 0.0

    def delay(self, now: float) -> float:
        """Seconds to wait for a death at this moment of a monotonic clock."""
        quick = now - self._last < _CALM_SECONDS
        self._wait = min(max(_FIRST_WAIT, self._wait * 2), _LONGEST_WAIT) if quick else 0.0
        self._last = now + self._wait
        return self._wait


def check_address(settings: Settings) -> None:
    """Listen for a moment: of an address that is taken, Granian says only that it panicked. Raises OSError."""
    found = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
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


def _load(settings: Settings, stopping: Any, parent: int, *_: object) -> RsgiWorker:
    return RsgiWorker(settings, lambda: bool(stopping.value), parent)


def _announce(settings: Settings, ready: str, answered: threading.Event) -> None:
    """Print the line and set answered once a request is answered. It sleeps first, while Granian forks its workers."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 (compared, not bound)
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
    answered.set()
    with contextlib.suppress(BrokenPipeError):  # nobody reads it; the service goes on
        sys.stdout.write(ready + "\n")
        sys.stdout.flush()
