"""Findings of the doctor that an administrator has marked as resolved.

A resolved finding is hidden until it occurs again: its mark holds the number of the latest request
that showed it, and a later one makes the finding open again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from muster.access.audit_notes import Administrator
from muster.base import clock
from muster.insight.doctor import Finding, Findings, examine
from muster.scim.errors import not_found
from muster.storage.port.engine import Storage
from muster.storage.port.items import Item
from muster.storage.port.resources import RESOLVED_KIND
from muster.storage.records.request_figures import RequestFigures

_REMEMBERED = 200
"""The most workspaces whose findings are remembered."""
_LONG = 2000
"""The number of recorded requests from which a log is long."""
_KEPT_SECONDS = 60


class _Known(NamedTuple):
    """The findings of an examination.

    Attributes:
        latest: The number of the latest request that it read.
        time: The time of the examination, in seconds since 1970.
        findings: The findings.
    """

    latest: int
    time: float
    findings: Findings


@dataclass(frozen=True, slots=True)
class Resolution:
    """The mark of a resolved finding.

    Attributes:
        latest: The number of the latest request that showed the finding.
        time: The time at which it was resolved.
        actor: Who resolved it, as the audit log names them.
    """

    latest: int
    time: str
    actor: str


@dataclass(frozen=True, slots=True)
class Examination:
    """The findings of a workspace.

    Attributes:
        open: The findings that are not resolved, or that occurred again since.
        resolved: The others.
        marks: The marks of the resolved findings, by the id of the finding.
    """

    open: Findings
    resolved: Findings
    marks: dict[str, Resolution]


class Doctor:
    """Examines workspaces, and marks findings as resolved."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._figures = RequestFigures(storage)
        self._known: dict[int, _Known] = {}

    async def examine(self, workspace: int) -> Examination:
        """Examine the recorded requests of a workspace."""
        found = await examine(self._storage, workspace)
        return await self._divide(workspace, found)

    async def open_findings(self, workspace: int) -> Findings:
        """Return the findings that are not resolved.

        An examination reads the whole request log, so it is repeated only if requests were recorded
        since the last one, and that of a long log at most once a minute.
        """
        number, latest = await self._figures.extent(workspace)
        now, known = clock.seconds(), self._known.get(workspace)
        recent = known is not None and number > _LONG and now - known.time < _KEPT_SECONDS
        if known is None or (known.latest != latest and not recent):
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = _Known(latest, now, await examine(self._storage, workspace))
            self._known[workspace] = known
        return (await self._divide(workspace, known.findings)).open

    async def _divide(self, workspace: int, found: Findings) -> Examination:
        marks = {item.id: Resolution(**item.body) for item in await self._items(workspace)}

        def is_resolved(finding: Finding) -> bool:
            mark = marks.get(finding.id)
            return mark is not None and finding.latest <= mark.latest

        resolved = found.only(is_resolved)
        shown = {finding.id: marks[finding.id] for finding in resolved}
        return Examination(found.only(lambda item: item.id not in shown), resolved, shown)

    async def _items(self, workspace: int) -> Sequence[Item]:
        return await self._storage.items(workspace, RESOLVED_KIND)

    async def resolve(self, by: Administrator, finding_id: str) -> Finding:
        """Mark a finding as resolved.

        Marks of findings whose requests are no longer recorded are removed with it.

        Raises:
            ScimError: 404 if there is no open finding with this id.
        """
        workspace = by.workspace.id
        found = await examine(self._storage, workspace)
        open_findings = (await self._divide(workspace, found)).open
        finding = _with_id(open_findings, finding_id)
        body = {"latest": finding.latest, "time": by.origin.time, "actor": by.origin.actor}
        known = {item.id for item in found}
        gone = [
            Item(workspace, RESOLVED_KIND, item.id, None)
            for item in await self._items(workspace)
            if item.id not in known
        ]
        note = by.note("Finding", finding.id, "resolve", key=finding.key, name=finding.title)
        await self._storage.record(
            [note], [Item(workspace, RESOLVED_KIND, finding.id, body), *gone]
        )
        return finding

    async def reopen(self, by: Administrator, finding_id: str) -> Finding:
        """Show a resolved finding again.

        Raises:
            ScimError: 404 if there is no resolved finding with this id.
        """
        finding = _with_id((await self.examine(by.workspace.id)).resolved, finding_id)
        note = by.note("Finding", finding.id, "reopen", key=finding.key, name=finding.title)
        await self._storage.record([note], [Item(by.workspace.id, RESOLVED_KIND, finding.id, None)])
        return finding


def _with_id(found: Findings, finding_id: str) -> Finding:
    for finding in found:
        if finding.id == finding_id:
            return finding
    raise not_found("No such finding. Its requests may no longer be recorded.")
