"""Ports for servers that tests start, and start again."""

import secrets
import socket

_TRIED = 100


def free_port() -> int:
    """Return a port that nobody listens on.

    It is below the ports that the kernel gives to clients, so none takes it while its server is
    down. It is not drawn by `random`, which pytest-randomly seeds alike in every process.
    """
    for _ in range(_TRIED):
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
