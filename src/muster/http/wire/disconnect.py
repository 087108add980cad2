"""Breaks off a connection that Granian holds, by its addresses.

Granian has no call that aborts a response. If the handler of a streamed response raises, Granian
ends the body properly, and the client takes the part it received for the whole. The sockets are
file descriptors of this process, however, so the connection can be shut down beneath Granian.
"""

import contextlib
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator
from typing import Any

_DESCRIPTORS = "/dev/fd"
"""The open file descriptors of this process, on Linux and macOS."""


def disconnect(client: str, server: str) -> bool:
    """Shut down the connection between two addresses, both ways.

    The other responses of an HTTP/2 connection are broken off too.

    Args:
        client: The address and port of the peer, such as `10.0.0.1:5000` or `[::1]:5000`.
        server: The address and port of this end.

    Returns:
        Whether the connection was found; otherwise the client has closed it already.
    """
    wanted = _address(client), _address(server)
    for connection in _sockets():
        with connection, contextlib.suppress(OSError):  # listening, or closed by the peer
            if (_end(connection.getpeername()), _end(connection.getsockname())) == wanted:
                connection.shutdown(socket.SHUT_RDWR)
                return True
    return False


def _sockets() -> Iterator[socket.socket]:
    """Yield a duplicate of each socket of this process, so that it cannot be closed meanwhile.

    Other descriptors are not duplicated: to close a duplicate of a file releases all locks that
    this process has on the file (POSIX). Another process would then take the database for unused.
    """
    for name in os.listdir(_DESCRIPTORS):
        try:
            if not _is_socket(int(name)):
                continue
            copy = os.dup(int(name))
        except OSError:  # closed meanwhile
            continue
        # Another thread may have closed the socket and opened a file under its number since. The
        # duplicate of a file is left open, as its locks matter more than a descriptor.
        if _is_socket(copy):
            yield socket.socket(fileno=copy)


def _is_socket(descriptor: int) -> bool:
    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)


def _address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    try:
        return _end((host.strip("[]"), int(port)))
    except ValueError:
        return None


def _end(name: Any) -> tuple[str, int] | None:
    """Return host and port of a socket's name, the host in its canonical form without a scope."""
    if not isinstance(name, tuple):  # a Unix socket
        return None
    host, port = name[:2]
    return str(ipaddress.ip_address(host.partition("%")[0])), port
