"""A `muster` for the blocks of a page that runs in the process of the tests.

Starting the real one takes most of a second of a core. `muster serve` starts the real one.
"""

import json
import socket
import sys
import threading
from pathlib import Path

from tests.support.commands import run_here
from tests.support.in_process import InProcessServer

_PROGRAM = """#!{python} -IS
import json, os, socket, sys
if sys.argv[1:2] == ["serve"]:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
typed = "" if os.path.samestat(os.fstat(0), os.stat("/dev/null")) else sys.stdin.read()
with socket.socket(socket.AF_UNIX) as call:
    call.connect({address!r})
    call.sendall(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ), typed]).encode())
    call.shutdown(socket.SHUT_WR)
    code, out, err = json.load(call.makefile())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


class CommandServer:
    """Runs the commands of a page, one after the other.

    Attributes:
        folder: The folder with the program.
    """

    def __init__(self, server: InProcessServer, folder: Path) -> None:
        self.folder = folder / "bin"
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._address = str(folder / "commands")

    def __enter__(self) -> "CommandServer":
        self.folder.mkdir()
        program = self.folder / "muster"
        real = str(Path(sys.executable).with_name("muster"))
        program.write_text(_PROGRAM.format(python=sys.executable, real=real, address=self._address))
        program.chmod(0o755)
        self._listener.bind(self._address)
        self._listener.listen()
        threading.Thread(target=self._answer, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _answer(self) -> None:
        while True:
            try:
                call, _ = self._listener.accept()
            except OSError:
                return
            with call, call.makefile("rw") as stream:
                arguments, folder, environment, typed = json.load(stream)
                given = {**self._server.environment, **environment}
                done = run_here(tuple(arguments), given, Path(folder), False, typed)
                json.dump([done.returncode, done.stdout, done.stderr], stream)
