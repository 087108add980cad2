"""/api/v1/doctor."""

from collections.abc import Iterator

from muster.access.permissions import SCIM
from muster.http.management.models.doctor import DoctorAnswer
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response
from muster.insight.doctor import examine
from muster.storage.port.engine import Storage


class DoctorRoutes:
    """The findings of the doctor."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/doctor",
            SCIM,
            self.get_doctor,
            "Retrieve deviations of clients from the RFCs, and the requests that were refused",
            answer=DoctorAnswer,
        )

    async def get_doctor(self, call: Call) -> Response:
        found = await examine(self._storage, call.workspace)
        answer: DoctorAnswer = {
            "dialects": [
                {
                    "key": item.key,
                    "dialect": item.name,
                    "sends": item.quirk.sends,
                    "means": item.quirk.means,
                    "count": item.count,
                }
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
                }
                for item in found.refusals
            ],
            "lostUsers": [
                {"key": item.key, "userName": item.name, "user": item.user, "count": item.count}
                for item in found.lost
            ],
        }
        return json_response(200, answer)
