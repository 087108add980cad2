"""/api/v1/passwords."""

from collections.abc import Iterator

from muster.access.permissions import SCIM
from muster.directory.credentials import Credentials, TooManyAttempts
from muster.http.api.router import Call, Route
from muster.http.errors import problem
from muster.http.message import Response, json_response
from muster.scim.errors import invalid_value

_MAX_LENGTH = 1000


class PasswordRoutes:
    """The operations on passwords."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __iter__(self) -> Iterator[Route]:
        yield Route("POST", "/passwords/verify", SCIM, self.verify_password, "Whether a password is a user's")

    async def verify_password(self, call: Call) -> Response:
        body = await call.object()
        given = [body.get(name) for name in ("userName", "password")]
        if not all(isinstance(value, str) and 0 < len(value) <= _MAX_LENGTH for value in given):
            raise invalid_value(f"userName and password must be strings of 1 to {_MAX_LENGTH} characters")
        try:
            user = await self._credentials.verify(call.caller, *map(str, given))
        except TooManyAttempts as error:
            return problem(429, "Too Many Requests", error.detail, [("retry-after", str(error.retry_after))])
        return json_response(200, {"valid": user is not None, "user": user})
