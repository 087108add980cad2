"""`muster serve`: runs Granian with its worker processes, and announces readiness."""

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
"""After so many seconds without a death, the next dead worker is replaced at once."""
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 10.0
"""The shortest and the longest wait before a worker that died is replaced."""
_CONNECTIONS = 16_384
"""The connections that a worker accepts.

By default Granian stops accepting at the length of its backlog, and idle connections count.
"""
_HEADER_MILLISECONDS = 10_000
"""The longest time for the head of a request to arrive."""


def serve(settings: Settings, ready: str) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in progress.

    Args:
        ready: Printed once the service answers.

    Raises:
        OSError: The address cannot be listened on.
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
    # A worker that has not set its own handler yet has no request to finish.
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    announce = threading.Thread(
        target=_announce, args=(settings, ready, server.answered), daemon=True
    )
    server.on_startup(announce.start)
    load: Any = functools.partial(
        _load, settings, stopping, os.getpid()
    )  # Granian takes any object with the RSGI methods
    server.serve(target_loader=load, wrap_loader=False)


class _Server(Server):  # type: ignore[misc, valid-type]  # Granian picks its class at import
    """Granian's server, which keeps replacing workers that die repeatedly.

    Granian ends the whole service if one worker dies twice within six seconds. Here each further
    replacement waits a little longer instead, while the other workers serve. Only a service that
    has never answered is ended, because it cannot start.
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
            self.respawned_wrks.clear()  # otherwise Granian takes the next death for a loop

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers. A service that was told to stop has succeeded.

        Granian exits with status 1 if a worker ends before it is told to by its parent: if it
        dies just then, or if the signal went to every process, as systemd sends it.
        """
        try:
            super().shutdown(exit_code)
        except SystemExit:
            if exit_code or not self.interrupt_signal:
                raise


class Backoff:
    """Computes the wait before a dead worker is replaced.

    The first replacement is immediate; each death that follows closely doubles the wait.
    """

    def __init__(self) -> None:
        self._last = -_CALM_SECONDS
        self._wait = 0.0

    def delay(self, now: float) -> float:
        """Return the seconds to wait for a death at a moment of a monotonic clock."""
        quick = now - self._last < _CALM_SECONDS
        self._wait = min(max(_FIRST_WAIT, self._wait * 2), _LONGEST_WAIT) if quick else 0.0
        self._last = now + self._wait
        return self._wait


def check_address(settings: Settings) -> None:
    """Listen on the address for a moment, to report an error properly.

    If an address is in use, Granian reports only a panic.

    Raises:
        OSError: The address cannot be listened on.
    """
    found = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen()


def _draining(server: Any, stopping: Any, delay: float) -> Callable[[int, object], None]:
    """Return the handler of SIGTERM.

    It makes /readyz return 503 and closes connections after their current answer, so that a load
    balancer sends no more requests. After a delay the server stops. A second SIGTERM stops it at
    once.
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
    """Print the line once a request is answered, and set `answered`.

    It sleeps first, because Granian is forking its workers.
    """
    every = settings.host in ("0.0.0.0", "::")  # noqa: S104 (compared, not bound)
    host = "127.0.0.1" if every else settings.host
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
    with contextlib.suppress(BrokenPipeError):  # nobody reads the output; serve anyway
        sys.stdout.write(ready + "\n")
        sys.stdout.flush()
