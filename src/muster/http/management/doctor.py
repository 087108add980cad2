"""/api/v1/doctor."""

from collections.abc import Iterator

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins, Origins
from muster.access.permissions import SCIM, SETTINGS
from muster.base import clock
from muster.http.management.models.doctor import DoctorAnswer, FindingState, GetDoctor
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.insight.doctor import Finding, trend
from muster.insight.resolutions import Doctor, Examination
from muster.storage.records.requests import day_of, number_of


class DoctorRoutes:
    """The findings of the doctor."""

    def __init__(
        self, doctor: Doctor, connections: Connections, origins: CredentialOrigins
    ) -> None:
        self._doctor = doctor
        self._connections = connections
        self._origins = origins

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/doctor",
            SCIM,
            self.get_doctor,
            "Retrieve deviations of clients from the RFCs, and the requests that were refused",
            query=GetDoctor,
            answer=DoctorAnswer,
        )
        yield ApiRoute(
            "POST",
            "/doctor/{id}/resolve",
            SETTINGS,
            self.resolve_finding,
            "Mark a finding of the doctor as resolved until it occurs again",
            204,
            (SCIM,),
        )
        yield ApiRoute(
            "POST",
            "/doctor/{id}/reopen",
            SETTINGS,
            self.reopen_finding,
            "Open a resolved finding of the doctor again",
            204,
            (SCIM,),
        )

    async def get_doctor(self, call: Call) -> Response:
        wanted = call.query(GetDoctor).connection
        if wanted:
            with at("/connection"):
                wanted = (await self._connections.chosen(call.workspace, wanted)).id
        examined = await self._doctor.examine(call.workspace)
        origins = await self._origins.of(call.workspace)

        def is_wanted(finding: Finding) -> bool:
            return not wanted or origins.of_credential(finding.key_id) == wanted

        today = day_of(number_of(clock.seconds()))
        both = (examined.open.only(is_wanted), examined.resolved.only(is_wanted))
        answer: DoctorAnswer = {
            "dialects": [
                {
                    "key": item.key,
                    "dialect": item.name,
                    "sends": item.quirk.sends,
                    "means": item.quirk.means,
                    "count": item.count,
                    **_state(item, examined, today, origins),
                }
                for found in both
                for item in found.shown
            ],
            "refusals": [
                {
                    "key": item.key,
                    "operation": item.operation,
                    "status": item.status,
                    "cause": item.cause.name,
                    "count": item.count,
                    "fix": item.fix,
                    **_state(item, examined, today, origins),
                }
                for found in both
                for item in found.refusals
            ],
            "lostUsers": [
                {
                    "key": item.key,
                    "userName": item.name,
                    "user": item.user,
                    "count": item.count,
                    **_state(item, examined, today, origins),
                }
                for found in both
                for item in found.lost
            ],
        }
        return json_response(200, answer)

    async def resolve_finding(self, call: Call) -> Response:
        await self._doctor.resolve(call.administrator, call.names["id"])
        return Response(204)

    async def reopen_finding(self, call: Call) -> Response:
        await self._doctor.reopen(call.administrator, call.names["id"])
        return Response(204)


def _state(finding: Finding, examined: Examination, today: int, origins: Origins) -> FindingState:
    mark = examined.marks.get(finding.id)
    return {
        "id": finding.id,
        "connection": origins.of_credential(finding.key_id),
        "latestRequest": str(finding.latest),
        "trend": trend(finding, today),
        "resolved": None if mark is None else mark.time,
    }
