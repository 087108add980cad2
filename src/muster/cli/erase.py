"""`muster erase`."""

from typing import Annotated

from cyclopts import App, Parameter

from muster.cli.options import Database, WorkspaceName
from muster.cli.output import Json, write, write_json
from muster.cli.session import CommandError, load_settings, run, workspace_of
from muster.storage.port.engine import Storage

app = App(
    name="erase",
    help="Erase a deleted person from the history and the request log.",
    help_epilogue="""Examples:
  muster erase 0193591c-1f00-7b5d-a1b2-3c4d5e6f7081 --workspace acme --rehearse
  muster erase 0193591c-1f00-7b5d-a1b2-3c4d5e6f7081 --workspace acme""",
)


@app.default
def erase(
    resource: Annotated[str, Parameter(name="ID", help="The id of the deleted user or group.")],
    /,
    *,
    workspace: WorkspaceName = "default",
    rehearse: Annotated[
        bool, Parameter(negative=(), help="Count the rows, and erase nothing.")
    ] = False,
    json: Json = False,
    database: Database = None,
) -> None:
    """Erase a deleted user or group from the history and the request log.

    The history is also the feed and the audit log. Its chain stays
    verifiable: the audit log records the erasure, with the hashes of the
    erased rows. It cannot be undone. Backups are not changed.
    """
    from muster.upkeep.erasure import CannotErase, Erased, erase

    settings = load_settings(database=database)

    async def work(storage: Storage) -> Erased:
        place = await workspace_of(storage, workspace, settings)
        try:
            return await erase(storage, place.id, resource, rehearse)
        except CannotErase as error:
            raise CommandError(str(error)) from None

    erased = run(settings, work, existing=True)
    if json:
        write_json({"rehearsal": rehearse, "changes": erased.changes, "requests": erased.requests})
    else:
        said = "would be erased" if rehearse else "erased"
        write(f"{erased.changes} changes and {erased.requests} requests {said}")
