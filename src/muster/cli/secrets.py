"""`muster secrets`: the encryption of the secrets in the database."""

from cyclopts import App

from muster.cli.options import Database
from muster.cli.output import Json, write, write_json
from muster.cli.session import CommandError, load_settings, run
from muster.config import is_postgres
from muster.storage.port.engine import Storage
from muster.upkeep.secrets import SecretsReport

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
    from muster.storage.engines import vault_of
    from muster.upkeep.secrets import rotate as encrypt

    settings = load_settings(database=database)
    vault = vault_of(settings)
    if not vault.usable:
        where = "PostgreSQL" if is_postgres(settings.database) else "This database"
        raise CommandError(
            f"{where} has no key file: set MUSTER_SECRET_KEY, the same for every replica"
            " (openssl rand -base64 32)"
        )

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
