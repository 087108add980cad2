"""`muster serve`."""

import contextlib
import errno
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from muster.access.permissions import SCIM
from muster.cli.database import local_tables_warning
from muster.cli.options import setting_options
from muster.cli.output import warn
from muster.cli.session import CommandError, load_settings, run, workspace_of
from muster.config import Settings
from muster.storage.port.engine import Storage

_PRIVILEGED = 1024
_UNENCRYPTED = {
    True: "the secrets in the database are not encrypted. When every replica has this version, run"
    " muster secrets rotate",
    False: "MUSTER_SECRET_KEY is not set, so the secrets in the database are not encrypted. Set it,"
    " the same for every replica (openssl rand -base64 32), and run muster secrets rotate",
}
"""The warnings, by whether there is a key to encrypt with."""
_EXAMPLES = """Examples:
  muster serve --first-key
  muster serve --host 0.0.0.0 --workers 2 --base-url https://scim.example.com
  muster serve --database postgresql://muster@db.example.com/muster

SIGTERM finishes the requests in progress and exits with 0."""

app = App(name="serve", help="Run the service over HTTP.", help_epilogue=_EXAMPLES)


@app.default
@setting_options(Settings.model_fields)
def serve(
    *,
    first_key: Annotated[
        bool,
        Parameter(
            negative=(),
            help="If there is none yet, print a first API key (Admin role) and a link that"
            " creates the first administrator.",
        ),
    ] = False,
    **flags: object,
) -> None:
    """Run the service over HTTP until SIGTERM or Ctrl-C.

    The base URL is printed when the service answers. Each option can also be
    set by its variable or in ./muster.toml. An option overrides the variable,
    and the variable overrides the file.
    """
    settings = load_settings(**flags)
    with tempfile.TemporaryDirectory(prefix="muster-metrics-") as folder:
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read as muster.serving is imported
        from muster.serving import server

        with _listening(settings):
            server.check_address(
                settings
            )  # before a first key is made, which nobody would ever see
        first = run(settings, lambda storage: _first(storage, settings, first_key))
        with _listening(settings):
            server.serve(settings, "\n".join(_greeting(settings, *first, first_key)))


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[None]:
    """Turn an error of the address to listen on into one that says which option to change."""
    try:
        yield
    except OSError as error:
        raise CommandError(_refused(error, settings)) from None


def _refused(error: OSError, settings: Settings) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {settings.port} is in use; choose another with --port or MUSTER_PORT"
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.EACCES and settings.port < _PRIVILEGED:
        return (
            f"cannot listen on port {settings.port}: {reason}. Ports below {_PRIVILEGED} need"
            f" root or"
            " CAP_NET_BIND_SERVICE; choose another with --port"
        )
    return (
        f"cannot listen on {settings.host} port {settings.port}: {reason}; choose another"
        f" with --host or --port"
    )


async def _first(
    storage: Storage, settings: Settings, wanted: bool
) -> tuple[str | None, str | None]:
    """Return the first API key and the first invitation; None for one that exists."""
    from muster.access.administrators import Administrators
    from muster.access.first_run import first_invitation, first_key
    from muster.access.keys import Keys
    from muster.storage.engines import DEFAULT_WORKSPACE, undistributed
    from muster.upkeep.secrets import is_unencrypted

    await storage.signing_secret()  # now, instead of an error at the first request
    if await is_unencrypted(storage):
        sys.stderr.write(f"muster: {_UNENCRYPTED[storage.vault.usable]}\n")
    if left := await undistributed(settings):
        warn(local_tables_warning(left))
    workspace = await workspace_of(storage, DEFAULT_WORKSPACE, settings)
    if not wanted:
        return None, None
    token = await first_key(storage, Keys(storage), workspace)
    return token, await first_invitation(storage, Administrators(storage))


def _greeting(
    settings: Settings, token: str | None, invitation: str | None, wanted: bool
) -> list[str]:
    """The lines that are printed when the service answers."""
    base = settings.public_url
    lines = [f"muster serves SCIM at {base}/scim/v2"]
    if token is not None:
        lines += [
            "",
            "Your first API key. Copy it now; it will not be shown again:",
            f"  {token}",
            "This key may do everything. Create one for an identity provider with:",
            f'  {program()} keys create --name NAME --permission "{SCIM}"',
            "",
            "Try it:",
            f'  curl -s -H "Authorization: Bearer {token}" "{base}/scim/v2/Users?count=10"',
            "",
        ]
    elif wanted:
        lines += [
            "An API key exists already. Create one for an identity provider with:",
            f'  {program()} keys create --name NAME --permission "{SCIM}"',
        ]
    if invitation is not None:
        lines += [
            "Create the first administrator of the console (this link works once and expires"
            " in one hour):",
            f"  {base}/first?token={invitation}",
            "",
        ]
    elif wanted:
        lines += [f"Invite another administrator with: {program()} admins invite"]
    return lines


def program() -> str:
    """The command that started this process, quoted for a shell."""
    started = Path(sys.argv[0])
    return shlex.quote(str(started)) if started.name == "muster" else "python -m muster"
