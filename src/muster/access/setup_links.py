"""Set-up links: pages for a customer's administrator, who connects a provider without an account.

A link is scoped to one connection of one workspace. Its token is stored as a hash. The progress of
the set-up is stored with the link, so that its page goes on where it was left, on any device.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlsplit

from muster.access.audit_notes import Administrator
from muster.access.claims import claimed, read_claim
from muster.access.connections import PROVIDERS, Connection, Connections
from muster.access.kept_answers import Kept, keep_nothing
from muster.access.lifecycle import closed_because
from muster.base import clock
from muster.base.clock import timestamp
from muster.base.outbound import MAX_URL
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts, Workspace
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item

LINK_KIND, TOKEN_KIND = "setup-link", "setup-link-token"
MAX_LINKS = 1_000
"""Links of one workspace that work."""
MAX_ENDED = 1_000
"""Links of one workspace that are over, and are still listed; their pages say why."""
MAX_DAYS = 30
MAX_CONTACT = 200
STEPS = ("provider", "credential", "mapping", "test", "users", "done")
"""The steps of a set-up, in order."""
_SAME_OPENING = timedelta(minutes=1)
"""The time within which a page that is opened from one address again counts as opened once."""
_TRIES = 5
_COUNT_KIND, _COUNT_ID = "setup-link-count", "latest"
"""The item that every new link rewrites, so that two at once do not both pass the limit."""


class SetupOver(ScimError):
    """410: a set-up link does not work any more, for the reason that it says."""

    def __init__(self, detail: str, back: str = "") -> None:
        super().__init__(410, detail)
        self.back = back


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential that a set-up made.

    Attributes:
        kind: `key`, `oauth-client` or `trust`.
        id: The id of the key, client or trust.
        created: The time of creation.
    """

    kind: str
    id: str
    created: str


@dataclass(frozen=True, slots=True)
class SetupLink:
    """A set-up link.

    Attributes:
        id: Its id.
        digest: The hash of its token.
        connection: The id of the connection that it sets up.
        provider: The provider that was chosen; empty for none yet.
        expires: The time until which it works.
        created: The time of creation.
        created_by: The actor that created it.
        return_url: The URL to return to when the set-up is done; empty for none.
        contact: Whom to ask for help: an address or a sentence; empty for none.
        step: The step that the set-up has reached, one of STEPS.
        credential: The credential that it made last; None for none yet.
        opened: The time at which its page was opened first; empty if it has not been.
        last_opened: The time at which its page was opened last; empty if it has not been.
        last_address: The address from which it was opened last.
        finished: The time at which the set-up was finished; empty if it has not been.
        revoked: The time at which it was revoked; empty if it has not been.
    """

    id: str
    digest: str
    connection: str
    provider: str
    expires: str
    created: str
    created_by: str
    return_url: str = ""
    contact: str = ""
    step: str = STEPS[0]
    credential: Credential | None = None
    opened: str = ""
    finished: str = ""
    revoked: str = ""
    last_opened: str = ""
    last_address: str = ""

    @property
    def state(self) -> str:
        """`revoked`, `expired`, `finished`, `opened` or `new`."""
        if self.revoked:
            return "revoked"
        if self.expires <= timestamp():
            return "expired"
        if self.finished:
            return "finished"
        return "opened" if self.opened else "new"

    @property
    def works(self) -> bool:
        """Whether its page can be used. A finished set-up can still be looked at and repeated."""
        return not self.revoked and self.expires > timestamp()

    @property
    def ended(self) -> str:
        """The time from which it does not work."""
        return min(filter(None, (self.revoked, self.expires)))

    @property
    def actor(self) -> str:
        """The actor of the audit log for the acts of its page."""
        return f"setup:{self.id}"

    def reached(self, step: str) -> bool:
        """Return whether the set-up has come as far as a step."""
        return STEPS.index(self.step) >= STEPS.index(step)

    def to_item(self, workspace: int) -> Item:
        """Return the item that stores the link."""
        made = self.credential
        body: Json = {
            "digest": self.digest,
            "connection": self.connection,
            "provider": self.provider,
            "expires": self.expires,
            "created": self.created,
            "createdBy": self.created_by,
            "returnUrl": self.return_url,
            "contact": self.contact,
            "step": self.step,
            "credential": made and {"kind": made.kind, "id": made.id, "created": made.created},
            "opened": self.opened,
            "finished": self.finished,
            "revoked": self.revoked,
            "lastOpened": self.last_opened,
            "lastAddress": self.last_address,
        }
        return Item(workspace, LINK_KIND, self.id, body)


@dataclass(frozen=True, slots=True)
class NewLink:
    """The terms of a new link.

    Attributes:
        connection: The connection that it sets up.
        provider: The provider, one of PROVIDERS; None to let the page ask, if the connection has
            none.
        days: How long it works, in days.
        return_url: The URL to return to when the set-up is done; empty for none.
        contact: Whom to ask for help; empty for nobody.
    """

    connection: Connection
    provider: str | None = None
    days: int = 7
    return_url: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """A link that works, with the workspace and the connection that it belongs to."""

    workspace: Workspace
    link: SetupLink
    connection: Connection


class SetupLinks:
    """Creates, lists, revokes and follows set-up links."""

    def __init__(self, accounts: Accounts, connections: Connections) -> None:
        self._accounts = accounts
        self.connections = connections

    async def all(self, workspace: int) -> Sequence[SetupLink]:
        """Return the links of a workspace, oldest first, with those that are over."""
        found = map(link_from_item, await self._accounts.items(workspace, LINK_KIND))
        return sorted(found, key=lambda link: (link.created, link.id))

    async def get(self, workspace: int, link_id: str) -> SetupLink:
        """Return a link.

        Raises:
            ScimError: 404 if it does not exist.
        """
        item = await self._accounts.item(workspace, LINK_KIND, link_id)
        if item is None:
            raise not_found(f"Set-up link {link_id[:100]!r} not found.")
        return link_from_item(item)

    async def create(
        self,
        by: Administrator,
        terms: NewLink,
        keep: Callable[[str, SetupLink], Kept] = keep_nothing,
    ) -> tuple[str, SetupLink]:
        """Create a link.

        Args:
            by: The creator.
            terms: Its terms.
            keep: Returns the items to store in the same transaction, by the token and the link.

        Returns:
            Its token, which is not stored, and the link.

        Raises:
            ScimError: 400 if the terms are invalid; 409 if the workspace has too many links.
        """
        if terms.provider is not None and terms.provider not in PROVIDERS:
            raise invalid_value(f"provider: choose one of {', '.join(PROVIDERS)}")
        if not 1 <= terms.days <= MAX_DAYS:
            raise invalid_value(f"expiresInDays: expected a number from 1 to {MAX_DAYS}")
        workspace, connection = by.workspace.id, terms.connection
        provider = terms.provider or ("" if connection.provider == "other" else connection.provider)
        token, now = secrets.token_urlsafe(32), clock.now()
        made = SetupLink(
            secrets.token_hex(8),
            digest(token),
            connection.id,
            provider,
            timestamp(now + timedelta(days=terms.days)),
            timestamp(now),
            by.origin.actor,
            check_return_url(terms.return_url) if terms.return_url else "",
            check_contact(terms.contact),
            STEPS[1] if provider else STEPS[0],
        )
        note = by.note("SetupLink", made.id, "create", **told(made))
        index = Item(
            INSTALLATION, TOKEN_KIND, made.digest, {"workspace": workspace, "link": made.id}
        )
        kept = keep(token, made)
        for _ in range(_TRIES):
            claim = await read_claim(self._accounts, workspace, _COUNT_KIND, _COUNT_ID)
            links = await self.all(workspace)
            left = sum(link.works for link in links)
            if left >= MAX_LINKS:
                raise ScimError(
                    409,
                    f"The workspace has {left:,} set-up links that work. Revoke some first.",
                )
            puts = [made.to_item(workspace), index, claimed(claim), *kept.puts]
            try:
                await self._accounts.administer(
                    [*puts, *_deletions(workspace, _superfluous(links))],
                    [note, *kept.notes],
                    [claim, *kept.standing],
                )
                return token, made
            except Outdated:
                continue
        raise Outdated

    async def revoke(self, by: Administrator, link_id: str) -> SetupLink:
        """Revoke a link: its page says so. The credentials that it made stay valid.

        Raises:
            ScimError: 404 if it does not exist.
        """
        standing = await self.get(by.workspace.id, link_id)
        if standing.revoked:
            return standing
        return await self._set(
            by, standing, "revoke", lambda link: replace(link, revoked=link.revoked or timestamp())
        )

    async def find(self, token: str) -> Setup:
        """Return the set-up that a token leads to.

        Raises:
            SetupOver: The link is unknown, expired or revoked, or its workspace is suspended.
        """
        unknown = SetupOver(
            "This set-up link is not complete, or is no longer known. Open it again from the"
            " message that contains it, or ask for a new one."
        )
        entry = await self._accounts.item(INSTALLATION, TOKEN_KIND, digest(token))
        if entry is None:
            raise unknown
        workspace = await self._accounts.workspace(entry.body["workspace"])
        item = await self._accounts.item(entry.body["workspace"], LINK_KIND, entry.body["link"])
        if workspace is None or workspace.deleted is not None or item is None:
            raise unknown
        link = link_from_item(item)
        ask = f" Ask {link.contact} for a new one." if link.contact else " Ask for a new one."
        if link.revoked:
            raise SetupOver(f"This set-up link was revoked.{ask}", link.return_url)
        if not link.works:
            raise SetupOver(f"This set-up link has expired.{ask}", link.return_url)
        if closed := closed_because(workspace):
            raise SetupOver(f"{closed} The link works again once it is resumed.", link.return_url)
        every = await self.connections.all(workspace.id)
        connection = next((one for one in every if one.id == link.connection), None)
        if connection is None:
            raise SetupOver(f"The connection of this set-up link no longer exists.{ask}")
        return Setup(workspace, link, connection)

    async def open(self, setup: Setup, origin: ChangeOrigin) -> SetupLink:
        """Record that the page of a link was opened, with the time and the address."""
        now, address = clock.now(), origin.address
        before = timestamp(now - _SAME_OPENING)

        def opened(link: SetupLink) -> SetupLink:
            if link.last_opened > before and link.last_address == address:
                return link
            first = link.opened or timestamp(now)
            return replace(link, opened=first, last_opened=timestamp(now), last_address=address)

        return await self._set(by_link(setup, origin), setup.link, "open", opened)

    async def choose(self, setup: Setup, provider: str, origin: ChangeOrigin) -> SetupLink:
        """Choose the provider; the connection takes it over.

        Raises:
            ScimError: 400 if the provider is unknown.
        """
        if provider not in PROVIDERS:
            raise invalid_value(f"provider: choose one of {', '.join(PROVIDERS)}")
        by = by_link(setup, origin)

        def chosen(link: SetupLink) -> SetupLink:
            step = link.step if link.reached(STEPS[1]) else STEPS[1]
            return replace(link, provider=provider, step=step)

        link = await self._set(by, setup.link, "choose", chosen)
        await self.connections.change(by, link.connection, {"provider": provider})
        return link

    async def advance(self, setup: Setup, step: str, origin: ChangeOrigin) -> SetupLink:
        """Record that the set-up has come to a step; going back to one changes nothing."""
        if step not in STEPS:
            raise invalid_value(f"step: choose one of {', '.join(STEPS)}")

        def advanced(link: SetupLink) -> SetupLink:
            if step == STEPS[-1]:
                return replace(link, step=step, finished=link.finished or timestamp())
            return link if link.reached(step) else replace(link, step=step)

        action = "finish" if step == STEPS[-1] else "step"
        return await self._set(by_link(setup, origin), setup.link, action, advanced)

    async def claim_credential(
        self, setup: Setup, kind: str, origin: ChangeOrigin
    ) -> Callable[[str], Kept]:
        """Prepare to record the credential that a set-up makes, in the transaction that makes it.

        Of several requests at once, such as a double click, one makes a credential.

        Returns:
            A function that returns the items to store with the credential, by its id.

        Raises:
            Outdated: Another request has made one meanwhile.
            SetupOver: The link was revoked meanwhile.
        """
        workspace, by = setup.workspace.id, by_link(setup, origin)
        item = await self._accounts.item(workspace, LINK_KIND, setup.link.id)
        link = setup.link if item is None else link_from_item(item)
        if item is None or link.credential != setup.link.credential:
            raise Outdated
        if link.revoked:
            raise SetupOver("This set-up link was revoked.", link.return_url)

        def keep(credential_id: str) -> Kept:
            changed = replace(link, credential=Credential(kind, credential_id, timestamp()))
            note = _change_note(by, "credential", link, changed)
            return Kept([changed.to_item(workspace)], [item], [note])

        return keep

    async def _set(
        self,
        by: Administrator,
        link: SetupLink,
        action: str,
        change: Callable[[SetupLink], SetupLink],
    ) -> SetupLink:
        """Change a link, retrying if it changes concurrently.

        Raises:
            ScimError: 404 if it was deleted meanwhile.
            SetupOver: It was revoked meanwhile.
        """
        workspace = by.workspace.id
        for _ in range(_TRIES):
            item = await self._accounts.item(workspace, LINK_KIND, link.id)
            if item is None:
                raise not_found("Set-up link not found.")
            standing = link_from_item(item)
            if standing.revoked and action != "revoke":
                raise SetupOver("This set-up link was revoked.", standing.return_url)
            changed = change(standing)
            if changed == standing:
                return standing
            note = _change_note(by, action, standing, changed)
            try:
                await self._accounts.administer([changed.to_item(workspace)], [note], [item])
                return changed
            except Outdated:
                continue
        raise Outdated


def _change_note(by: Administrator, action: str, before: SetupLink, after: SetupLink) -> Note:
    """Return the audit log entry for a change of a link, with the members that differ."""
    was, now = told(before), told(after)
    different = {name: now.get(name) for name in {*was, *now} if was.get(name) != now.get(name)}
    return by.note("SetupLink", after.id, action, connection=after.connection, **different)


def by_link(setup: Setup, origin: ChangeOrigin) -> Administrator:
    """Return the actor of a set-up, who may configure the connection and nothing else."""
    made = replace(origin, actor=setup.link.actor)
    return Administrator(setup.workspace, made, ())


def digest(token: str) -> str:
    """Return the hash of a token. The token has 256 random bits, so it needs no salt."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def check_contact(text: str) -> str:
    """Return whom to ask for help, if the page may show it.

    Raises:
        ScimError: 400 if it is too long or has control characters.
    """
    if len(text) > MAX_CONTACT or not text.isprintable():
        raise invalid_value(
            f"contact: expected at most {MAX_CONTACT} characters, without control characters"
        )
    return text.strip()


def check_return_url(url: str) -> str:
    """Return a URL, if the page may lead back to it.

    Raises:
        ScimError: 400 if it is not an absolute HTTPS URL; HTTP is allowed for loopback.
    """
    refused = invalid_value("returnUrl: expected an absolute URL that begins with https://")
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise refused
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise refused from None
    loopback = host in ("localhost", "127.0.0.1", "::1")
    if not host or parts.username is not None or "\\" in url:
        raise refused
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise refused
    return url


def told(link: SetupLink) -> dict[str, Json]:
    """Return the link for the audit log, without its hash; empty values are left out."""
    body: Mapping[str, Json] = link.to_item(0).body
    return {name: value for name, value in body.items() if value and name != "digest"}


def link_from_item(item: Item) -> SetupLink:
    """Return the link that an item stores."""
    body = item.body
    made = body["credential"]
    return SetupLink(
        item.id,
        body["digest"],
        body["connection"],
        body["provider"],
        body["expires"],
        body["created"],
        body["createdBy"],
        body["returnUrl"],
        body["contact"],
        body["step"],
        None if made is None else Credential(**made),
        body["opened"],
        body["finished"],
        body["revoked"],
        body.get("lastOpened", body["opened"]),
        body.get("lastAddress", ""),
    )


async def forget_links(accounts: Accounts, workspace: int, oldest: str | None = None) -> None:
    """Delete links of a workspace, so that their tokens are unknown.

    Args:
        accounts: The storage.
        workspace: The id of the workspace.
        oldest: Delete only links that ended before this time; None for all links.
    """
    links = map(link_from_item, await accounts.items(workspace, LINK_KIND))
    gone = [link for link in links if oldest is None or link.ended < oldest]
    if gone:
        await accounts.record([], _deletions(workspace, gone))


def _superfluous(links: Sequence[SetupLink]) -> Sequence[SetupLink]:
    """Return the links that ended first, beyond the number that is kept."""
    over = sorted((link for link in links if not link.works), key=lambda link: link.ended)
    return over[: max(0, len(over) - MAX_ENDED)]


def _deletions(workspace: int, links: Sequence[SetupLink]) -> list[Item]:
    """Return the items that delete links and their tokens."""
    return [
        deleted
        for link in links
        for deleted in (
            Item(workspace, LINK_KIND, link.id, None),
            Item(INSTALLATION, TOKEN_KIND, link.digest, None),
        )
    ]
