"""`muster demo`."""

from typing import Annotated

from cyclopts import App, Parameter

from muster.base import clock
from muster.cli.options import POSITIVE, Database, integer
from muster.cli.output import Json, progress, write, write_json
from muster.cli.serve import program
from muster.cli.session import load_settings, run
from muster.storage.port.engine import Storage

app = App(
    name="demo",
    help="Fill a workspace with made-up users.",
    help_epilogue="Examples:\n  muster demo\n  muster demo --workspace acme --users 10000",
)


@app.default
def demo(
    *,
    workspace: Annotated[
        str, Parameter(metavar="NAME", help="The workspace; it is created if it does not exist.")
    ] = "demo",
    users: Annotated[
        int, Parameter(converter=POSITIVE, metavar="N", help="The number of users to create.")
    ] = 1000,
    seed: Annotated[
        int, Parameter(converter=integer, metavar="N", help="The same seed creates the same users.")
    ] = 1,
    json: Json = False,
    database: Database = None,
) -> None:
    """Fill a workspace with made-up users, to try muster out."""
    from muster.cli.people import fill

    settings = load_settings(database=database)

    async def work(storage: Storage) -> None:
        place = await storage.find_workspace(workspace)
        if place is None:
            now = clock.now().isoformat()
            place = await storage.add_workspace(
                workspace, settings.contract, strict=False, time=now
            )
        with progress(f"Creating users in {workspace}", users) as advance:
            await fill(storage, place, users, seed, advance)

    run(settings, work)
    if json:
        write_json({"workspace": workspace, "created": users})
        return
    write(f"Created {users} users in workspace {workspace!r}")
    write(
        f"Create an API key for it with: {program()} keys create --workspace {workspace}"
        f" --name NAME"
    )
