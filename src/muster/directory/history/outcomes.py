"""Outcomes of restoring, undoing and wiping: the functions that `Write.decide` calls."""

from collections.abc import Callable
from dataclasses import replace

from muster.directory.documents import parse
from muster.directory.guard import policy
from muster.directory.versions import index_of_document, make_put, next_version
from muster.scim.schema.model import ResourceType
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import Change
from muster.storage.port.resources import Keep, Outcome, Put, Remove, Stored

Decide = Callable[[Stored | None], Outcome]


def restored(
    before: Change,
    kind: ResourceType,
    resource_id: str,
    version: int,
    now: str,
    switches: Workspace | None,
) -> Decide:
    """Restore a resource to the state that one of its changes left.

    Args:
        version: The version that the resource gets if it does not exist now.
        switches: The workspace whose provisioning switches apply; None to ignore them.

    The outcome raises Withheld if a switch forbids the change.
    """

    def decide(standing: Stored | None) -> Outcome:
        document = parse(before.document)
        meta = document.pop("meta")
        if standing is None:
            if switches is not None:
                policy.check_create(switches, kind)
            made = make_put(document, kind, resource_id, version, meta["created"], now)
            return replace(made, reprovisions=policy.gives_access(kind, None, document))
        current = parse(standing.document)
        current.pop("meta")
        if current == document and not standing.delta:
            return Keep(standing)
        if switches is not None:
            policy.check_change(switches, kind, current, document)
        put = next_version(standing, document, kind, now)
        takes, gives = (
            asked(kind, current, document) for asked in (policy.takes_access, policy.gives_access)
        )
        return replace(put, deprovisions=takes, reprovisions=gives)

    return decide


def moved(group_type: ResourceType, now: str) -> Decide:
    """A group at its next version, where the edit of its members comes to anything."""

    def decide(standing: Stored | None) -> Outcome:
        if standing is None or not standing.delta:
            return Keep(standing or Stored("", 0, b""))
        return touched(group_type, now)(standing)

    return decide


def removed(kind: ResourceType, switches: Workspace | None) -> Decide:
    """Delete a resource; does nothing if it is gone already.

    Args:
        switches: The workspace whose provisioning switches apply; None to ignore them.

    The outcome raises Withheld if a switch forbids the deletion.
    """

    def decide(standing: Stored | None) -> Outcome:
        if standing is None:
            return Keep(Stored("", 0, b""))
        if switches is not None:
            policy.check_delete(switches, kind)
        document = parse(standing.document)
        return Remove(
            standing, index_of_document(document, kind), policy.takes_access(kind, document, None)
        )

    return decide


def touched(group_type: ResourceType, now: str) -> Callable[[Stored], Put]:
    """A group as it stands, at its next version."""
    return lambda standing: next_version(standing, parse(standing.document), group_type, now)
