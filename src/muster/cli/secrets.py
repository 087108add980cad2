"""`muster secrets`: the encryption of the secrets in the database."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from muster.base.clock import timestamp
from muster.base.vault import Vault
from muster.cli.options import Database
from muster.cli.output import Json, write, write_json
from muster.cli.session import CommandError, UsageError, load_settings, run
from muster.config import Settings, is_postgres
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Storage
from muster.upkeep.secrets import ResetReport, SecretsReport

_LOSSES = "api-keys"

app = App(
    name="secrets",
    help="Show and replace the key that the secrets in the database are encrypted with.",
    help_epilogue="Examples:\n  muster secrets status\n  muster secrets rotate",
)


@app.command(help_epilogue="Examples:\n  muster secrets status --json")
def status(*, json: Json = False, database: Database = None) -> None:
    """Show which keys the secrets in the database are encrypted with."""
    from muster.upkeep.secrets import survey

    async def work(storage: Storage) -> SecretsReport:
        return await survey(storage)

    report = run(load_settings(database=database), work, existing=True)
    if json:
        write_json({"keys": dict(report.keys), "unencrypted": report.unencrypted})
        return
    for key, number in sorted(report.keys.items()):
        write(f"{number} encrypted with the key {key}")
    if report.unencrypted:
        write(f"{report.unencrypted} not encrypted; see muster secrets rotate --help")


@app.command(help_epilogue="Examples:\n  muster secrets rotate")
def rotate(*, json: Json = False, database: Database = None) -> None:
    """Encrypt all secrets with another key, while the service runs.

    With MUSTER_SECRET_KEY, its first key encrypts: give every replica the new
    key and the former one, separated by a comma, before you run this. Without
    it, a new key is added to the key file beside the SQLite database.

    Run it only when every replica has a version with this command: former
    versions cannot read encrypted secrets.
    """
    from muster.upkeep.secrets import rotate as encrypt

    settings = load_settings(database=database)
    vault = _usable_vault(settings)

    async def work(storage: Storage) -> int:
        await storage.signing_secret()  # before a key is made that would not help
        if settings.secret_key is None:
            storage.vault.add_key()
        return await encrypt(storage, storage.vault)

    number = run(settings, work, existing=True)
    key, origin = vault.key_id(), vault.origin
    if json:
        write_json({"encrypted": number, "key": key, "origin": origin})
    else:
        write(f"{number} secrets encrypted with the key {key} of {origin}")


@app.command(help_epilogue=f"Examples:\n  muster secrets reset --confirm {_LOSSES}")
def reset(
    *,
    confirm: Annotated[
        str, Parameter(metavar=_LOSSES.upper(), help=f"{_LOSSES}, to confirm that they are lost.")
    ],
    json: Json = False,
    database: Database = None,
) -> None:
    """Start anew after the key of the secrets is lost for good. Stop the service first.

    Users, groups, settings and logs stay. All API keys are revoked. The client
    secrets of Open ID Connectors and the authenticator apps of administrators
    are removed, and webhooks sign with new secrets.
    """
    from muster.upkeep.secrets import reset as give_up

    if confirm != _LOSSES:
        raise UsageError(f"--confirm: expected {_LOSSES!r}, because they are lost")
    settings = load_settings(database=database)
    _usable_vault(settings)

    async def work(storage: Storage) -> ResetReport | None:
        origin = ChangeOrigin("command", "", timestamp())
        return await give_up(storage, storage.vault, origin)

    report = run(settings, work, existing=True)
    if report is None:
        raise CommandError("the key of the secrets is known, so nothing is lost")
    if json:
        write_json(
            {
                "keys": report.keys,
                "connectors": report.connectors,
                "administrators": report.administrators,
            }
        )
        return
    write(
        f"{report.keys} API keys revoked; {report.connectors} Open ID Connectors without client"
        f" secret; {report.administrators} authenticator apps removed"
    )
    sys.stderr.write(
        "muster: create new API keys, enter the client secrets again, and copy the new secrets of"
        " the webhooks\n"
    )


def _usable_vault(settings: Settings) -> Vault:
    """Return the vault of the settings.

    Raises:
        CommandError: There is no key to encrypt with.
    """
    from muster.storage.engines import vault_of

    vault = vault_of(settings)
    if not vault.usable:
        where = "PostgreSQL" if is_postgres(settings.database) else "This database"
        raise CommandError(
            f"{where} has no key file: set MUSTER_SECRET_KEY, the same for every replica"
            " (openssl rand -base64 32)"
        )
    return vault
