"""Error responses: SCIM errors under /scim/v2, and problem+json elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from muster.http.wire.media import PROBLEM_JSON, UnsupportedMedia, answer_type
from muster.http.wire.message import Headers, Request, Response, json_response
from muster.scim.errors import ScimError
from muster.scim.messages import error_message
from muster.scim.values import Json


class MethodNotAllowed(ScimError):
    """405: the path does not support the method; lists those that it supports."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(
            405, f"Method {method[:20]} is not allowed here. Allowed: {', '.join(allowed)}"
        )
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class FieldError:
    """One value of a request that is in error.

    Attributes:
        pointer: A JSON Pointer (RFC 6901) into the body, or into the query parameters as an object.
        detail: The error and its remedy, as a sentence.
    """

    pointer: str
    detail: str


class InvalidRequest(ScimError):
    """An error that names the values at fault."""

    def __init__(self, status: int, detail: str, errors: Sequence[FieldError]) -> None:
        super().__init__(
            status, detail, "invalidValue" if status == HTTPStatus.BAD_REQUEST else None
        )
        self.errors = tuple(errors)


@contextmanager
def at(pointer: str) -> Iterator[None]:
    """Attribute an error that is raised within to one value of the request."""
    try:
        yield
    except InvalidRequest:
        raise
    except ScimError as error:
        if error.status not in _OF_A_VALUE:
            raise
        raise InvalidRequest(
            error.status, error.detail, [FieldError(pointer, error.detail)]
        ) from None


_OF_A_VALUE = frozenset({400, 403, 404, 409, 410})
"""The statuses of errors that a value of a request can cause."""


class Unauthorized(ScimError):
    """401 with the challenge of RFC 6750 section 3.

    Args:
        detail: The error text.
        error: The error code; None if the request had no token.
    """

    def __init__(self, detail: str, error: str | None = None) -> None:
        super().__init__(401, detail)
        self.error = error


def scim_error(request: Request, error: ScimError) -> Response:
    """Return an error as a SCIM Error document (RFC 7644 section 3.12)."""
    return json_response(
        error.status, error_message(error), answer_type(request), error_headers(error)
    )


def error_headers(error: ScimError) -> Headers:
    """Return the headers that an error requires."""
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
    errors: Sequence[FieldError] = (),
) -> Response:
    """Build a problem document (RFC 9457).

    Args:
        status: The HTTP status.
        title: The phrase of the status.
        detail: The error and its remedy.
        headers: Further headers.
        more: Further members.
        errors: The values of the request that are in error; the member is left out if there are
            none.
    """
    content: dict[str, Json] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
    }
    if errors:
        content["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in errors]
    content |= more or {}
    return json_response(status, content, PROBLEM_JSON, headers)


def problem_of(error: ScimError) -> Response:
    """Build the problem document of an error."""
    phrase = HTTPStatus(error.status).phrase
    errors = error.errors if isinstance(error, InvalidRequest) else ()
    return problem(error.status, phrase, error.detail, error_headers(error), errors=errors)


def too_many_requests(request: Request, limit: int, retry_after: int) -> Response:
    """Build the 429 of the published API page.

    Args:
        request: The request.
        limit: The limit in requests per minute.
        retry_after: The seconds until the limit resets.
    """
    detail = (
        f"This API key has exceeded its rate limit of {limit:,} requests per minute"
        " (MUSTER_RATE_LIMIT)"
    )
    more: dict[str, Json] = {
        "instance": f"urn:muster:request:{request.id}",
        "retryAfter": retry_after,
    }
    return problem(
        429,
        "Too Many Requests",
        f"{detail}. Retry in {retry_after} seconds.",
        [("retry-after", str(retry_after))],
        more,
    )
