"""Groups the recent changes of credentials and of imports into events that can be rolled back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from muster.directory.caller import CREDENTIALS
from muster.directory.documents import parse
from muster.directory.history.past import Past
from muster.directory.history.rollback import reactivated_by, undone_by
from muster.storage.port.changes import Change
from muster.storage.port.resources import Resources

_EXAMINED = 2000
"""The changes that are examined, the newest first."""
_LOOKED_UP = 500
"""The earlier versions that are looked up, to tell a deactivation from another update."""
_EVENTS = 20
_GAP = timedelta(minutes=10)
"""A pause of a credential that separates two events."""
_UNDO = "undo"
_IMPORT = "import-"
"""The beginning of the request id of an import."""


@dataclass(slots=True)
class KeyEvent:
    """Changes that one credential made shortly after each other, or those of one import.

    Attributes:
        actor: The actor, such as key:ID or oauth:ID, or the administrator who imported.
        since: The time of the first change.
        until: The time of the last change.
        counts: The number of changes by action and resource type; the action is create, update,
            delete, deactivate or reactivate.
        resources: The ids of the changed resources.
        import_id: The id of the import; empty for a credential.
        whole: Whether its beginning was examined; False if older changes may belong to it.
        deactivated: The time of the first deactivation; empty for none.
    """

    actor: str
    since: str
    until: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    resources: set[str] = field(default_factory=set)
    import_id: str = ""
    whole: bool = True
    deactivated: str = ""

    def add(self, change: Change, action: str) -> None:
        """Add a change that is older than those before."""
        self.since = change.origin.time
        self.counts[action, change.type] += 1
        if action == "deactivate":
            self.deactivated = change.origin.time
        self.resources.add(change.id)


async def recent_events(storage: Resources, workspace: int) -> Sequence[KeyEvent]:
    """Return the recent events of all credentials and imports, the newest first.

    Changes that have been rolled back are left out.
    """
    past = Past(storage)
    open_events: dict[str, KeyEvent] = {}
    events: list[KeyEvent] = []
    undone: set[str] = set()
    reactivated: set[str] = set()
    examined = looked_up = 0
    async for change in past.recent(workspace):
        examined += 1
        if examined > _EXAMINED:
            for event in open_events.values():
                event.whole = not _continues(event, change)
            break
        actor = change.origin.actor
        if change.action == _UNDO and not change.version:
            undone |= undone_by(change)
            reactivated |= reactivated_by(change)
        import_id = _import_of(change)
        wanted = import_id or actor.startswith(CREDENTIALS)
        if not change.version or not wanted or change.id in undone:
            continue
        action = change.action
        if change.type == "User" and action == "update" and looked_up < _LOOKED_UP:
            looked_up += 1
            action = await _action(past, workspace, change)
        if action == "deactivate" and change.id in reactivated:
            continue
        source = import_id or actor
        current = open_events.get(source)
        if current is None or not _continues(current, change):
            if len(events) == _EVENTS:
                break
            current = KeyEvent(actor, change.origin.time, change.origin.time, import_id=import_id)
            open_events[source] = current
            events.append(current)
        current.add(change, action)
    return events


def _import_of(change: Change) -> str:
    """Return the id of the import that made a change; empty for none."""
    request_id = change.origin.request_id
    by_import = request_id.startswith(_IMPORT) and not change.origin.actor.startswith(CREDENTIALS)
    return request_id.removeprefix(_IMPORT) if by_import else ""


def _continues(event: KeyEvent, change: Change) -> bool:
    """Return whether an older change belongs to an event by its time."""
    if event.import_id:
        return event.import_id == _import_of(change)
    older = datetime.fromisoformat(change.origin.time)
    return datetime.fromisoformat(event.since) - older <= _GAP


async def _action(past: Past, workspace: int, change: Change) -> str:
    """Return deactivate or reactivate for such an update of a user, or else update."""
    before = await past.last_write(workspace, change.id, change.sequence)
    was = before is None or parse(before.document).get("active") is not False
    becomes = parse(change.document).get("active") is not False
    if before is None or was == becomes:
        return "update"
    return "reactivate" if becomes else "deactivate"
