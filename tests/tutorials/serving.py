"""The server that the reader of a tutorial starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import Server


@contextmanager
def serving(folder: Path, port: int | None = None) -> Iterator[Server]:
    """Start `muster serve --first-key` on an empty database; `greeting` has what it prints.

    Args:
        folder: The folder of the database.
        port: The port; None for a free one.
    """
    options = {"MUSTER_WEBHOOKS_PRIVATE": "true"}
    module = "tests.support.cheap_muster"
    server = Server(folder, "--first-key", module=module, **options)
    if port is not None:
        server.port, server.url = port, f"http://127.0.0.1:{port}"
        server.environment["MUSTER_PORT"] = str(port)
    with server:
        server.greeting = list(server.lines)
        while "/first?token=" not in server.greeting[-1]:
            server.greeting.append(server.process.stdout.readline())
        yield server
