"""The errors of RFC 7644 section 3.12 as exceptions."""


class ScimError(Exception):
    """A request that cannot be fulfilled.

    Attributes:
        status: The HTTP status.
        detail: A sentence for the client's administrator: the place, the mistake, and the remedy.
        scim_type: The keyword of RFC 7644 table 9, or None.
    """

    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.scim_type = scim_type


class TryLater(ScimError):
    """A request that the client is to send again later.

    Attributes:
        retry_after: The seconds after which it is to be sent again.
    """

    def __init__(self, status: int, detail: str, retry_after: int) -> None:
        super().__init__(status, detail)
        self.retry_after = retry_after


def invalid_filter(detail: str) -> ScimError:
    """Return the error of a filter that cannot be read: 400 invalidFilter."""
    return ScimError(400, detail, "invalidFilter")


def invalid_path(detail: str) -> ScimError:
    """Return the error of a path that cannot be read: 400 invalidPath."""
    return ScimError(400, detail, "invalidPath")


def invalid_syntax(detail: str) -> ScimError:
    """Return the error of a malformed message: 400 invalidSyntax."""
    return ScimError(400, detail, "invalidSyntax")


def invalid_value(detail: str) -> ScimError:
    """Return the error of a value that does not fit: 400 invalidValue."""
    return ScimError(400, detail, "invalidValue")


def mutability(detail: str) -> ScimError:
    """Return the error of a change that the schema forbids: 400 mutability."""
    return ScimError(400, detail, "mutability")


def no_target(detail: str) -> ScimError:
    """Return the error of a value path that selects nothing: 400 noTarget."""
    return ScimError(400, detail, "noTarget")


def uniqueness(detail: str) -> ScimError:
    """Return the error of a value that another resource has: 409 uniqueness."""
    return ScimError(409, detail, "uniqueness")


def too_many(detail: str) -> ScimError:
    """Return the error of a request that would take too much: 400 tooMany."""
    return ScimError(400, detail, "tooMany")


def not_found(detail: str) -> ScimError:
    """Return the error of an unknown resource or path: 404."""
    return ScimError(404, detail)


def forbidden(detail: str) -> ScimError:
    """Return the error of a missing permission: 403."""
    return ScimError(403, detail)
