"""Errors as answers: SCIM Error documents under /scim/v2, problem+json for the rate limit and elsewhere."""

from muster.http.wire.media import PROBLEM_JSON, UnsupportedMedia, answer_type
from muster.http.wire.message import Headers, Request, Response, json_response
from muster.scim.errors import ScimError
from muster.scim.messages import error_message
from muster.scim.values import Json


class MethodNotAllowed(ScimError):
    """405, with the methods that the path has."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(405, f"{method[:20]} is not for this path: {', '.join(allowed)}")
        self.allowed = allowed


class Unauthorized(ScimError):
    """401, with the challenge of RFC 6750 section 3. error: its code, None where there was no token at all."""

    def __init__(self, detail: str, error: str | None = None) -> None:
        super().__init__(401, detail)
        self.error = error


def scim_error(request: Request, error: ScimError) -> Response:
    """The Error document of RFC 7644 section 3.12."""
    return json_response(
        error.status, error_message(error), answer_type(request), error_headers(error)
    )


def error_headers(error: ScimError) -> Headers:
    """The headers that go with an error."""
    if isinstance(error, MethodNotAllowed):
        return [("allow", ", ".join(error.allowed))]
    if isinstance(error, UnsupportedMedia):
        return [error.accepted]
    if isinstance(error, Unauthorized):
        return [
            (
                "www-authenticate",
                'Bearer realm="muster"' + (f', error="{error.error}"' if error.error else ""),
            )
        ]
    return []


def problem(
    status: int,
    title: str,
    detail: str,
    headers: Headers | None = None,
    more: dict[str, Json] | None = None,
) -> Response:
    """A problem document (RFC 9457). more: members of its own."""
    content = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        **(more or {}),
    }
    return json_response(status, content, PROBLEM_JSON, headers)


def too_many_requests(request: Request, limit: int, retry_after: int) -> Response:
    """The 429 that the published API page describes. limit: requests a minute. retry_after: seconds."""
    detail = (
        f"the rate limit of this API key, {limit:,} requests a minute (MUSTER_RATE_LIMIT), is spent"
    )
    content = {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": f"{detail}: retry in {retry_after} seconds",
        "instance": f"urn:muster:request:{request.id}",
        "retryAfter": retry_after,
    }
    return json_response(429, content, PROBLEM_JSON, [("retry-after", str(retry_after))])
