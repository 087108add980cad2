"""/api/v1/doctor."""

from collections.abc import Iterator

from muster.access.permissions import SCIM, SETTINGS
from muster.base import clock
from muster.http.management.models.doctor import DoctorAnswer, FindingState
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response
from muster.insight.doctor import Finding, trend
from muster.insight.resolutions import Doctor, Examination
from muster.storage.records.requests import day_of, number_of


class DoctorRoutes:
    """The findings of the doctor."""

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/doctor",
            SCIM,
            self.get_doctor,
            "Retrieve deviations of clients from the RFCs, and the requests that were refused",
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
        examined = await self._doctor.examine(call.workspace)
        today = day_of(number_of(clock.seconds()))
        both = (examined.open, examined.resolved)
        answer: DoctorAnswer = {
            "dialects": [
                {
                    "key": item.key,
                    "dialect": item.name,
                    "sends": item.quirk.sends,
                    "means": item.quirk.means,
                    "count": item.count,
                    **_state(item, examined, today),
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
                    **_state(item, examined, today),
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
                    **_state(item, examined, today),
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


def _state(finding: Finding, examined: Examination, today: int) -> FindingState:
    mark = examined.marks.get(finding.id)
    return {
        "id": finding.id,
        "latestRequest": str(finding.latest),
        "trend": trend(finding, today),
        "resolved": None if mark is None else mark.time,
    }
