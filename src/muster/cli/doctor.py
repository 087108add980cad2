"""`muster doctor`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from muster.cli.options import Database, WorkspaceName
from muster.cli.output import Json, progress, warn, write, write_json, write_table
from muster.cli.session import load_settings, run, workspace_of
from muster.storage.port.engine import Storage

if TYPE_CHECKING:
    from muster.access.origins import Origins
    from muster.insight.doctor import Finding, Findings
    from muster.insight.resolutions import Examination

_Resolved = Annotated[
    bool, Parameter(negative=(), help="Report the findings that are marked as resolved too.")
]
_HEALTHY = "No problems found: the recorded requests follow the SCIM standard, and none failed."
app = App(
    name="doctor",
    help="Report non-standard and failed requests, with advice.",
    help_epilogue="Examples:\n  muster doctor --workspace acme\n  muster doctor --json | jq -r"
    " '.[].advice'",
)


@dataclass(frozen=True, slots=True)
class _Problem:
    """One line of the report.

    Attributes:
        connection: The id of the client's connection; None if it is unknown.
        request: The number of the latest request that shows the problem.
    """

    client: str
    connection: str | None
    problem: str
    count: int
    advice: str
    request: int


@app.default
def doctor(
    *,
    workspace: WorkspaceName = "default",
    resolved: _Resolved = False,
    json: Json = False,
    database: Database = None,
) -> None:
    """Report the non-standard and the failed requests of each client, with advice."""
    from muster.access.connections import all_connections
    from muster.access.origins import CredentialOrigins
    from muster.insight.resolutions import Doctor

    settings = load_settings(database=database)

    async def work(storage: Storage) -> "tuple[Examination, Origins, dict[str, str]]":
        place = await workspace_of(storage, workspace, settings)
        origins = await CredentialOrigins(storage).of(place.id)
        names = {one.id: one.name for one in await all_connections(storage, place.id)}
        with progress("Examining requests") as advance:
            return await Doctor(storage).examine(place.id, advance), origins, names

    examined, origins, names = run(settings, work, existing=True)
    problems = list(_problems(examined.open, origins))
    if resolved:
        problems += _problems(examined.resolved, origins)
    elif examined.marks:
        count = len(examined.marks)
        noun = "finding is" if count == 1 else "findings are"
        warn(f"{count:,} resolved {noun} not listed; --resolved lists them too.")
    if json:
        write_json([_as_json(problem) for problem in problems])
    elif problems:
        rows = [
            (
                item.client,
                names.get(item.connection or "", item.connection or "unknown"),
                item.problem,
                f"{item.count} times",
                item.advice,
            )
            for item in problems
        ]
        write_table(("Client", "Connection", "Problem", "Count", "Advice"), rows, _HEALTHY)
    else:
        write(_HEALTHY)


def _problems(findings: "Findings", origins: "Origins") -> Iterator[_Problem]:
    from muster.insight.doctor import LOST_FIX

    def client(found: "Finding") -> tuple[str, str | None]:
        return found.key, origins.of_credential(found.key_id)

    for shown in findings.shown:
        problem, advice = f"sends {shown.quirk.sends}", shown.quirk.means
        yield _Problem(*client(shown), problem, shown.count, advice, shown.latest)
    for refusal in findings.refusals:
        problem = f"{refusal.operation} {refusal.status}"
        yield _Problem(*client(refusal), problem, refusal.count, refusal.fix, refusal.latest)
    for lost in findings.lost:
        problem = f"tries to create {lost.name} again"
        yield _Problem(*client(lost), problem, lost.count, LOST_FIX, lost.latest)


def _as_json(problem: _Problem) -> dict[str, object]:
    return {
        "client": problem.client,
        "connection": problem.connection,
        "problem": problem.problem,
        "count": problem.count,
        "advice": problem.advice,
        "latestRequest": problem.request,
    }
