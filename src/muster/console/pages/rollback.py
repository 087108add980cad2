"""Rollback in the console: recent events, their preview, and the rollback itself."""

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from muster.access.connections import Connections
from muster.access.origins import CredentialOrigins
from muster.access.permissions import RESTORE
from muster.base import clock
from muster.console.actors import listed
from muster.console.web import PageRoute, Visit
from muster.directory.documents import parse
from muster.directory.history.events import changed_values
from muster.directory.history.key_events import KeyEvent, recent_events
from muster.directory.history.past import parse_time
from muster.directory.history.rollback import (
    CREATE,
    DELETE,
    MAX_RESOURCES,
    REACTIVATE,
    REVERT,
    Rollback,
    RollbackPlan,
    RollbackStep,
    Work,
    work_of_import,
)
from muster.http.management.tokens import Tokens
from muster.http.wire.message import Response
from muster.insight.credentials import KEY, CallerCredential, credentials_of
from muster.scim.errors import ScimError, not_found
from muster.scim.values import Json
from muster.storage.port.engine import Storage

_PATH = "/w/{workspace}/undo"
_ASKED = ("key", "since", "until", "import")
_SECOND = timedelta(seconds=1)
_DONE = {
    "create": "created",
    "update": "changed",
    "delete": "deleted",
    "deactivate": "deactivated",
    "reactivate": "reactivated",
}
_MILLISECONDS = len("2026-01-31T12:00:00.000")
_REACTIVATE = "Reactivate"
"""The effect of a step that makes a user active again, whatever else it reverts."""
_NAMED = 20
"""The most names in one line of the question."""


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event in the list.

    Attributes:
        text: The changes in words, such as "10 users deactivated".
        by: The name of the credential, or the administrator who imported.
        source: The choice of the credential; empty if it cannot be rolled back.
        since: The beginning of the period to preview.
        until: Its end.
        event: The event.
        deactivated: The number of users deactivated besides other changes; 0 for none.
        first: The time of the first deactivation, as the beginning of another period.
    """

    text: str
    by: str
    source: str
    since: str
    until: str
    event: KeyEvent
    deactivated: int
    first: str


_CONNECTION = "connection"
"""The beginnings of choices: a connection is connection:ID, an OAuth client oauth:ID, a federated
trust trust:ID, and an API key its id alone."""
_UNNAMED = {
    KEY: "A deleted key",
    "oauth": "A deleted OAuth client",
    "trust": "A deleted federated trust",
}


class RollbackPages:
    """The rollback page."""

    def __init__(self, storage: Storage, rollback: Rollback, tokens: Tokens) -> None:
        self._storage = storage
        self._rollback = rollback
        self._tokens = tokens
        self._connections = Connections(storage)
        self._origins = CredentialOrigins(storage)

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _PATH, RESTORE, self.show)
        yield PageRoute("POST", _PATH, RESTORE, self.undo)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        """Show the form and, once a key and a period are chosen, the preview."""
        plan, work, at = None, None, ""
        chosen = visit.text("key") or visit.text("import")
        if chosen:
            try:
                plan, work = await self._plan(visit), await self._work(visit)
                at = await self._tokens.write(visit.there().id, plan.as_of)
            except ScimError as failed:
                status, error = failed.status if status == 200 else status, error or failed.detail
        now, steps = clock.now(), () if plan is None else plan.steps
        until = visit.text("until") or f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M}"
        asked = {
            "key": visit.text("key"),
            "since": visit.text("since") or f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        }
        workspace = visit.there().id
        events = () if chosen else await recent_events(self._storage, workspace)
        credentials = await credentials_of(self._storage, workspace)
        names = {each.actor: _name(each) for each in credentials}
        known = (await self._origins.of(workspace)).by_actor
        return visit.render(
            "undo.html",
            status,
            plan=plan,
            at=at,
            credentials=[(_choice(each.actor), each, names[each.actor]) for each in credentials],
            unnamed=_unnamed(visit.text("key"), names),
            connections=await self._connections.all(workspace),
            asked={**asked, "until": until, "import": visit.text("import")},
            events=[_shown(event, names, known) for event in events],
            steps=[(step, _differences(step)) for step in steps if step.action != DELETE],
            deletions=[step for step in steps if step.action == DELETE],
            limited=len({step.id for step in steps}) == MAX_RESOURCES,
            gone=_gone(plan, work),
            reactivated={step.id for step in steps if _verb(step) == _REACTIVATE},
            chosen=_chosen(visit, steps),
            deleted=_to_delete(visit, steps),
            said=visit.flashed.get("said", ""),
            error=error,
        )

    async def undo(self, visit: Visit) -> Response:
        ids, deletions = (set(visit.fields.get(name, [])) for name in ("resource", "delete"))
        if not ids and not deletions:
            return await self.show(visit, 400, error="Select at least one resource to roll back.")
        if visit.text("confirmed") != "yes":
            return await self._confirm(visit, ids, deletions)
        if deletions and visit.text("deleting") != "yes":
            error = "deleting: tick this box, or go back and leave the deletions out"
            return await self._confirm(visit, ids, deletions, 400, error)
        try:
            at = await self._tokens.read(visit.there().id, visit.text("at"), "at")
            caller = visit.caller_overriding()
            work = await self._work(visit)
            undone = await self._rollback.execute(caller, work, at, ids, deletions)
        except ScimError as error:
            return await self.show(visit, error.status, error=error.detail)
        without = (
            f" Members that no longer exist were left out: {listed(undone.left_out)}."
            if undone.left_out
            else ""
        )
        done = _in_words("Rolled back", undone.count - len(deletions), "deleted", len(deletions))
        said = f"{done}.{without}"
        return await visit.redirect_with(
            "./undo", {name: visit.text(name) for name in _ASKED}, said=said
        )

    async def _confirm(
        self, visit: Visit, ids: set[str], deletions: set[str], status: int = 200, error: str = ""
    ) -> Response:
        """Ask before the rollback, with the numbers, and about the deletions apart."""
        try:
            plan = await self._plan(visit)
        except ScimError as failed:
            return await self.show(visit, failed.status, error=failed.detail)
        if twice := [step.name for step in plan.steps if step.id in ids & deletions]:
            names = _named(list(dict.fromkeys(twice)))
            refused = f"Choose whether to reactivate or to delete: {names}."
            return await self.show(visit, 400, error=refused)
        ids -= _gone(plan, await self._work(visit))
        kept = [step for step in plan.steps if step.action != DELETE and step.id in ids]
        made = [step for step in plan.steps if step.action == DELETE and step.id in deletions]
        if len(kept) != len(ids) or len(made) != len(deletions) or not kept + made:
            return await self.show(visit, 409, "Some of these no longer need a rollback.")
        return visit.render(
            "undo_confirm.html",
            status,
            kept=kept,
            made=made,
            title=_in_words("Roll back", len(kept), "delete", len(made)),
            effects=_effects(kept),
            deletions=_effects(made),
            others=sum(step.changed_by_others for step in kept + made),
            asked={name: visit.text(name) for name in (*_ASKED, "at")},
            overriding=visit.text("override") == "on",
            error=error,
        )

    async def _plan(self, visit: Visit) -> RollbackPlan:
        """Return the plan, without the resources that were created and deleted again."""
        plan = await self._rollback.plan(visit.there().id, await self._work(visit))
        steps = [step for step in plan.steps if {step.action, step.current.action} != {"delete"}]
        return replace(plan, steps=steps)

    async def _work(self, visit: Visit) -> Work:
        """Return the changes that were chosen, of a credential, a connection or an import."""
        if visit.text("import"):
            return work_of_import(visit.text("import"), clock.now() + timedelta(minutes=1))
        workspace, chosen = visit.there().id, visit.text("key")
        kind, colon, connection = chosen.partition(":")
        actor = chosen if colon else f"{KEY}:{chosen}"
        actors: frozenset[str] = frozenset()
        origins = await self._origins.of(workspace)
        if kind == _CONNECTION:
            actors = origins.actors((await self._connections.get(workspace, connection)).id)
        elif origins.of_actor(actor) is None:
            raise not_found("API key not found.")
        since, until = (parse_time(visit.text(name), name) for name in ("since", "until"))
        return Work(actor, since, until, "", actors)


def _name(credential: CallerCredential) -> str:
    """Return the name of a credential, with its kind unless it is an API key."""
    return credential.name if credential.kind == KEY else f"{credential.title} {credential.name}"


def _choice(actor: str) -> str:
    """Return the choice of a credential in the form."""
    return actor.removeprefix(f"{KEY}:")


def _unnamed(choice: str, names: Mapping[str, str]) -> str:
    """Return the words for a chosen credential that has been deleted; empty for others."""
    kind, colon, _ = choice.partition(":")
    return _UNNAMED.get(kind, "") if colon and choice not in names else ""


def _shown(event: KeyEvent, names: Mapping[str, str], known: Container[str]) -> ShownEvent:
    """Return an event as the list shows it.

    Args:
        event: The event.
        names: The names of the credentials by their actors.
        known: The actors whose changes can be rolled back.
    """
    texts = [
        f"{number:,} {kind.lower()}{'' if number == 1 else 's'} {_DONE[action]}"
        for (action, kind), number in event.counts.most_common()
    ]
    number = event.counts["deactivate", "User"]
    mixed = number and number < event.counts.total()
    return ShownEvent(
        ", ".join(texts),
        names.get(event.actor) or _UNNAMED.get(event.actor.partition(":")[0], event.actor),
        _choice(event.actor) if event.actor in known else "",
        _second(event.since),
        _second(event.until, _SECOND),
        event,
        number if mixed else 0,
        event.deactivated[:_MILLISECONDS].rstrip("Z"),
    )


def _second(time: str, later: timedelta = timedelta(0)) -> str:
    """Return a timestamp as a form has it, without the fraction of its second."""
    return f"{datetime.fromisoformat(time) + later:%Y-%m-%dT%H:%M:%S}"


def _chosen(visit: Visit, steps: Sequence[RollbackStep]) -> set[str]:
    """Return the resources whose changes are selected; none of them is deleted.

    At first they are those that no others have changed since. A link may ask for `all` of them,
    for `none`, for the `reactivated` users, or for the `deletions`, which are selected apart.
    """
    if visit.request.method == "POST":
        return set(visit.fields.get("resource", []))
    asked, kept = visit.text("select"), [step for step in steps if step.action != DELETE]
    if asked in ("none", "deletions"):
        return set()
    if asked == "reactivated":
        return {step.id for step in kept if _verb(step) == _REACTIVATE}
    return {step.id for step in kept if asked == "all" or not step.changed_by_others}


def _to_delete(visit: Visit, steps: Sequence[RollbackStep]) -> set[str]:
    """Return the resources that are selected to be deleted: none, unless that was asked for."""
    if visit.request.method == "POST":
        return set(visit.fields.get("delete", []))
    if visit.text("select") != "deletions":
        return set()
    return {step.id for step in steps if step.action == DELETE}


def _gone(plan: RollbackPlan | None, work: Work | None) -> set[str]:
    """Return the resources that somebody else has deleted since.

    The key did not delete them, so a rollback of the key does not bring them back.
    """
    return {
        step.id
        for step in (() if plan is None else plan.steps)
        if step.action == CREATE and work is not None and not work.has(step.current)
    }


def _differences(step: RollbackStep) -> Sequence[tuple[str, Json, Json]]:
    """Return the attributes that a step changes, each with its value before and after."""
    if step.action == REACTIVATE:
        return (("Status", "inactive", "active"),)
    if step.action != REVERT or step.prior is None:
        return ()
    now, then = parse(step.current.document), parse(step.prior.document)
    found: list[tuple[str, Json, Json]] = []
    for path, old, new in changed_values(now, then):
        if path == "active":
            found.append(("Status", _status(old), _status(new)))
        else:
            found.append((path, old, new))
    return found


def _effects(steps: Sequence[RollbackStep]) -> Sequence[tuple[str, str]]:
    """Return the effects of the steps, such as "Reactivate 10 users", each with its names."""
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    for step in steps:
        names[_verb(step), step.type].append(step.name)
    return [
        (f"{verb} {len(found):,} {kind.lower()}{'' if len(found) == 1 else 's'}", _named(found))
        for (verb, kind), found in names.items()
    ]


def _verb(step: RollbackStep) -> str:
    """Return the verb for the effect of a step on its resource."""
    if step.action == CREATE:
        return "Restore"
    if step.action == DELETE:
        return "Delete"
    for path, now, then in _differences(step):
        if path == "Status" and now != then:
            return _REACTIVATE if then == "active" else "Deactivate"
    return "Revert"


def _in_words(undo: str, undone: int, delete: str, deleted: int) -> str:
    """Return the numbers of a rollback, such as "Roll back 2 resources and delete 1"."""
    noun = f"resource{'' if (undone or deleted) == 1 else 's'}"
    if not undone:
        return f"{delete.capitalize()} {deleted:,} {noun}"
    return f"{undo} {undone:,} {noun}" + (f" and {delete} {deleted:,}" if deleted else "")


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _status(value: Json) -> str:
    return "inactive" if value is False else "active"
