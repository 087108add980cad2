"""Why a user can or cannot sign in: their status, its author, and refused requests."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from muster.directory.caller import CREDENTIALS, Caller
from muster.directory.documents import parse
from muster.directory.guard.desk import GuardDesk
from muster.insight.reactivations import has_agreed, reversal_of
from muster.storage.port.changes import Change
from muster.storage.records.requests import RecordedRequest, RequestFilter, RequestStore

_REFUSED = 3
_SEARCHED = 500
_DETAIL = re.compile(r'"detail":("(?:[^"\\]|\\.)*")')
_MAX_DETAIL = 300


class Fact(NamedTuple):
    """A sentence of the story.

    Attributes:
        kind: good, bad or note.
        text: The sentence, without its time.
        time: The time that it is about; empty for none.
        page: The page that shows more, within the workspace; empty for none.
        link: The text of the link to it.
    """

    kind: str
    text: str
    time: str = ""
    page: str = ""
    link: str = ""


class AccessStory:
    """Collects the facts that explain the access of a user."""

    def __init__(self, requests: RequestStore, desk: GuardDesk) -> None:
        self._requests = requests
        self._desk = desk

    async def tell(
        self,
        caller: Caller,
        user_id: str,
        document: dict[str, Any] | None,
        changes: Sequence[Change],
        names: dict[str, str],
    ) -> list[Fact]:
        """Return the facts about a user, the most important first.

        Args:
            caller: The administrator who asks.
            user_id: The id of the user.
            document: Their current document; None if they are deleted.
            changes: Their latest changes, the newest first.
            names: Display names by actor.
        """
        facts = [_status(document, changes, names)]
        reversal = None if document is None else reversal_of(changes)
        if reversal is not None and not await has_agreed(
            self._requests, caller.workspace.id, reversal
        ):
            who = reversal.deactivated.origin
            text = f"This reversed the deactivation by {_called(who.actor, names)}."
            facts.append(Fact("bad", text, who.time))
        held = await self._desk.held(caller, user_id)
        if held is not None:
            facts.append(
                Fact(
                    "note",
                    f"The guard holds a request to {held.attempted} this user, made by"
                    f" {_called(held.actor, names)}.",
                    held.time,
                    "/guard",
                    "Decide under Guard",
                )
            )
        facts += await self._refusals(caller.workspace.id, user_id, document, names)
        return facts

    async def _refusals(
        self, workspace: int, user_id: str, document: dict[str, Any] | None, names: dict[str, str]
    ) -> list[Fact]:
        """Return the latest failed requests about a user.

        Attempts to create them again have no resource: they are found by their userName.
        """
        wanted = RequestFilter(resource=user_id, failed=True, limit=_REFUSED)
        found = [(kept, "") for kept in await self._requests.find(workspace, wanted)]
        user_name = "" if document is None else str(document.get("userName") or "")
        if user_name:
            doubles = RequestFilter(path="/Users", status=409, limit=_SEARCHED)
            found += [
                (kept, user_name)
                for kept in await self._requests.find(workspace, doubles)
                if kept.method == "POST" and _user_name(kept).lower() == user_name.lower()
            ]
        found.sort(key=lambda row: row[0].number, reverse=True)
        return [_refused(kept, names, named) for kept, named in found[:_REFUSED]]

    async def refused_creations(
        self, workspace: int, text: str, names: dict[str, str]
    ) -> list[Fact]:
        """Return failed creations of users whose userName starts with a text.

        Only the latest failures are searched.
        """
        wanted = RequestFilter(path="/Users", failed=True, limit=_SEARCHED)
        facts = []
        for kept in await self._requests.find(workspace, wanted):
            named = _user_name(kept)
            if kept.method == "POST" and named.lower().startswith(text.lower()) and text:
                facts.append(_refused(kept, names, named))
                if len(facts) == _REFUSED:
                    break
        return facts

    async def refused_about(self, workspace: int, text: str) -> tuple[str, int]:
        """Return the name in refused creations, and their number.

        Only the latest failures are searched, for creations whose body contains the text. The name
        is the userName if all of them have the same; or else the text.
        """
        wanted = RequestFilter(path="/Users", failed=True, limit=_SEARCHED)
        found = [
            kept
            for kept in await self._requests.find(workspace, wanted)
            if kept.method == "POST" and text.lower() in kept.body.lower()
        ]
        named = {_user_name(kept) for kept in found}
        return (named.pop() if len(named) == 1 else "") or text, len(found)


def _status(
    document: dict[str, Any] | None, changes: Sequence[Change], names: dict[str, str]
) -> Fact:
    if document is None:
        gone = next((change for change in changes if change.action == "delete"), None)
        if gone is None:
            return Fact("bad", "Deleted: this user has no access.")
        return _by("bad", "Deleted", gone, names)
    inactive = document.get("active") is False
    for change in changes:
        if not change.version or change.action == "delete":
            continue
        before = {} if change.before is None else parse(change.before)
        was = before.get("active") is False
        now = parse(change.document).get("active") is False
        if change.before is None:
            word = "Created inactive" if now else "Active since it was created"
            return _by("bad" if now else "good", word, change, names)
        if was != now:
            word = "Deactivated" if now else "Reactivated"
            return _by("bad" if now else "good", word, change, names)
    if inactive:
        return Fact("bad", "Inactive: this user has no access.")
    return Fact("good", "Active: this user has access.")


def _called(actor: str, names: dict[str, str]) -> str:
    return names.get(actor) or actor.removeprefix("admin:")


def _by(kind: str, word: str, change: Change, names: dict[str, str]) -> Fact:
    actor = change.origin.actor
    page = f"/requests?request={change.origin.request_id}" if actor.startswith(CREDENTIALS) else ""
    text = f"{word} by {_called(actor, names)}."
    return Fact(kind, text, change.origin.time, page, "View the request" if page else "")


def _refused(kept: RecordedRequest, names: dict[str, str], named: str = "") -> Fact:
    actors = (f"{kind}{kept.key_id}" for kind in CREDENTIALS)
    key = next((names[actor] for actor in actors if actor in names), "an unknown key")
    found = _DETAIL.search(kept.answer)
    detail = str(orjson.loads(found[1]))[:_MAX_DETAIL] if found else f"status {kept.status}"
    about = f"A creation of {named}" if named else f"A {kept.method} request"
    return Fact(
        "bad",
        f"{about} by {key} was refused: {detail}",
        kept.time,
        f"/requests/{kept.number}",
        "See why",
    )


def _user_name(kept: RecordedRequest) -> str:
    try:
        body = orjson.loads(kept.body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(body, dict):
        return ""
    names = (value for key, value in body.items() if key.lower() == "username")
    return next((value for value in names if isinstance(value, str)), "")
