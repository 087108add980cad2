"""A connection is found by its two addresses, and shut down beneath the object that holds it."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys

import pytest

from muster.http.wire.disconnect import disconnect


@contextlib.contextmanager
def connected(host="127.0.0.1", family=socket.AF_INET):
    """A client, and the end of its connection that this process serves."""
    with socket.socket(family) as listening:
        listening.bind((host, 0))
        listening.listen()
        with socket.create_connection(listening.getsockname()[:2]) as client:
            serving, _ = listening.accept()
            client.settimeout(10)
            with serving:
                yield client, serving


def named(name):
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def names(serving):
    return named(serving.getpeername()), named(serving.getsockname())


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_the_connection_is_shut_down_and_no_other(host, family):
    with connected(host, family) as (client, serving), connected(host, family) as (other, third):
        client.sendall(b"asked")
        assert disconnect(*names(serving))
        assert client.recv(10) == b""
        with pytest.raises(BrokenPipeError):
            serving.sendall(b"more")
        third.sendall(b"still here")
        assert other.recv(10) == b"still here"


def test_the_other_direction_between_the_same_addresses_is_not_taken():
    """This process holds the client's end too."""
    with connected() as (client, serving):
        client_end, server_end = names(serving)
        assert disconnect(client_end, server_end)
        assert client.recv(1) == b""
        assert serving.recv(1) == b""


@pytest.mark.parametrize("client", ["127.0.0.1:1", "[::1]:1", "", "nonsense", "unix:/run/x"])
def test_a_connection_that_is_gone_is_not_found(client):
    left, right = socket.socketpair()  # Unix sockets are passed over
    with left, right:
        assert not disconnect(client, "127.0.0.1:8000")


def test_no_descriptor_is_left_open():
    with connected() as (_, serving):
        before = len(os.listdir("/dev/fd"))
        disconnect(*names(serving))
        disconnect("127.0.0.1:1", "127.0.0.1:2")
        assert len(os.listdir("/dev/fd")) == before


WRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
connection.execute("CREATE TABLE written (x)")
connection.close()
"""


@pytest.mark.outside
def test_the_locks_of_the_database_are_kept(tmp_path):
    """To close any descriptor of a file releases the locks that the process has on it."""
    file = tmp_path / "muster.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        disconnect("127.0.0.1:1", "127.0.0.1:2")
        other = subprocess.run(
            [sys.executable, "-c", WRITE, file], capture_output=True, text=True, check=False
        )
        assert "database is locked" in other.stderr
        assert file.with_name("muster.db-wal").exists()


def test_a_file_that_takes_the_number_of_a_socket_is_not_closed(tmp_path, monkeypatch):
    """Another thread may close a socket and open a file before the descriptor is duplicated."""
    duplicate, left_open = os.dup, []
    with (tmp_path / "file").open("w") as file, connected() as (_, serving):
        socket_number, file_number = serving.fileno(), file.fileno()

        def overtaken(descriptor):
            if descriptor != socket_number:
                return duplicate(descriptor)
            left_open.append(duplicate(file_number))
            return left_open[0]

        monkeypatch.setattr(os, "dup", overtaken)
        assert not disconnect(*names(serving))
        os.close(*left_open)  # an error if it has been closed
