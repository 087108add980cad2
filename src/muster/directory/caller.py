"""The sender of a request, as the use cases know it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from muster.scim.bounds import MAX_COMPARISONS, MAX_ELEMENTS
from muster.scim.dialects import Dialect
from muster.scim.errors import forbidden
from muster.scim.schema.model import Registry, registry
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin

CREDENTIALS = ("key:", "oauth:", "trust:")
"""The beginnings of the actors that are credentials of a connection."""


@dataclass(slots=True)
class Caller:
    """The sender of a request, and the limits and rules that apply to it.

    Attributes:
        workspace: The workspace of the API key.
        actor: The actor as `changes` stores it, such as key:ID.
        request_id: The id of the request.
        address: The client's IP address.
        registry: The resource types and schemas of the workspace.
        user: The id of the user that the key is bound to, for /Me; None if it is bound to nobody.
        seen: Collects the rows of the dialect table that the request shows.
        guarded: Whether the guard applies; False for decisions of administrators.
        protected: The ids of the users whom the caller may neither deactivate nor delete; empty for
            decisions of administrators.
        overrides: Whether an administrator has chosen to override the guard and the switches in a
            rollback or restore.
        max_elements: The most elements of a multi-valued attribute.
        max_comparisons: The most comparisons of elements in a PATCH.
        body_bytes: The size of the body; a large body is parsed on a thread.
        connection: The stored id of the connection that owns new resources of the caller: None for
            `default`, empty for no connection.
        barred: The names of the connections whose resources the caller may not change, by stored
            id; empty for an administrator.
        guard_reset: The time from which the guard counts, if an administrator has resumed the
            connection after the guard had paused it.
        over_scim: Whether the request is one of /scim/v2.
    """

    workspace: Workspace
    actor: str
    request_id: str
    address: str = ""
    registry: Registry = field(default_factory=registry)
    user: str | None = None
    seen: list[str] = field(default_factory=list)
    guarded: bool = True
    protected: frozenset[str] = frozenset()
    overrides: bool = False
    max_elements: int = MAX_ELEMENTS
    max_comparisons: int = MAX_COMPARISONS
    body_bytes: int = 0
    connection: str | None = ""
    barred: Mapping[str | None, str] = field(default_factory=dict)
    guard_reset: str = ""
    over_scim: bool = False

    def dialect(self) -> Dialect:
        """Return the dialect in which the client's requests are read."""
        return Dialect(
            self.workspace.strict,
            self.seen,
            self.max_elements,
            self.max_comparisons,
            self.workspace.is_ipsie,
        )

    def check_may_write(self) -> None:
        """Check that the profile of the workspace lets the caller change resources.

        Raises:
            ScimError: 403 if resources change over SCIM alone, and this is another way.
        """
        if self.workspace.is_ipsie and not self.over_scim:
            raise forbidden(
                "The profile of the workspace, ipsie, lets only its identity provider change users"
                " and groups, over SCIM. Change them there."
            )

    def origin(self, time: str) -> ChangeOrigin:
        """Return the origin of a change that the caller makes.

        Args:
            time: The time of the change, as `timestamp` formats it.
        """
        return ChangeOrigin(self.actor, self.request_id, time, self.address, self.connection)

    def may_not_change(self) -> frozenset[str | None]:
        """Return the ids of connections whose resources the caller may not change."""
        return frozenset() if self.overrides else frozenset(self.barred)
