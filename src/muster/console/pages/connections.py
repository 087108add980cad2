"""Connections in the console: list, create, change, pause, resume and delete; their credentials."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from muster.access import allowlist
from muster.access.connections import OVERRIDES, OWNERSHIPS, PROVIDERS, Connection, Connections
from muster.access.keys import KeyOptions, Keys, state_of
from muster.access.oauth.clients import PRIVATE_KEY, SECRET, OAuthClients
from muster.access.oauth.trusts import Trusts
from muster.access.origins import CredentialOrigins
from muster.access.permissions import ADMIN, SCIM, SETTINGS
from muster.access.roles import Roles, check_permissions
from muster.access.settings import CONTRACTS, GUARD_MODES, NUMBERS
from muster.base import clock
from muster.base.clock import timestamp
from muster.base.outbound import is_absolute_url
from muster.console.pages.settings import allowlist_of, allowlist_text
from muster.console.providers import TITLES
from muster.console.stamps import check_unchanged, seen, stamp_of
from muster.console.web import PageRoute, Visit
from muster.http.management.models.connections import (
    ConnectionChange,
    NewConnection,
    PauseConnection,
)
from muster.http.management.models.oauth import NewOAuthClient, NewTrust
from muster.http.management.validation import read_body
from muster.http.wire.base_url import SCIM_ROOT
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_value
from muster.storage.port.accounts import Workspace
from muster.storage.port.engine import Storage
from muster.storage.records.requests import RequestFilter, RequestStore

_LATEST = 10
_MAX_KEY_NAME = 200
_OVERLAPS = {"0": 0, "3600": 3600, "86400": 86400, "604800": 604800}
_WORDS: Mapping[object, str] = {
    "rfc7644": "RFC 7644",
    "cortex": "Cortex",
    "hold": "Hold changes for review",
    "pause": "Pause the connection",
    "watch": "Warn only",
    "off": "Off",
    True: "On",
    False: "Off",
    None: "Server default",
    "": "No reads",
    (): "All addresses",
}
_SWITCHES = ("strict", "automaticProvisioning", "automaticDeprovisioning")
_CHOICES = {"contract": CONTRACTS, "guardMode": GUARD_MODES}
_NUMBERS = ("rateLimit", "guardShare", "guardLeast")
_LABELS = {
    "strict": "Strict mode",
    "contract": "Response status codes",
    "rateLimit": "Rate limit per key (requests per minute)",
    "automaticProvisioning": "Automatic provisioning",
    "automaticDeprovisioning": "Automatic deprovisioning",
    "guardMode": "Deprovisioning guard",
    "guardShare": "Guard limit: percentage of users per hour",
    "guardLeast": "Guard limit: users always allowed",
}
"""The settings of the form, in its order."""


class ConnectionPages:
    """The pages of connections.

    Args:
        private: Whether keys may be fetched without TLS and from private addresses.
    """

    def __init__(
        self,
        storage: Storage,
        connections: Connections,
        origins: CredentialOrigins,
        keys: Keys,
        clients: OAuthClients,
        trusts: Trusts,
        requests: RequestStore,
        private: bool,
    ) -> None:
        self._storage = storage
        self._connections = connections
        self._origins = origins
        self._keys = keys
        self._roles = Roles(storage)
        self._clients = clients
        self._trusts = trusts
        self._requests = requests
        self._schemes = ("https", "http") if private else ("https",)

    def __iter__(self) -> Iterator[PageRoute]:
        root = "/w/{workspace}/connections"
        one = f"{root}/{{id}}"
        yield PageRoute("GET", root, SETTINGS, self.show)
        yield PageRoute("POST", root, SETTINGS, self.create)
        yield PageRoute("GET", one, SETTINGS, self.show_one)
        yield PageRoute("POST", one, SETTINGS, self.edit)
        yield PageRoute("POST", f"{one}/pause", SETTINGS, self.pause)
        yield PageRoute("POST", f"{one}/resume", SETTINGS, self.resume)
        yield PageRoute("POST", f"{one}/delete", SETTINGS, self.delete, (SCIM,))
        yield PageRoute("POST", f"{one}/keys", SETTINGS, self.create_key, (SCIM,))
        clients = f"{one}/oauth-clients"
        yield PageRoute("POST", clients, SETTINGS, self.create_client, (SCIM,))
        yield PageRoute("POST", f"{clients}/{{client}}/rotate", SETTINGS, self.rotate, (SCIM,))
        ended = f"{clients}/{{client}}/delete"
        yield PageRoute("POST", ended, SETTINGS, self.delete_client, (SCIM,))
        yield PageRoute("POST", f"{one}/trusts", SETTINGS, self.create_trust, (SCIM,))
        ended = f"{one}/trusts/{{trust}}/delete"
        yield PageRoute("POST", ended, SETTINGS, self.delete_trust, (SCIM,))

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        """Show the connections, and the form for a new one."""
        workspace = visit.there().id
        owned = await self._connections.owned(workspace)
        last = await self._last_used(workspace)
        every = await self._connections.all(workspace)
        origins = await self._origins.of(workspace)
        active = {
            f"key:{key.id}": state_of(key, clock.now()) == "active"
            for key in await self._storage.keys(workspace)
        }
        credentials = {
            one.id: sum(active.get(actor, True) for actor in origins.actors(one.id))
            for one in every
        }
        return visit.render(
            "connections.html",
            status,
            rows=every,
            owned=owned,
            last=last,
            credentials=credentials,
            titles=TITLES,
            providers=PROVIDERS,
            ownerships=OWNERSHIPS,
            typed={name: visit.text(name) for name in ("name", "provider", "ownership")},
            error=error,
            said=visit.flashed.get("said", ""),
        )

    async def _last_used(self, workspace: int) -> dict[str, str]:
        """Return the time of the last request with a key of each connection."""
        found: dict[str, str] = {}
        for key in await self._storage.keys(workspace):
            if key.last_used:
                owner = key.connection or "default"
                found[owner] = max(found.get(owner, ""), key.last_used)
        for one in await self._connections.all(workspace):
            latest = await self._latest(workspace, one, 1)
            if latest:
                found[one.id] = max(found.get(one.id, ""), latest[0].time)
        return found

    async def _latest(self, workspace: int, connection: Connection, limit: int) -> list[Any]:
        """Return the latest recorded requests of a connection."""
        keys = (await self._origins.of(workspace)).credentials(connection.id)
        if not keys:
            return []
        return list(await self._requests.find(workspace, RequestFilter(keys=keys, limit=limit)))

    async def create(self, visit: Visit) -> Response:
        given = {name: visit.text(name) for name in ("name", "provider", "ownership")}
        try:
            body = read_body(NewConnection, {name: value for name, value in given.items() if value})
            made = await self._connections.create(visit.administrator, body.changes())
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        said = f'Connection "{made.name}" was created. Create a credential for it below.'
        return await visit.redirect_with(f"./connections/{made.id}", said=said)

    async def show_one(
        self, visit: Visit, status: int = 200, error: str = "", typed: bool = False
    ) -> Response:
        """Show a connection with its settings, credentials and latest requests.

        Args:
            visit: The visit.
            status: The status of the answer.
            error: The error of the form that was sent.
            typed: Whether to show what was typed, as after an error.
        """
        typed = typed or bool(error)
        workspace = visit.there()
        one = await self._one(visit)
        owned = (await self._connections.owned(workspace.id)).get(one.id, {})
        now = clock.now()
        keys = [
            (key, state_of(key, now))
            for key in await self._storage.keys(workspace.id)
            if (key.connection or "default") == one.id
        ]
        requests = visit.opens("/requests")
        return visit.render(
            "connection.html",
            status,
            one=one,
            owned=owned,
            titles=TITLES,
            providers=PROVIDERS,
            settings=_settings(visit, workspace, one, typed),
            typed=_typed(visit, one, typed),
            seen=seen(visit, one.shown(), error),
            keys=sorted(keys, key=lambda item: (item[1] == "revoked", item[0].created)),
            names={key.id: key.name for key, _ in keys},
            clients=await self._clients.all(workspace.id, one.id),
            trusts=await self._trusts.all(workspace.id, one.id),
            now=timestamp(now),
            latest=await self._latest(workspace.id, one, _LATEST) if requests else [],
            base=visit.base.base(visit.request),
            scim=visit.base.base(visit.request) + SCIM_ROOT,
            error=error,
            **{"said": "", "token": "", "secret": "", "client": "", **visit.flashed},
        )

    async def edit(self, visit: Visit) -> Response:
        """Save the settings; another allowlist is shown for review first."""
        one = await self._one(visit)
        if visit.text("edit") == "on":
            return await self.show_one(visit, typed=True)
        raw: dict[str, Any] = {name: visit.text(name) for name in ("name", "provider", "ownership")}
        try:
            raw |= {name: _switch(visit.text(name)) for name in _SWITCHES}
            raw |= {name: visit.text(name) or None for name in _CHOICES}
            raw |= {name: _number(visit, name) for name in _NUMBERS}
            own = visit.text("restrict") == "on"
            raw["ipAllowlist"] = allowlist_of(visit.text("ipAllowlist")) if own else None
            given = read_body(ConnectionChange, raw).changes()
            check_unchanged(visit, one.shown())
            blocks = one.overrides.get("ip_allowlist")
            if given["ip_allowlist"] != blocks and visit.text("reviewed") != "on":
                return await self._review(visit, one, given)
            changed = await self._connections.change(visit.administrator, one.id, given)
        except ScimError as error:
            return await self.show_one(visit, error.status, error.detail)
        return await self._done(visit, one, f'Connection "{changed.name}" was saved.')

    async def _review(self, visit: Visit, one: Connection, given: Mapping[str, Any]) -> Response:
        """Show a change of the allowlist before it is saved, with the clients that it blocks.

        Args:
            visit: The visit.
            one: The connection.
            given: The new values, by attribute.
        """
        workspace = visit.there()
        before, blocks = one.through(workspace).ip_allowlist, given["ip_allowlist"]
        now = allowlist.networks(before)
        then = allowlist.networks(workspace.ip_allowlist if blocks is None else blocks)
        credentials = (await self._origins.of(workspace.id)).credentials(one.id)
        known = [
            (address, time)
            for address, time in await self._requests.addresses(workspace.id, credentials)
            if not now or allowlist.admits(now, address)
        ]
        return visit.render(
            "settings_review.html",
            place=visit.url(f"./connections/{one.id}"),
            changes=_changes(one, given),
            changed=False,
            known=known,
            blocked=[item for item in known if then and not allowlist.admits(then, item[0])],
            fields=visit.fields_to_repeat(),
            seen=stamp_of(one.shown()),
        )

    async def pause(self, visit: Visit) -> Response:
        one = await self._one(visit)
        try:
            body = read_body(PauseConnection, {"reason": visit.text("reason")})
            await self._connections.pause(visit.administrator, one.id, body.reason.strip())
        except ScimError as error:
            return await self.show_one(visit, error.status, error.detail)
        return await self._done(visit, one, f'Connection "{one.name}" was paused.')

    async def resume(self, visit: Visit) -> Response:
        one = await self._one(visit)
        await self._connections.resume(visit.administrator, one.id)
        return await self._done(visit, one, f'Connection "{one.name}" was resumed.')

    async def delete(self, visit: Visit) -> Response:
        one = await self._one(visit)
        try:
            await self._roles.check_deletable(visit.there().id, visit.permissions, one.id)
            await self._connections.delete(visit.administrator, one.id, visit.text("confirm"))
        except ScimError as error:
            detail = error.detail
            if one.stored_id is not None and error.status == 409:
                detail = f'confirm: enter the name of the connection, "{one.name}"'
            return await self.show_one(visit, error.status, detail)
        said = f'Connection "{one.name}" was deleted, and its credentials were revoked.'
        return await visit.redirect_with("./connections", said=said)

    async def create_key(self, visit: Visit) -> Response:
        one, by = await self._one(visit), visit.administrator
        name = visit.text("keyName")
        try:
            if not 0 < len(name) <= _MAX_KEY_NAME:
                raise invalid_value("keyName: enter a name of 1 to 200 characters")
            permissions = check_permissions(by.permissions, [SCIM], (ADMIN,))
            options = KeyOptions(permissions, connection=one.stored_id)
            token, _ = await self._keys.create_named(by.workspace, name, options, by)
        except ScimError as error:
            detail = error.detail.replace("name: ", "keyName: ", 1)
            return await self.show_one(visit, error.status, detail)
        return await self._done(visit, one, f'Key "{name}" was created.', token=token)

    async def create_client(self, visit: Visit) -> Response:
        one, uri = await self._one(visit), visit.text("jwksUri")
        try:
            auth = PRIVATE_KEY if visit.text("auth") == PRIVATE_KEY else SECRET
            if auth == PRIVATE_KEY and not is_absolute_url(uri, self._schemes):
                raise invalid_value("jwksUri: expected an absolute https URL")
            body = read_body(NewOAuthClient, {"name": visit.text("clientName"), "auth": auth})
            made, secret = await self._clients.create(
                visit.administrator,
                one.id,
                body.name,
                auth,
                None,
                uri if auth == PRIVATE_KEY else None,
            )
        except ScimError as error:
            detail = error.detail.replace("name: ", "clientName: ", 1)
            return await self.show_one(visit, error.status, detail)
        said = f'OAuth client "{made.name}" was created.'
        return await self._done(visit, one, said, secret=secret or "", client=made.id)

    async def rotate(self, visit: Visit) -> Response:
        one = await self._one(visit)
        client = await self._clients.get(visit.there().id, one.id, visit.names["client"])
        overlap = timedelta(seconds=_OVERLAPS.get(visit.text("overlap"), 0))
        try:
            _, secret = await self._clients.rotate(visit.administrator, client, overlap)
        except ScimError as error:
            return await self.show_one(visit, error.status, error.detail)
        said = f'The secret of "{client.name}" was rotated.'
        return await self._done(visit, one, said, secret=secret, client=client.id)

    async def delete_client(self, visit: Visit) -> Response:
        one = await self._one(visit)
        client = await self._clients.get(visit.there().id, one.id, visit.names["client"])
        await self._clients.delete(visit.administrator, client)
        return await self._done(visit, one, f'OAuth client "{client.name}" was deleted.')

    async def create_trust(self, visit: Visit) -> Response:
        one = await self._one(visit)
        given = {name: visit.text(name) for name in ("issuer", "audience", "subject", "tenant")}
        try:
            if not is_absolute_url(given["issuer"], self._schemes):
                raise invalid_value("issuer: expected an absolute https URL")
            body = read_body(NewTrust, {name: value for name, value in given.items() if value})
            await self._trusts.create(
                visit.administrator, one.id, body.issuer, body.audience, body.subject, body.tenant
            )
        except ScimError as error:
            return await self.show_one(visit, error.status, error.detail)
        said = f"Tokens of {given['subject']} are accepted now."
        return await self._done(visit, one, said)

    async def delete_trust(self, visit: Visit) -> Response:
        one = await self._one(visit)
        trust = await self._trusts.get(visit.there().id, one.id, visit.names["trust"])
        await self._trusts.delete(visit.administrator, trust)
        return await self._done(visit, one, f"Tokens of {trust.subject} are no longer accepted.")

    async def _one(self, visit: Visit) -> Connection:
        """Return the connection of the page. Raises ScimError 404."""
        return await self._connections.get(visit.there().id, visit.names["id"])

    async def _done(self, visit: Visit, one: Connection, said: str, **shown: str) -> Response:
        return await visit.redirect_with(f"./connections/{one.id}", said=said, **shown)


def _settings(
    visit: Visit, workspace: Workspace, one: Connection, refused: bool
) -> list[dict[str, Any]]:
    """Return the settings for the form, each with its choices and the workspace's value.

    Args:
        visit: The visit.
        workspace: The workspace.
        one: The connection.
        refused: Whether to show what was typed.
    """
    found = []
    for name, label in _LABELS.items():
        own, attribute = one.overrides.get(OVERRIDES[name]), OVERRIDES[name]
        choices: list[tuple[str, str]] = []
        if name in _SWITCHES:
            choices = [("on", "On"), ("off", "Off")]
            text = "" if own is None else "on" if own else "off"
        else:
            choices = [(value, _WORDS[value]) for value in _CHOICES.get(name, ())]
            text = "" if own is None else str(own)
        inherited = getattr(workspace, attribute)
        words = _WORDS.get(inherited, str(inherited)) if name not in _NUMBERS else str(inherited)
        if name in _NUMBERS and inherited is None:
            words = "server default"
        found.append(
            {
                "name": name,
                "label": label,
                "value": visit.text(name) if refused and name in visit.fields else text,
                "choices": choices,
                "inherited": words.lower() if name in _SWITCHES else words,
            }
        )
    return found


def _changes(one: Connection, given: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the label, the old and the new value in words of each member that differs.

    Args:
        one: The connection.
        given: The new values, by attribute.
    """
    labels = {"name": "Name", "provider": "Provider", "ownership": "Ownership"}
    labels |= {**_LABELS, "ipAllowlist": "IP allowlist"}
    current = one.shown()
    found = []
    for name, label in labels.items():
        was, now = current[name], given[OVERRIDES.get(name, name)]
        if name == "ipAllowlist":
            was, now = (None if each is None else tuple(each) for each in (was, now))
        if was != now:
            found.append((label, _in_words(name, was), _in_words(name, now)))
    return found


def _in_words(name: str, value: Any) -> str:
    """Return a member of a connection as text."""
    if value is None:
        return "As in the workspace"
    if name == "ipAllowlist":
        return ", ".join(value) or _WORDS[()]
    if name in (*_NUMBERS, "name"):
        return str(value)
    return TITLES[value] if name == "provider" else _WORDS.get(value, str(value).capitalize())


def _typed(visit: Visit, one: Connection, refused: bool) -> dict[str, Any]:
    """Return the other values of the forms: those of the connection, or those that were refused."""
    allowed = one.overrides.get("ip_allowlist")
    typed: dict[str, Any] = {
        "name": one.name,
        "provider": one.provider,
        "ownership": one.ownership,
        "restrict": allowed is not None,
        "ipAllowlist": allowlist_text(allowed or (), one.overrides.get("ip_descriptions", ())),
    }
    others = ("reason", "keyName", "clientName", "auth", "jwksUri")
    typed |= dict.fromkeys((*others, "issuer", "audience", "subject", "tenant"), "")
    if refused:
        typed |= {name: visit.text(name) for name in typed if name in visit.fields}
        if "name" in visit.fields:
            typed["restrict"] = visit.text("restrict") == "on"
    return typed


def _switch(text: str) -> bool | None:
    """Return whether a switch is on; None if it is the workspace's."""
    return None if not text else text == "on"


def _number(visit: Visit, name: str) -> int | None:
    """Return the number that was typed; None for the workspace's.

    Raises:
        ScimError: It is not a number, or out of bounds.
    """
    text, (least, most) = visit.text(name), NUMBERS[name]
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise invalid_value(f"{name}: enter a whole number from {least:,} to {most:,}")
    return int(text)
