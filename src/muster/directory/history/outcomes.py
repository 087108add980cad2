"""The decisions (`Write.decide`) of restoring, rolling back and wiping.

Each function returns a decision: a pure function from the current state of a resource to its
outcome, which the storage calls inside the transaction of the write.
"""

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


def restore_to(
    past: Change,
    resource_type: ResourceType,
    resource_id: str,
    version: int,
    now: str,
    switches: Workspace | None,
    protected: frozenset[str] = frozenset(),
) -> Decide:
    """Restore a resource to its state after one of its changes.

    The decision raises Withheld if a provisioning switch or the protection of a user forbids the
    change.

    Args:
        past: The change.
        resource_type: The type of the resource.
        resource_id: Its id, which it keeps if it has to be created again.
        version: The version that it gets if it does not exist now.
        now: The time of the write.
        switches: The workspace whose provisioning switches apply; None to ignore them.
        protected: The ids of the protected users.
    """

    def decide(current: Stored | None) -> Outcome:
        document = parse(past.document)
        meta = document.pop("meta")
        if current is None:
            if switches is not None:
                policy.check_create(switches, resource_type)
            put = make_put(document, resource_type, resource_id, version, meta["created"], now)
            gives = policy.reprovisions(resource_type, None, document)
            return replace(put, reprovisions=gives)
        current_document = parse(current.document)
        current_document.pop("meta")
        if current_document == document and not current.delta:
            return Keep(current)
        if switches is not None:
            policy.check_change(switches, resource_type, current_document, document)
        policy.check_protected(protected, resource_id, current_document, document)
        return replace(
            next_version(current, document, resource_type, now),
            deprovisions=policy.deprovisions(resource_type, current_document, document),
            reprovisions=policy.reprovisions(resource_type, current_document, document),
        )

    return decide


def reactivate(user_type: ResourceType, now: str) -> Decide:
    """Make a user active again, and leave everything else as it is.

    It does nothing if the user is active, or does not exist any more.

    Args:
        user_type: The type of users.
        now: The time of the write.
    """

    def decide(current: Stored | None) -> Outcome:
        if current is None:
            return Keep(Stored("", 0, b""))
        before = parse(current.document)
        before.pop("meta")
        if before.get("active") is not False:
            return Keep(current)
        after = {**before, "active": True}
        return replace(
            next_version(current, after, user_type, now),
            reprovisions=policy.reprovisions(user_type, before, after),
        )

    return decide


def bump_if_members_change(group_type: ResourceType, now: str) -> Decide:
    """Give a group its next version if the write's edit changes its members."""

    def decide(current: Stored | None) -> Outcome:
        if current is None or not current.delta:
            return Keep(current or Stored("", 0, b""))
        return bump(group_type, now)(current)

    return decide


def delete_if_present(
    resource_type: ResourceType,
    switches: Workspace | None,
    protected: frozenset[str] = frozenset(),
) -> Decide:
    """Delete a resource; does nothing if it no longer exists.

    The decision raises Withheld if a provisioning switch or the protection of a user forbids the
    deletion.

    Args:
        resource_type: The type of the resource.
        switches: The workspace whose provisioning switches apply; None to ignore them.
        protected: The ids of the protected users.
    """

    def decide(current: Stored | None) -> Outcome:
        if current is None:
            return Keep(Stored("", 0, b""))
        if switches is not None:
            policy.check_delete(switches, resource_type)
        document = parse(current.document)
        policy.check_protected(protected, current.id, document, None)
        takes = policy.deprovisions(resource_type, document, None)
        return Remove(current, index_of_document(document, resource_type), takes)

    return decide


def bump(group_type: ResourceType, now: str) -> Callable[[Stored], Put]:
    """Give a group its next version, with the same document."""
    return lambda current: next_version(current, parse(current.document), group_type, now)
