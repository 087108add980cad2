"""Ports for servers that tests start, and start again."""

import random
import socket

_TRIED = 100


def free_port() -> int:
    """A port that no one listens on, below those that the kernel lends to clients: none takes it while its server is down."""
    for _ in range(_TRIED):
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
