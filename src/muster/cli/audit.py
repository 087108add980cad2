"""`muster audit verify`."""

from cyclopts import App

from muster.cli.options import Database
from muster.cli.output import Json, write, write_json
from muster.cli.session import load_settings, run
from muster.storage.port.engine import Storage

app = App(
    name="audit", help="Verify the audit log.", help_epilogue="Examples:\n  muster audit verify"
)


@app.command(
    help_epilogue="""Examples:
  muster audit verify
  muster audit verify --json | jq .breaks

Exits with 1 if a chain breaks."""
)
def verify(*, json: Json = False, database: Database = None) -> int:
    """Verify the chain of hashes in the audit log of every workspace.

    The chain cannot show that the newest rows were cut off: store the last
    hash elsewhere if that matters.
    """
    from muster.upkeep.audit_verification import Verification, verify

    settings = load_settings(database=database)
    breaks: list[str] = []

    def say(line: str) -> None:
        breaks.append(line)
        if not json:
            write(line)

    async def work(storage: Storage) -> Verification:
        return await verify(storage, say)

    found = run(settings, work, existing=True)
    if json:
        write_json(
            {
                "rows": found.rows,
                "unlinked": found.unlinked,
                "broken": found.broken,
                "breaks": breaks,
            }
        )
    else:
        before = f", {found.unlinked} from before the chain began" if found.unlinked else ""
        write(f"{found.rows} rows are linked{before}; {found.broken} breaks")
    return 1 if found.broken else 0
