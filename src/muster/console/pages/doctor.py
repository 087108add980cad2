"""The doctor in the console: findings, their trends, and marking them as resolved."""

from collections.abc import Iterator

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins
from muster.access.permissions import SCIM, SETTINGS
from muster.base import clock
from muster.base.clock import timestamp
from muster.console.charts import Block, stacked
from muster.console.web import PageRoute, Visit
from muster.http.wire.message import Response
from muster.insight.credentials import credential_names
from muster.insight.doctor import LOST_FIX, TREND_DAYS, Finding, trend
from muster.insight.resolutions import Doctor
from muster.storage.port.accounts import Accounts
from muster.storage.records.requests import day_of, number_of


class DoctorPages:
    """The page of the doctor."""

    def __init__(
        self,
        accounts: Accounts,
        doctor: Doctor,
        connections: Connections,
        origins: CredentialOrigins,
    ) -> None:
        self._accounts = accounts
        self._connections = connections
        self._origins = origins
        self._doctor = doctor

    def __iter__(self) -> Iterator[PageRoute]:
        root = "/w/{workspace}/doctor"
        yield PageRoute("GET", root, SCIM, self.show)
        yield PageRoute("POST", f"{root}/{{id}}/resolve", SETTINGS, self.resolve, (SCIM,))
        yield PageRoute("POST", f"{root}/{{id}}/reopen", SETTINGS, self.reopen, (SCIM,))

    async def show(self, visit: Visit) -> Response:
        workspace, wanted = visit.there().id, visit.text("connection")
        examined = await self._doctor.examine(workspace)
        origins = await self._origins.of(workspace)

        def is_wanted(finding: Finding) -> bool:
            return not wanted or origins.of_credential(finding.key_id) == wanted

        found = examined.open.only(is_wanted)
        resolved = list(examined.resolved.only(is_wanted))
        today = day_of(number_of(clock.seconds()))
        shown = [*found, *resolved]
        return visit.render(
            "doctor.html",
            found=found,
            connections=await self._connections.all(workspace),
            asked=wanted,
            resolved=resolved if visit.text("resolved") else [],
            hidden=len(resolved),
            marks=examined.marks,
            trends={finding.id: _Trend(finding, today) for finding in shown},
            names=await credential_names(self._accounts, visit.there().id),
            fix=LOST_FIX,
            now=timestamp(),
            said=visit.flashed.get("said", ""),
        )

    async def resolve(self, visit: Visit) -> Response:
        """Hide a finding until it occurs again."""
        finding = await self._doctor.resolve(visit.administrator, visit.names["id"])
        said = f"Marked as resolved: {finding.title}. It comes back if it happens again."
        return await visit.redirect_with("./doctor", said=said)

    async def reopen(self, visit: Visit) -> Response:
        """Show a resolved finding again."""
        finding = await self._doctor.reopen(visit.administrator, visit.names["id"])
        return await visit.redirect_with("./doctor", said=f"Open again: {finding.title}.")


class _Trend:
    """How often a finding occurred on each of the last seven days.

    Attributes:
        days: The numbers, the oldest first.
        blocks: The bars of its sparkline.
    """

    def __init__(self, finding: Finding, today: int) -> None:
        self.days = trend(finding, today)
        self.blocks: list[Block] = stacked([("bad", self.days)], max(1, *self.days))

    @property
    def text(self) -> str:
        """The numbers in words."""
        return f"Last {TREND_DAYS} days: {', '.join(f'{number:,}' for number in self.days)}"
