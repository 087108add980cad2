"""The doctor: what each client sends that the RFCs do not allow, and what was refused, by the requests that are kept."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from muster.base.progress import Progress, silent
from muster.scim.dialects import QUIRKS, Quirk
from muster.scim.values import fold
from muster.storage.port.engine import Storage
from muster.storage.records.requests import RequestStore

FIXES = {
    400: "The request does not match the schema. Correct the attribute mapping of the client; Schemas lists the attributes.",
    401: "The key is invalid, expired or revoked. Enter an active key in the client; see API keys.",
    403: "The workspace does not allow this. See Settings, and the permissions of the key under API keys.",
    404: "The resource does not exist, or was deleted; Audit log has the deletion. Run a full sync in the client.",
    405: "This method does not exist at this path. Check the base URL of the client, which ends in /scim/v2; see Connect.",
    408: "The body did not arrive in time. Check the network between client and server, or raise MUSTER_BODY_SECONDS.",
    409: "Another resource has this value. Find it under Users or Groups, and change or delete one of the two.",
    410: "The cursor is older than the retained changes. Begin again without it, or keep changes longer under Settings.",
    412: "The resource has changed since the client read it. Have the client read it again; Audit log has the change.",
    413: "The request is too large. Have the client send less at once, or raise the setting that the answer names.",
    414: "The URL is too long. Have the client send the search as POST to /.search.",
    415: "Have the client send Content-Type: application/scim+json or application/json.",
    429: "The client exceeds its rate limit. Raise it under Settings, or with 'muster keys set KEY --rate-limit N'.",
    431: "The headers are too long. Have the client, or the proxy before the server, send fewer.",
    500: "Internal error. Report it with the request id, which Requests shows.",
    501: "The feature is not supported; /ServiceProviderConfig lists those that are. /Me needs a key bound to a user (API keys).",
    503: "The server was overloaded, or the database did not answer. See the server's log, and docs/operate.md for the alerts.",
    507: "The disk of the database is full. Free some space; writes then go on by themselves.",
}
"""The cure of a status; each names the page, setting or command for it."""
_REASONS = {
    "deprovisioning guard": (
        "The deprovisioning guard holds this, as too many users would lose access. Under Guard, let the users go or keep them;"
        " Settings has the limit."
    ),
    "automatic provisioning is off": "Automatic provisioning is off. Turn it on under Settings to let clients create users.",
    "automatic deprovisioning is off": (
        "Automatic deprovisioning is off. Turn it on under Settings to let clients deactivate and delete users."
    ),
    "the permission": "The key does not have the permission that the answer names. Use a key that has it; see API keys.",
    "takes no requests from": "The IP allowlist does not admit this address. Add it under Settings if it is the client's.",
    "cannot be filtered": "Discovery documents cannot be filtered (RFC 7644 section 4): have the client ask without a filter.",
}
"""The cure for a 403 by a part of its detail."""
_DETAIL = re.compile(r'"detail":("(?:[^"\\]|\\.)*")')


LOST_FIX = "They are there: have the client match by userName, or import its users, so that it learns their id."
_OTHERWISE = "Requests has the whole answer."
_MAX_DETAIL = 300
_MAX_LOST = 100
_FORBIDDEN = 403
_STEPS = 4
"""The queries that `examine` reports its progress by."""


@dataclass(frozen=True, slots=True)
class DialectFinding:
    """A row of the dialect table that a key's client showed. latest: the number of the latest request that did."""

    key: str
    name: str
    quirk: Quirk
    count: int
    latest: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a key's client was refused, how often, and what helps.

    Attributes:
        latest: The number of the latest of these requests.
        reason: Why, if the status alone does not tell.
        detail: The detail of the latest answer, which names the attribute, value or limit.
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
        """The cure, with the latest answer."""
        cure = _REASONS.get(self.reason) or FIXES.get(self.status, _OTHERWISE)
        return f"{cure} The latest answer: {self.detail}" if self.detail else cure


@dataclass(frozen=True, slots=True)
class Lost:
    """A user whom a key's client tries to make though they are there, and does not touch: it has forgotten their id."""

    key: str
    name: str
    user: str
    count: int
    latest: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What the doctor finds."""

    shown: Sequence[DialectFinding]
    refusals: Sequence[Refusal]
    lost: Sequence[Lost]


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
        DialectFinding(names.get(key_id, key_id), name, QUIRKS[name], *told)
        for (key_id, name), told in sorted(counted.items())
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
            names.get(key_id, key_id), operation, status, count, latest, "", details.get(latest, "")
        )
        for key_id, operation, status, count, latest in failures
    ]
    progress(1)
    refusals += _forbidden(await requests.forbidden(workspace), names)
    progress(1)
    refusals.sort(key=lambda refusal: -refusal.count)
    lost = await _lost(storage, requests, workspace, names)
    progress(1)
    return Findings(shown, refusals, lost)


def _forbidden(rows: Iterable[Sequence[Any]], names: dict[str, str]) -> list[Refusal]:
    """What was answered 403, in bulk requests too, by the reason that the details give. rows: the newest first."""
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
    """The details of the errors in an answer that was kept, which may be cut off."""
    return [str(orjson.loads(found))[:_MAX_DETAIL] for found in _DETAIL.findall(answer)]


def _reason(detail: str) -> str:
    return next((reason for reason in _REASONS if reason in detail), "")


async def _lost(
    storage: Storage, requests: RequestStore, workspace: int, names: dict[str, str]
) -> list[Lost]:
    """The users whom clients seem to have lost: refused as there already, and not written to by the same key after that."""
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
            found.append(Lost(names.get(key_id, key_id), name, user, count, latest))
    return found


def _user_name(body: str) -> str | None:
    """The userName in the body of a request that was kept, which may be cut off."""
    try:
        name = orjson.loads(body).get("userName")
    except (ValueError, AttributeError):
        return None
    return name if isinstance(name, str) else None
