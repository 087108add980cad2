"""Invitations: links that each create one administrator, with the role that they name."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import orjson

from muster.access.administrators import (
    ENDED_INVITATION_KIND,
    EVERYWHERE,
    INVITATION_KIND,
    INVITATION_TURN_KIND,
    PASSKEYS_KIND,
    Admin,
    Administrators,
    Profile,
    all_permissions,
    check_name,
    digest,
    nobody,
)
from muster.access.kept_answers import Kept, keep_nothing
from muster.access.permissions import ADMIN, PERMISSIONS, beyond
from muster.base import clock
from muster.base.clock import timestamp
from muster.scim.errors import ScimError, forbidden, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.engine import Upkeep
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, INVITATION_PLACE_KIND, Item
from muster.storage.repair.derived import bound

HOUR = timedelta(hours=1)
LIFETIMES = {"3600": "1 hour", "86400": "1 day", "604800": "7 days"}
"""The lifetimes to choose from, in seconds, with their names."""
_LONGEST = timedelta(days=7)
_KEPT = timedelta(days=30)
"""How long a link that no longer works still says why."""
MOST_PENDING, _MOST_BY_ONE, _MOST_EXPIRED = 200, 100, 100
"""Pending invitations to a workspace and by one administrator, and expired ones that are kept."""
_MOST_ENDED = 200
"""The ended invitations of a workspace that are kept."""
_TURN = "last"
_IN_PLACE = (
    "SELECT id FROM configuration WHERE workspace = $1 AND kind = $2 AND id > $3 AND id < $4"
)
_USED = "was already used"


@dataclass(frozen=True, slots=True)
class Inviter:
    """The administrator, or the command line, that makes or revokes an invitation.

    Attributes:
        origin: The actor, request, time and address, for the audit log.
        roles: Their permissions by workspace id, or EVERYWHERE; they can give no others.
        admin: Their id, if they are an administrator.
        name: Their name in the invitation.
    """

    origin: ChangeOrigin
    roles: Mapping[str, Sequence[str]]
    admin: str | None
    name: str

    def reach(self, place: str) -> tuple[str, ...]:
        """Return their permissions in a workspace, or EVERYWHERE."""
        return (*self.roles.get(EVERYWHERE, ()), *self.roles.get(place, ()))


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation.

    Attributes:
        id: The hash of the token in the link.
        roles: The roles of the administrator to be created.
        expires: The time until which the link works.
        name: The name of the invited person; empty if it was not given.
        invited_by: Who invited them, in words; empty if unknown.
        created: The time of creation; empty if unknown.
    """

    id: str
    roles: dict[str, list[str]]
    expires: str
    name: str = ""
    invited_by: str = ""
    created: str = ""

    @property
    def place(self) -> str:
        """The id of the workspace that the role is for, or EVERYWHERE."""
        return next(iter(self.roles), EVERYWHERE)

    @property
    def expired(self) -> bool:
        """Whether the link works no more."""
        return self.expires <= timestamp()


class InvitationOver(ScimError):
    """410: the link of an invitation does not work any more, for the reason that it says."""

    def __init__(self, detail: str) -> None:
        super().__init__(410, detail)


class InvitationStore(Accounts, Upkeep, Protocol):
    """The parts of the storage engine that invitations need."""


class Invitations:
    """Creates, lists, revokes and accepts invitations."""

    def __init__(self, accounts: InvitationStore, administrators: Administrators) -> None:
        self._accounts = accounts
        self._administrators = administrators

    async def pending(self) -> Sequence[Invitation]:
        """Return the invitations that nobody has accepted, newest first, with expired ones."""
        found = [_invitation(item) for item in await self._items()]
        return sorted(found, key=lambda invitation: invitation.created, reverse=True)

    async def pending_to(self, workspace: int) -> Sequence[Invitation]:
        """Return the invitations to one workspace whose links work, newest first."""
        found = map(_invitation, await self._items_to([str(workspace)]))
        working = [each for each in found if not each.expired and each.place == str(workspace)]
        return sorted(working, key=lambda invitation: invitation.created, reverse=True)

    async def create(
        self,
        by: Inviter,
        roles: dict[str, list[str]],
        name: str = "",
        lifetime: timedelta = HOUR,
        also: Sequence[Item] = (),
        standing: Sequence[Item] = (),
        keep: Callable[[str, Invitation], Kept] = keep_nothing,
    ) -> tuple[str, Invitation]:
        """Create an invitation that works once.

        Args:
            by: Who invites.
            roles: The roles of the administrator to be created.
            name: The name of the invited person.
            lifetime: How long the link works, at most seven days.
            also: Further items to store in the same transaction.
            standing: Items that must not have changed since they were read.
            keep: Returns the items to store with it, by the token and the invitation.

        Returns:
            The token for the link, and the invitation.

        Raises:
            ScimError: 400 if the name, the roles or the lifetime are invalid; 403 if the inviter
                does not have the permissions; 409 if too many invitations are pending.
            Outdated: One of the items in `standing`, or of those of `keep`, has changed.
        """
        _check_roles(by, roles)
        if not timedelta(0) < lifetime <= _LONGEST:
            raise invalid_value(f"expires: choose a time of at most {_LONGEST.days} days")
        while True:
            turn = await self._turn()
            token, made, puts = await self._prepared(by, roles, name, lifetime)
            kept = keep(token, made)
            others = [*standing, *kept.standing]
            try:
                await self._accounts.administer(
                    [*puts, *also, *kept.puts],
                    [_note(made, "create", by.origin), *kept.notes],
                    [turn, *others],
                )
                return token, made
            except Outdated:  # another invitation was created, unless it is one of the others
                if await self._have_changed(others):
                    raise

    async def _prepared(
        self, by: Inviter, roles: dict[str, list[str]], name: str, lifetime: timedelta
    ) -> tuple[str, Invitation, list[Item]]:
        """Return the token of a new invitation, the invitation, and the items to store."""
        # A program may have invited to 10,000 workspaces; it has no limit over all of them.
        found = await (self._items_to(roles) if by.admin is None else self._items())
        now = clock.now()
        pending = [item for item in found if item.body["expires"] > timestamp(now)]
        _check_number(pending, by, roles)
        token = secrets.token_urlsafe(32)
        made = Invitation(
            digest(token),
            roles,
            timestamp(now + lifetime),
            check_name(name),
            by.name,
            timestamp(now),
        )
        turned = Item(INSTALLATION, INVITATION_TURN_KIND, _TURN, {"last": made.id})
        swept = [
            replace(each, body=None)
            for item in _superfluous(found, now)
            for each in (item, *_places(item))
        ]
        item = _item(made, by.admin)
        return token, made, [item, *_places(item), turned, *swept]

    async def find(self, token: str) -> Invitation:
        """Return the invitation of a link.

        Raises:
            InvitationOver: It has expired, was used or revoked, or is unknown; the message says
                which.
        """
        return _invitation(await self._usable(digest(token)))

    async def accept(
        self, token: str, email: str, password: str, origin: ChangeOrigin, name: str = ""
    ) -> Admin:
        """Create the administrator of an invitation.

        Args:
            token: The token of the link.
            email: The e-mail address to sign in with.
            password: The password.
            origin: The origin of the request, for the audit log.
            name: The name of the person; the one in the invitation if it is empty.

        Raises:
            ScimError: 400 if the address, password or name is invalid; 409 if the address is taken.
            InvitationOver: The link does not work any more.
        """
        item = await self._usable(digest(token))
        found = _invitation(item)
        profile = Profile(check_name(name) or found.name, found.invited_by)
        made = await self._administrators.prepare(email, password, found.roles)
        notes = [
            _note(found, "accept", origin, email=made.email),
            self._administrators.note(made, "create", origin, invitedBy=found.invited_by),
        ]
        puts = [
            *await self._ended(item, _USED),
            made.item(),
            profile.item(made.id),
            # An earlier version may have removed an administrator of this address without them.
            Item(INSTALLATION, PASSKEYS_KIND, made.id, None),
        ]
        await self._accounts.administer(puts, notes, [item, nobody(made.id)])
        return made

    async def revoke(self, by: Inviter, invitation_id: str) -> Invitation:
        """Revoke a pending invitation: its link says so.

        Raises:
            ScimError: 403 if it gives permissions that the administrator does not have; 404 if it
                does not exist.
        """
        item = await self._accounts.item(INSTALLATION, INVITATION_KIND, invitation_id)
        if item is None:
            raise not_found("Invitation not found. It may have been accepted or revoked.")
        found = _invitation(item)
        _check_reach(by, found.roles)
        await self._accounts.administer(
            await self._ended(item, "was revoked"), [_note(found, "revoke", by.origin)], [item]
        )
        return found

    async def _usable(self, invitation_id: str) -> Item:
        item = await self._accounts.item(INSTALLATION, INVITATION_KIND, invitation_id)
        if item is not None and item.body["expires"] > timestamp():
            return item
        ended = item or await self._accounts.item(
            INSTALLATION, ENDED_INVITATION_KIND, invitation_id
        )
        if ended is None:
            raise InvitationOver(
                "This invitation has expired or was already used. Ask an administrator for a new"
                " one."
            )
        reason = ended.body.get("reason", "has expired")
        if reason == _USED:
            raise InvitationOver(
                f"This invitation {_USED}. If you used it, sign in. If not, tell {_asked(ended)}."
            )
        raise InvitationOver(f"This invitation {reason}. Ask {_asked(ended)} for a new one.")

    async def _have_changed(self, standing: Sequence[Item]) -> bool:
        """Return whether one of the items is not as it was read."""
        for read in standing:
            found = await self._accounts.item(read.workspace, read.kind, read.id)
            if (None if found is None else found.body) != read.body:
                return True
        return False

    async def _turn(self) -> Item:
        """Return an item that every new invitation changes, so that no two count the same."""
        found = await self._accounts.item(INSTALLATION, INVITATION_TURN_KIND, _TURN)
        return found or Item(INSTALLATION, INVITATION_TURN_KIND, _TURN, None)

    async def _ended(self, item: Item, reason: str) -> list[Item]:
        """Return the changes that end an invitation; they keep the reason, which its link shows.

        The oldest ones of its workspace are removed beyond a number.
        """
        place = _invitation(item).place
        ended = await self._accounts.items(INSTALLATION, ENDED_INVITATION_KIND)
        oldest = sorted(
            (each for each in ended if each.body.get("place") == place),
            key=lambda each: str(each.body["expires"]),
        )
        body = {
            "reason": reason,
            "invitedBy": item.body.get("invitedBy", ""),
            "place": place,
            "expires": timestamp(clock.now() + _KEPT),
        }
        return [
            *(replace(each, body=None) for each in (item, *_places(item))),
            Item(INSTALLATION, ENDED_INVITATION_KIND, item.id, body),
            *(replace(each, body=None) for each in oldest[: max(0, len(oldest) + 1 - _MOST_ENDED)]),
        ]

    async def _items_to(self, places: Iterable[str]) -> list[Item]:
        """Return the invitations to some workspaces, without reading those to others.

        Those that an earlier version made are missing until they expire.
        """
        found: list[Item] = []
        for place in places:
            kind = (INSTALLATION, INVITATION_PLACE_KIND, f"{place}:", f"{place};")
            for row in await self._accounts.query(bound(_IN_PLACE, *kind)):
                invitation = row[0].partition(":")[2]
                item = await self._accounts.item(INSTALLATION, INVITATION_KIND, invitation)
                found += [] if item is None else [item]
        return found

    async def _items(self) -> Sequence[Item]:
        return await self._accounts.items(INSTALLATION, INVITATION_KIND)


def _places(item: Item) -> list[Item]:
    """Return the items by which an invitation is found from its workspaces."""
    return [
        Item(INSTALLATION, INVITATION_PLACE_KIND, f"{place}:{item.id}", {})
        for place in item.body["roles"]
    ]


def command_line() -> Inviter:
    """Return the operator on the command line, who can give every permission."""
    origin = ChangeOrigin("command", "", timestamp())
    return Inviter(origin, all_permissions(), None, "the operator of this installation")


def _check_roles(by: Inviter, roles: Mapping[str, Sequence[str]]) -> None:
    for permissions in roles.values():
        if not permissions or not set(permissions) <= {ADMIN, *PERMISSIONS}:
            raise invalid_value("permission: select at least one permission")
    if not roles:
        raise invalid_value("workspace: select a workspace")
    _check_reach(by, roles)


def _check_number(pending: Sequence[Item], by: Inviter, roles: Mapping[str, object]) -> None:
    """Refuse an invitation beyond the limits of its inviter and of its workspaces.

    The command line has no limit, so that nobody can keep an operator from inviting.
    """
    if by.admin is None:
        return
    if sum(item.body.get("admin") == by.admin for item in pending) >= _MOST_BY_ONE:
        raise ScimError(
            409,
            f"{_MOST_BY_ONE:,} invitations that you have made are pending. Revoke some of them"
            " first.",
        )
    for place in roles:
        if sum(place in item.body["roles"] for item in pending) >= MOST_PENDING:
            where = "all workspaces" if place == EVERYWHERE else "this workspace"
            raise ScimError(
                409,
                f"{MOST_PENDING:,} invitations to {where} are pending. Revoke some of them first.",
            )


def _superfluous(found: Sequence[Item], now: datetime) -> list[Item]:
    """Return the expired invitations that need not be kept.

    Those are the ones that have expired long ago, and all but the newest of each inviter.
    """
    old, kept = timestamp(now - _KEPT), Counter[str | None]()
    swept = []
    for item in sorted(found, key=lambda item: str(item.body["expires"]), reverse=True):
        if item.body["expires"] > timestamp(now):
            continue
        inviter = item.body.get("admin")
        kept[inviter] += 1
        if item.body["expires"] <= old or kept[inviter] > _MOST_EXPIRED:
            swept.append(item)
    return swept


def _check_reach(by: Inviter, roles: Mapping[str, Sequence[str]]) -> None:
    for place, permissions in roles.items():
        refused = beyond(by.reach(place), permissions)
        if refused:
            raise forbidden(
                f"You cannot give permissions that you do not have: {', '.join(refused)}"
            )


def _item(made: Invitation, admin: str | None) -> Item:
    body: Json = {
        "roles": made.roles,
        "expires": made.expires,
        "name": made.name,
        "invitedBy": made.invited_by,
        "created": made.created,
        "admin": admin,
    }
    return Item(INSTALLATION, INVITATION_KIND, made.id, body)


def _invitation(item: Item) -> Invitation:
    """Read an invitation; those of earlier versions have only roles and a time."""
    body = item.body
    return Invitation(
        item.id,
        body["roles"],
        body["expires"],
        body.get("name", ""),
        body.get("invitedBy", ""),
        body.get("created", ""),
    )


def _asked(item: Item) -> str:
    """Return whom to ask for a new invitation."""
    return item.body.get("invitedBy") or "an administrator"


def _note(found: Invitation, action: str, origin: ChangeOrigin, **extra: Json) -> Note:
    document = orjson.dumps(
        {"name": found.name, "roles": found.roles, "expires": found.expires, **extra}
    )
    return Note(INSTALLATION, origin, "Invitation", found.id, action, document)
