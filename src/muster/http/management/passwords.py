"""/api/v1/passwords."""

from collections.abc import Iterator

from muster.access.permissions import SCIM
from muster.directory.credentials import Credentials, TooManyAttempts
from muster.http.management.models.passwords import PasswordAnswer, PasswordCheck
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.errors import problem
from muster.http.wire.message import Response, json_response


class PasswordRoutes:
    """The operations on passwords."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "POST",
            "/passwords/verify",
            SCIM,
            self.verify_password,
            "Verify the password of a user",
            body=PasswordCheck,
            answer=PasswordAnswer,
        )

    async def verify_password(self, call: Call) -> Response:
        body = await call.read(PasswordCheck)
        try:
            user = await self._credentials.verify(call.caller, body.user_name, body.password)
        except TooManyAttempts as error:
            return problem(
                429, "Too Many Requests", error.detail, [("retry-after", str(error.retry_after))]
            )
        answer: PasswordAnswer = {"valid": user is not None, "user": user}
        return json_response(200, answer)
