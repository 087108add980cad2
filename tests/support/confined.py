"""Serves as a container of deploy/ does: not root, without capabilities, on a read-only file system.

`python -m tests.support.confined PORT` is started by `run` in a mount namespace of its own. It serves,
creates a key by the command that the files in deploy/ name, reads with it, stops the service, and
prints the outcome as JSON.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

UID = 10001
_PLACE = "/mnt"
"""A folder that every system has; in the namespace, it is the only one that can be written."""
_TRIES = 300


def run(port: int) -> dict:
    """Serve in confinement, and return the outcome.

    Raises:
        subprocess.CalledProcessError: It could not be confined, or did not serve.
    """
    root = Path(__file__).parents[2]
    script = f"""
    set -e
    mount -t tmpfs -o mode=0755 none {_PLACE}
    mkdir {_PLACE}/data {_PLACE}/tmp
    chown {UID}:{UID} {_PLACE}/data {_PLACE}/tmp
    {_show([Path(sys.base_prefix), root])}
    mount -o remount,bind,ro /
    cd {_PLACE}/data
    exec setpriv --reuid {UID} --regid {UID} --clear-groups --no-new-privs --bounding-set=-all \
        --inh-caps=-all "$@"
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(root),
        "TMPDIR": f"{_PLACE}/tmp",
        "MUSTER_DATABASE": f"sqlite:///{_PLACE}/data/muster.db",
        "MUSTER_PORT": str(port),
        "MUSTER_DRAIN_DELAY": "0",
    }
    command = ["unshare", "--mount", "bash", "-c", script, "confined"]
    command += [sys.executable, "-m", "tests.support.confined", str(port)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _show(folders: list[Path]) -> str:
    """Return commands that let another user reach folders in a home that only root may enter.

    Each such folder is bound to another place, its home is covered, and it is bound to its own
    place again.
    """
    keep, cover, bring = [], {}, []
    for number, folder in enumerate(folders):
        hidden = [each for each in folder.parents if not each.stat().st_mode & 0o001]
        if hidden:
            path, kept = shlex.quote(str(folder)), f"{_PLACE}/kept-{number}"
            keep.append(f"mkdir {kept}; mount --bind {path} {kept}")
            cover[hidden[-1]] = f"mount -t tmpfs -o mode=0755 none {shlex.quote(str(hidden[-1]))}"
            bring.append(f"mkdir -p {path}; mount --bind {kept} {path}")
    return "\n".join([*keep, *cover.values(), *bring])


def main() -> None:
    port = int(sys.argv[1])
    served = subprocess.Popen([sys.executable, "-m", "muster", "serve"], stdout=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/readyz")
        created = subprocess.run(
            [sys.executable, "-m", "muster", "keys", "create", "--name", "first", "--admin"],
            check=True,
            capture_output=True,
            text=True,
        )
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/scim/v2/Users",
            headers={"Authorization": f"Bearer {created.stdout.strip()}"},
        )
        with urllib.request.urlopen(request) as answer:
            listed = json.load(answer)
    finally:
        served.send_signal(signal.SIGTERM)
    outcome = {
        "uid": os.getuid(),
        "capabilities": _status("CapEff"),
        "writable": [place for place in ("/", "/etc", "/usr", "/var", "/mnt") if _writable(place)],
        "total": listed["totalResults"],
        "files": sorted(path.name for path in Path().iterdir()),
        "exit": served.wait(60),
    }
    print(json.dumps(outcome))


def _wait(url: str) -> None:
    for _ in range(_TRIES):
        try:
            urllib.request.urlopen(url).close()
            return
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def _writable(place: str) -> bool:
    try:
        (Path(place) / "muster-wrote-this").touch()
    except OSError:
        return False
    return True


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
