"""The doctor: diagnoses clients from the recorded requests.

It finds non-standard input, failed requests and their fixes, and users that a client no longer
recognizes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from muster.base.progress import Progress, silent
from muster.scim.dialects import QUIRKS, Quirk
from muster.scim.values import fold
from muster.storage.port.engine import Storage
from muster.storage.records.requests import RequestStore

FIXES = {
    400: (
        "The request does not match the schema. Correct the attribute mapping of the client;"
        " Schemas lists the attributes."
    ),
    401: "The key is invalid, expired or revoked. Enter an active key in the client; see API keys.",
    403: (
        "The workspace does not allow this. See Settings, and the permissions of the key under"
        " API keys."
    ),
    404: (
        "The resource does not exist or was deleted; see Audit log. Run a full sync in the client."
    ),
    405: (
        "This method does not exist at this path. Check the base URL of the client, which ends"
        " in /scim/v2; see Connect."
    ),
    408: (
        "The body did not arrive in time. Check the network between client and server, or raise"
        " MUSTER_BODY_SECONDS."
    ),
    409: (
        "Another resource has this value. Find it under Users or Groups, and change or delete"
        " one of the two."
    ),
    410: (
        "The cursor is older than the retained changes. Start again without it, or keep changes"
        " longer under Settings."
    ),
    412: (
        "The resource has changed since the client read it; see Audit log. Have the client read"
        " it again."
    ),
    413: (
        "The request is too large. Send less at once, or raise the setting that the response names."
    ),
    414: "The URL is too long. Have the client send the search as POST to /.search.",
    415: "Have the client send Content-Type: application/scim+json or application/json.",
    429: (
        "The client exceeds its rate limit. Raise it under Settings, or with 'muster keys set"
        " KEY --rate-limit N'."
    ),
    431: (
        "The headers are too long. Have the client, or the proxy in front of the server, send"
        " fewer."
    ),
    500: "Internal error. Report it with the request ID shown under Requests.",
    501: (
        "The feature is not supported; see /ServiceProviderConfig. /Me needs a key bound to a"
        " user (API keys)."
    ),
    503: (
        "The server was overloaded, or the database did not answer. See the server's log, and"
        " docs/operate.md for the alerts."
    ),
    507: "The disk of the database is full. Free some space; writes then resume automatically.",
}
"""The fix for each status; it names the page, setting or command to use."""
_REASONS = {
    "deprovisioning guard": (
        "The deprovisioning guard holds the change, because too many users would lose access."
        " Approve or"
        " reject it under Guard; change the limit under Settings."
    ),
    "automatic provisioning is"
    " off": "Automatic provisioning is off. Turn it on under Settings to let clients create users.",
    "automatic deprovisioning is off": (
        "Automatic deprovisioning is off. Turn it on under Settings to let clients deactivate"
        " and delete users."
    ),
    "the permission": (
        "The key does not have the permission that the response names. Use a key that has it;"
        " see API keys."
    ),
    "takes no requests from": (
        "The IP allowlist does not include this address. If it belongs to the client, add it"
        " under Settings."
    ),
    "cannot be filtered": (
        "Discovery documents cannot be filtered (RFC 7644 section 4). Remove the filter in the"
        " client."
    ),
}
"""The fix for a 403, by a part of its detail."""
_TYPES = {
    "invalidFilter": (
        "The filter cannot be read, or names an attribute that the schema does not have. Correct"
        " the filter in the client; Schemas lists the attributes."
    ),
    "tooMany": (
        "The search matches too much data. Have the client search by an indexed attribute such as"
        " userName or externalId; the indexes are under Schemas."
    ),
    "invalidPath": (
        "A PATCH names a path that the schema does not have. Correct the attribute mapping; the"
        " paths are under Schemas."
    ),
    "noTarget": (
        "A PATCH changes an element that the user or group does not have. Run a full sync in the"
        " client; see Audit log for what changed the element."
    ),
    "mutability": (
        "The client changes an attribute that is read-only or cannot change any more. Remove it"
        " from the attribute mapping; Schemas shows which attributes are."
    ),
}
"""The fix for a 400, by its scimType."""


class Cause(NamedTuple):
    """The cause of a failure.

    Attributes:
        name: Its identifier, for programs.
        title: Its name on the page.
        page: The page that cures it, within the workspace; empty if no page does.
        link: The text of the link to the page.
    """

    name: str
    title: str
    page: str = ""
    link: str = ""


_SCHEMA = Cause("schema", "Schema", "/schemas", "Open Schemas")
_SEARCH = Cause("search", "Search", "/schemas", "Open Schemas")
_LOST = Cause("notFound", "Not found", "/audit", "Open Audit log")
_CAUSES = {
    "deprovisioning guard": Cause("guard", "Deprovisioning guard", "/guard", "Open Guard"),
    "automatic provisioning is off": Cause(
        "provisioning", "Provisioning switch", "/settings", "Open Settings"
    ),
    "automatic deprovisioning is off": Cause(
        "deprovisioning", "Deprovisioning switch", "/settings", "Open Settings"
    ),
    "the permission": Cause("permission", "Permission", "/keys", "Open API keys"),
    "takes no requests from": Cause("allowlist", "IP allowlist", "/settings", "Open Settings"),
    "cannot be filtered": Cause("search", "Search"),
    "invalidFilter": _SEARCH,
    "tooMany": _SEARCH,
    "invalidPath": _SCHEMA,
    "noTarget": _LOST,
    "mutability": _SCHEMA,
    "uniqueness": Cause("uniqueness", "Unique value", "/users", "Search the users"),
}
"""The cause of a failure, by the reason of its 403 or by its scimType."""
_CAUSES_BY_STATUS = {
    400: _SCHEMA,
    401: Cause("key", "API key", "/connect", "Open Connect"),
    403: Cause("forbidden", "Forbidden", "/settings", "Open Settings"),
    404: _LOST,
    405: Cause("baseUrl", "Base URL", "/connect", "Open Connect"),
    409: Cause("conflict", "Conflict", "/audit", "Open Audit log"),
    410: Cause("cursor", "Expired cursor", "/settings", "Open Settings"),
    412: Cause("version", "Outdated version", "/audit", "Open Audit log"),
    429: Cause("rateLimit", "Rate limit", "/settings", "Open Settings"),
}
_OTHER = Cause("other", "Other")
_DETAIL = re.compile(r'"detail":("(?:[^"\\]|\\.)*")')


LOST_FIX = (
    "Match users by userName in the provider, or import the users into it, so that it learns"
    " their IDs."
)
_OTHERWISE = "See the full response under Requests."
_MAX_DETAIL = 300
_MAX_LOST = 100
_FORBIDDEN = 403
_STEPS = 4
"""The number of steps for which `examine` reports progress."""


@dataclass(frozen=True, slots=True)
class DialectFinding:
    """A non-standard input that a client sent.

    Attributes:
        key: The name of the client's API key.
        name: The row of the dialect table.
        quirk: Describes the input and its interpretation.
        count: The number of requests that contained it.
        latest: The number of the latest of these requests.
    """

    key: str
    name: str
    quirk: Quirk
    count: int
    latest: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A kind of request that failed for one client.

    Attributes:
        key: The name of the client's API key.
        operation: The method and the resource type.
        status: The HTTP status.
        count: The number of failures.
        latest: The number of the latest of these requests.
        reason: The cause as a key of `_CAUSES`: a part of the detail of a 403, or else the
            scimType; empty if only the status tells the cause.
        detail: The error text of the latest response, which names the attribute, value or limit.
    """

    key: str
    operation: str
    status: int
    count: int
    latest: int
    reason: str = ""
    detail: str = ""

    @property
    def fix(self) -> str:
        """The fix, followed by the error text of the latest response."""
        fix = self.cure
        return f"{fix} Latest response: {self.detail}" if self.detail else fix

    @property
    def cure(self) -> str:
        """The fix alone."""
        known = _REASONS.get(self.reason) or _TYPES.get(self.reason)
        return known or FIXES.get(self.status, _OTHERWISE)

    @property
    def cause(self) -> Cause:
        """The cause, with the page that cures it."""
        return _CAUSES.get(self.reason) or _CAUSES_BY_STATUS.get(self.status, _OTHER)


@dataclass(frozen=True, slots=True)
class LostUserFinding:
    """A user that a client keeps trying to create, because it lost their id.

    Attributes:
        key: The name of the client's API key.
        name: The userName.
        user: The id of the existing user.
        count: The number of attempts.
        latest: The number of the latest of these requests.
    """

    key: str
    name: str
    user: str
    count: int
    latest: int


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of the doctor."""

    shown: Sequence[DialectFinding]
    refusals: Sequence[Refusal]
    lost: Sequence[LostUserFinding]


async def examine(storage: Storage, workspace: int, progress: Progress = silent) -> Findings:
    """Examine the recorded requests of a workspace.

    Args:
        storage: The database, started.
        workspace: The id of the workspace.
        progress: Called after each step.
    """
    requests = RequestStore(storage)
    progress(0, _STEPS)
    names = {key.id: key.name for key in await storage.keys(workspace)}
    counted: dict[tuple[str, str], tuple[int, int]] = {}
    for key_id, quirks, count, latest in await requests.quirks(workspace):
        for name in quirks.split():
            number, last = counted.get((key_id, name), (0, 0))
            counted[key_id, name] = number + count, max(last, latest)
    shown = [
        DialectFinding(names.get(key_id, key_id), name, QUIRKS[name], *numbers)
        for (key_id, name), numbers in sorted(counted.items())
        if name in QUIRKS
    ]
    progress(1)
    failures = [row for row in await requests.failures(workspace) if row[2] != _FORBIDDEN]
    details = {
        number: next(iter(_details(answer)), "")
        for number, answer in await requests.answers(workspace, [row[4] for row in failures])
    }
    refusals = [
        Refusal(
            names.get(key_id, key_id),
            operation,
            status,
            count,
            latest,
            reason,
            details.get(latest, ""),
        )
        for key_id, operation, status, count, latest, reason in failures
    ]
    progress(1)
    refusals += _forbidden(await requests.forbidden(workspace), names)
    progress(1)
    refusals.sort(key=lambda refusal: -refusal.count)
    lost = await _lost(storage, requests, workspace, names)
    progress(1)
    return Findings(shown, refusals, lost)


def _forbidden(rows: Iterable[Sequence[Any]], names: dict[str, str]) -> list[Refusal]:
    """Group the 403 errors, including those within bulk requests, by reason.

    Args:
        rows: The requests, newest first.
        names: The names of the API keys by id.
    """
    counted: dict[tuple[str, str, str], tuple[int, int, str]] = {}
    for key_id, operation, status, number, answer in rows:
        found = [(_reason(detail), detail) for detail in _details(answer)]
        if status == _FORBIDDEN and not found:
            found = [("", "")]
        for reason, detail in found:
            if reason or status == _FORBIDDEN:
                count, latest, first = counted.get((key_id, operation, reason), (0, number, detail))
                counted[key_id, operation, reason] = count + 1, latest, first
    return [
        Refusal(names.get(key_id, key_id), operation, _FORBIDDEN, count, latest, reason, detail)
        for (key_id, operation, reason), (count, latest, detail) in counted.items()
    ]


def _details(answer: str) -> list[str]:
    """Return the error texts in a recorded response, which may be truncated."""
    return [str(orjson.loads(found))[:_MAX_DETAIL] for found in _DETAIL.findall(answer)]


def _reason(detail: str) -> str:
    return next((reason for reason in _REASONS if reason in detail), "")


async def _lost(
    storage: Storage, requests: RequestStore, workspace: int, names: dict[str, str]
) -> list[LostUserFinding]:
    """Return the users that clients seem to have lost.

    They failed with "already exists", and the same key has not changed the existing user since.
    """
    refused: dict[tuple[str, str], tuple[int, int, str]] = {}
    for key_id, number, body in await requests.doubles(workspace):
        name = _user_name(body)
        if name is not None:
            count, latest, _ = refused.get((key_id, fold(name)), (0, 0, ""))
            refused[key_id, fold(name)] = count + 1, max(latest, number), name
    found = []
    for (key_id, folded), (count, latest, name) in list(refused.items())[:_MAX_LOST]:
        user = await storage.owner(workspace, "User", "userName", folded)
        if user is not None and not await requests.written_since(workspace, key_id, user, latest):
            found.append(LostUserFinding(names.get(key_id, key_id), name, user, count, latest))
    return found


def _user_name(body: str) -> str | None:
    """Return the userName in a recorded body; None if missing or truncated."""
    try:
        name = orjson.loads(body).get("userName")
    except (ValueError, AttributeError):
        return None
    return name if isinstance(name, str) else None
