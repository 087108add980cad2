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


def invalid_filter(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidFilter")


def invalid_path(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidPath")


def invalid_syntax(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidSyntax")


def invalid_value(detail: str) -> ScimError:
    return ScimError(400, detail, "invalidValue")


def mutability(detail: str) -> ScimError:
    return ScimError(400, detail, "mutability")


def no_target(detail: str) -> ScimError:
    return ScimError(400, detail, "noTarget")


def uniqueness(detail: str) -> ScimError:
    return ScimError(409, detail, "uniqueness")


def too_many(detail: str) -> ScimError:
    return ScimError(400, detail, "tooMany")


def not_found(detail: str) -> ScimError:
    return ScimError(404, detail)


def forbidden(detail: str) -> ScimError:
    return ScimError(403, detail)
