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
    from muster.insight.doctor import Findings
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
    """One line of the report. request: the number of the latest request that shows the problem."""

    client: str
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
    from muster.insight.resolutions import Doctor

    settings = load_settings(database=database)

    async def work(storage: Storage) -> "Examination":
        place = await workspace_of(storage, workspace, settings)
        with progress("Examining requests") as advance:
            return await Doctor(storage).examine(place.id, advance)

    examined = run(settings, work, existing=True)
    problems = list(_problems(examined.open))
    if resolved:
        problems += _problems(examined.resolved)
    elif examined.marks:
        count = len(examined.marks)
        noun = "finding is" if count == 1 else "findings are"
        warn(f"{count:,} resolved {noun} not listed; --resolved lists them too.")
    if json:
        write_json([_as_json(problem) for problem in problems])
    elif problems:
        rows = [
            (item.client, item.problem, f"{item.count} times", item.advice) for item in problems
        ]
        write_table(("Client", "Problem", "Count", "Advice"), rows, _HEALTHY)
    else:
        write(_HEALTHY)


def _problems(findings: "Findings") -> Iterator[_Problem]:
    from muster.insight.doctor import LOST_FIX

    for shown in findings.shown:
        problem, advice = f"sends {shown.quirk.sends}", shown.quirk.means
        yield _Problem(shown.key, problem, shown.count, advice, shown.latest)
    for refusal in findings.refusals:
        problem = f"{refusal.operation} {refusal.status}"
        yield _Problem(refusal.key, problem, refusal.count, refusal.fix, refusal.latest)
    for lost in findings.lost:
        problem = f"tries to create {lost.name} again"
        yield _Problem(lost.key, problem, lost.count, LOST_FIX, lost.latest)


def _as_json(problem: _Problem) -> dict[str, object]:
    return {
        "client": problem.client,
        "problem": problem.problem,
        "count": problem.count,
        "advice": problem.advice,
        "latestRequest": problem.request,
    }
