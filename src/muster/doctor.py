"""The doctor: what each client sends that the RFCs do not allow, and what was refused, by the requests that are kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from muster.scim.quirks import QUIRKS, Quirk
from muster.scim.values import fold
from muster.storage.port import Storage
from muster.storage.requests import Requests

FIXES = {
    400: "What it sends is not what the schema says: the answer names the attribute, and the mapping is where to put it right.",
    403: "It may not do this: look at the key's permissions, and at the settings of the workspace.",
    404: "It asks for what is not there (any more): the client is out of step, and a full sync mends that.",
    409: "Another has this value already: look for them by it.",
    412: "Somebody changed it in between: the client reads it anew.",
    413: "It sends too much at once: MUSTER_MAX_BODY says how much is taken.",
    429: "It is faster than its rate limit: raise the limit of the key, or of the workspace.",
    503: "The storage could not answer: look at the log of the server.",
}


LOST_FIX = "They are there: have the client match by userName, or import its users, so that it learns their id."
_MAX_LOST = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of the dialect table that a key's client showed. latest: the number of the latest request that did."""

    key: str
    name: str
    quirk: Quirk
    count: int
    latest: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a key's client was refused, how often, and what helps."""

    key: str
    operation: str
    status: int
    count: int
    latest: int

    @property
    def fix(self) -> str:
        return FIXES.get(self.status, "")


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

    shown: Sequence[Shown]
    refusals: Sequence[Refusal]
    lost: Sequence[Lost]

    def lines(self) -> list[str]:
        """The findings as lines of text."""
        lines = [f"{item.key}\tsends {item.quirk.sends}\t{item.count} times\ttaken as {item.quirk.means}" for item in self.shown]
        lines += [f"{item.key}\t{item.operation} {item.status}\t{item.count} times\t{item.fix}" for item in self.refusals]
        lines += [f"{item.key}\tseems to have lost {item.name}\t{item.count} times\t{LOST_FIX}" for item in self.lost]
        return lines or ["nothing: what is recorded is as the RFCs have it, and nothing was refused"]


async def examine(storage: Storage, workspace: int) -> Findings:
    """What is to be found in the requests of a workspace that are kept."""
    requests = Requests(storage)
    names = {key.id: key.name for key in await storage.keys(workspace)}
    counted: dict[tuple[str, str], tuple[int, int]] = {}
    for key_id, quirks, count, latest in await requests.quirks(workspace):
        for name in quirks.split():
            number, last = counted.get((key_id, name), (0, 0))
            counted[key_id, name] = number + count, max(last, latest)
    shown = [
        Shown(names.get(key_id, key_id), name, QUIRKS[name], *told)
        for (key_id, name), told in sorted(counted.items())
        if name in QUIRKS
    ]
    refusals = [Refusal(names.get(key_id, key_id), *told) for key_id, *told in await requests.failures(workspace)]
    return Findings(shown, refusals, await _lost(storage, requests, workspace, names))


async def _lost(storage: Storage, requests: Requests, workspace: int, names: dict[str, str]) -> list[Lost]:
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
