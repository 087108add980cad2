"""The doctor: diagnoses clients from the recorded requests.

It finds non-standard input, failed requests and their fixes, and users that a client no longer
recognizes.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from muster.base.progress import Progress, silent
from muster.scim.dialects import QUIRKS, Quirk
from muster.scim.schema.labels import title_of
from muster.scim.values import fold
from muster.storage.port.engine import Storage
from muster.storage.records.requests import SCIM_TYPES, RecordedRequest, RequestStore, day_of

_BASE_URL_PAGE = "Connect a provider"
"""The page of the console that shows the base URL."""
_WRONG_METHOD = (
    "This method does not exist at this path. Check the base URL of the client, which ends"
    " in /scim/v2; see {place}."
)
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
    405: _WRONG_METHOD.format(place=_BASE_URL_PAGE),
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
        " docs/how-to/alerts.md."
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
_BASE_URL = Cause("baseUrl", "Base URL", "/connect", "See the set-up steps")
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
    401: Cause("key", "API key", "/connect", "See the set-up steps"),
    403: Cause("forbidden", "Forbidden", "/settings", "Open Settings"),
    404: _LOST,
    405: _BASE_URL,
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
_WRONG_PATH = (
    "The service has no such path. Compare the base URL in the client with that under {place}: it"
    " ends in /scim/v2, and the client adds the rest."
)
_NO_PATH = "Unknown path"
_OTHERWISE = "See the full response under Requests."
_MAX_DETAIL = 300
_MAX_LOST = 100
_MAX_REFUSALS = 100
_ID_LENGTH = 16
TREND_DAYS = 7
"""The number of days of a trend."""
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _NO_METHOD = 401, 403, 404, 405
_UNKNOWN = "unknown"
"""The operation of a request that was refused before its path was read."""
_STEPS = 4
"""The number of steps for which `examine` reports progress."""


@dataclass(slots=True)
class Sightings:
    """The requests that show a finding.

    Attributes:
        count: Their number.
        latest: The number of the latest one.
        days: How many there were on each day in UTC, by the number of the day since 1970.
    """

    count: int = 0
    latest: int = 0
    days: Counter[int] = field(default_factory=Counter)

    def add(self, number: int, count: int = 1) -> None:
        """Add requests of one day, of which the latest has this number."""
        self.count += count
        self.latest = max(self.latest, number)
        self.days[day_of(number)] += count


@dataclass(frozen=True, slots=True)
class DialectFinding:
    """A non-standard input that a client sent.

    Attributes:
        key: The name of the client's API key.
        name: The row of the dialect table.
        quirk: Describes the input and its interpretation.
        count: The number of requests that contained it.
        latest: The number of the latest of these requests.
        key_id: The id of the API key.
        days: The number of these requests by day; see `Sightings`.
    """

    key: str
    name: str
    quirk: Quirk
    count: int
    latest: int
    key_id: str = ""
    days: Mapping[int, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the finding."""
        return _id("dialect", self.key_id, self.name)

    @property
    def title(self) -> str:
        """A short description."""
        return self.quirk.sends


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
        key_id: The id of the API key.
        days: The number of failures by day; see `Sightings`.
    """

    key: str
    operation: str
    status: int
    count: int
    latest: int
    reason: str = ""
    detail: str = ""
    key_id: str = ""
    days: Mapping[int, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the finding."""
        return _id("refusal", self.key_id, self.operation, str(self.status), self.reason)

    @property
    def title(self) -> str:
        """A short description."""
        return f"{self.request} {self.status}: {self.cause.title}"

    @property
    def request(self) -> str:
        """The operation in words; a request without a valid key has none."""
        return "Any request" if self.operation == _UNKNOWN else title_of(self.operation)

    @property
    def fix(self) -> str:
        """The fix, followed by the error text of the latest response."""
        fix = self.cure
        return f"{fix} Latest response: {self.detail}" if self.detail else fix

    @property
    def cure(self) -> str:
        """The fix alone."""
        return self.cure_for(_BASE_URL_PAGE)

    def cure_for(self, place: str) -> str:
        """Return the fix alone.

        Args:
            place: The name of the page or step on which the reader finds the base URL.
        """
        if self._misses_path:
            return _WRONG_PATH.format(place=place)
        if self.status == _NO_METHOD:
            return _WRONG_METHOD.format(place=place)
        known = _REASONS.get(self.reason) or _TYPES.get(self.reason)
        return known or FIXES.get(self.status, _OTHERWISE)

    @property
    def says_all(self) -> bool:
        """Whether the error text of the response says what the fix would repeat."""
        return self.status == _UNAUTHORIZED and bool(self.detail)

    @property
    def cause(self) -> Cause:
        """The cause, with the page that cures it."""
        if self._misses_path:
            return _BASE_URL
        return _CAUSES.get(self.reason) or _CAUSES_BY_STATUS.get(self.status, _OTHER)

    @property
    def _misses_path(self) -> bool:
        """Whether the service has no such path, as opposed to no such resource."""
        return self.status == _NOT_FOUND and self.detail.startswith(_NO_PATH)


@dataclass(frozen=True, slots=True)
class LostUserFinding:
    """A user that a client keeps trying to create, because it lost their id.

    Attributes:
        key: The name of the client's API key.
        name: The userName.
        user: The id of the existing user.
        count: The number of attempts.
        latest: The number of the latest of these requests.
        key_id: The id of the API key.
        days: The number of attempts by day; see `Sightings`.
    """

    key: str
    name: str
    user: str
    count: int
    latest: int
    key_id: str = ""
    days: Mapping[int, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the finding."""
        return _id("lost", self.key_id, self.user)

    @property
    def title(self) -> str:
        """A short description."""
        return f"tries to create {self.name} again"


Finding = DialectFinding | Refusal | LostUserFinding


def _id(*parts: str) -> str:
    """Return the id of the finding with these distinguishing parts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:_ID_LENGTH]


def trend(finding: Finding, today: int) -> list[int]:
    """Return how often a finding occurred on each of the last seven days, the oldest first.

    Args:
        finding: The finding.
        today: The current day in UTC, as the number of days since 1970.
    """
    return [finding.days.get(day, 0) for day in range(today - TREND_DAYS + 1, today + 1)]


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of the doctor."""

    shown: Sequence[DialectFinding]
    refusals: Sequence[Refusal]
    lost: Sequence[LostUserFinding]

    def __iter__(self) -> Iterator[Finding]:
        yield from self.shown
        yield from self.refusals
        yield from self.lost

    def only(self, wanted: Callable[[Finding], bool]) -> "Findings":
        """Return the findings for which a condition holds."""
        return Findings(
            [item for item in self.shown if wanted(item)],
            [item for item in self.refusals if wanted(item)],
            [item for item in self.lost if wanted(item)],
        )


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
    shown = _dialects(await requests.quirks(workspace), names)
    progress(1)
    refusals = await _failures(requests, workspace, names)
    progress(1)
    refusals += _forbidden(await requests.forbidden(workspace), names)
    progress(1)
    refusals.sort(key=lambda refusal: -refusal.count)
    lost = await _lost(storage, requests, workspace, names)
    progress(1)
    return Findings(shown, refusals, lost)


def diagnosis(kept: RecordedRequest) -> Refusal:
    """Return the cause and the fix of one failed request."""
    detail = next(iter(_details(kept.answer)), "")
    if kept.status == _FORBIDDEN:
        reason = _reason(detail)
    else:
        reason = next((kind for kind in SCIM_TYPES if f'"scimType":"{kind}"' in kept.answer), "")
    return Refusal("", kept.operation, kept.status, 1, kept.number, reason, detail, kept.key_id)


def _dialects(rows: Iterable[Sequence[Any]], names: dict[str, str]) -> list[DialectFinding]:
    """Group non-standard input by key and by row of the dialect table."""
    counted: defaultdict[tuple[str, str], Sightings] = defaultdict(Sightings)
    for key_id, quirks, count, latest in rows:
        for name in quirks.split():
            counted[key_id, name].add(latest, count)
    return [
        DialectFinding(
            names.get(key_id, key_id),
            name,
            QUIRKS[name],
            seen.count,
            seen.latest,
            key_id,
            seen.days,
        )
        for (key_id, name), seen in sorted(counted.items(), key=lambda item: item[0])
        if name in QUIRKS
    ]


async def _failures(requests: RequestStore, workspace: int, names: dict[str, str]) -> list[Refusal]:
    """Return the most frequent failures, except for the 403 errors."""
    counted: defaultdict[tuple[str, str, int, str], Sightings] = defaultdict(Sightings)
    for key_id, operation, status, count, latest, reason in await requests.failures(workspace):
        if status != _FORBIDDEN:
            counted[key_id, operation, status, reason].add(latest, count)
    most = sorted(counted.items(), key=lambda item: -item[1].count)[:_MAX_REFUSALS]
    answers = await requests.answers(workspace, [seen.latest for _, seen in most])
    details = {number: next(iter(_details(answer)), "") for number, answer in answers}
    return [
        Refusal(
            names.get(key_id, key_id),
            operation,
            status,
            seen.count,
            seen.latest,
            reason,
            details.get(seen.latest, ""),
            key_id,
            seen.days,
        )
        for (key_id, operation, status, reason), seen in most
    ]


def _forbidden(rows: Iterable[Sequence[Any]], names: dict[str, str]) -> list[Refusal]:
    """Group the 403 errors, including those within bulk requests, by reason.

    Args:
        rows: The requests, newest first.
        names: The names of the API keys by id.
    """
    counted: defaultdict[tuple[str, str, str], Sightings] = defaultdict(Sightings)
    latest: dict[tuple[str, str, str], str] = {}
    for key_id, operation, status, number, answer in rows:
        found = [(_reason(detail), detail) for detail in _details(answer)]
        if status == _FORBIDDEN and not found:
            found = [("", "")]
        for reason, detail in found:
            if reason or status == _FORBIDDEN:
                counted[key_id, operation, reason].add(number)
                latest.setdefault((key_id, operation, reason), detail)
    return [
        Refusal(
            names.get(key_id, key_id),
            operation,
            _FORBIDDEN,
            seen.count,
            seen.latest,
            reason,
            latest[key_id, operation, reason],
            key_id,
            seen.days,
        )
        for (key_id, operation, reason), seen in counted.items()
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
    refused: defaultdict[tuple[str, str], Sightings] = defaultdict(Sightings)
    typed: dict[tuple[str, str], str] = {}
    for key_id, number, body in await requests.doubles(workspace):
        name = _user_name(body)
        if name is not None:
            refused[key_id, fold(name)].add(number)
            typed[key_id, fold(name)] = name
    found = []
    for (key_id, folded), seen in list(refused.items())[:_MAX_LOST]:
        user = await storage.owner(workspace, "User", "userName", folded)
        if user is None or await requests.written_since(workspace, key_id, user, seen.latest):
            continue
        key, name = names.get(key_id, key_id), typed[key_id, folded]
        found.append(LostUserFinding(key, name, user, seen.count, seen.latest, key_id, seen.days))
    return found


def _user_name(body: str) -> str | None:
    """Return the userName in a recorded body; None if missing or truncated."""
    try:
        name = orjson.loads(body).get("userName")
    except (ValueError, AttributeError):
        return None
    return name if isinstance(name, str) else None
