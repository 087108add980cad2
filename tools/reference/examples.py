"""Examples of bodies and answers: what a running service was sent, and what it answered.

A script below asks for each operation once, in an order in which each request succeeds. The body
of a request is the example of the OpenAPI document unless the script gives another one, so the
examples of the API page are tried too. Ids and secrets are replaced by others that stay the same.
"""

import contextlib
import functools
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from unittest import mock

from muster.access.openid import OpenId
from muster.app import Muster
from muster.events.webhooks.sender import Sender, SendResult
from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import GROUP, USER
from tools.reference import shapes
from tools.reference.markdown import CUT
from tools.reference.running import Json, Running, Stable, run, running

_MOST = 2
"""The elements of a list that an example shows; the others are left out."""
_ROOT, _SCIM, _PLATFORM = "/api/v1", "/scim/v2", "/api/v1/platform"
_DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
_BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
_PUBLIC_KEY = {"kty": "RSA", "use": "sig", "kid": "1", "n": "w" * 342, "e": "AQAB"}
"""The shape of an RSA key of 2,048 bits, which verifies nothing here."""
_WELL_KNOWN = "/.well-known/openid-configuration"
_SECRET = re.compile(
    r"(?<=\"eyJ)[\w.-]{60,}(?=\")"
    r"|(?<=\"whsec_)[\w+/=]{40,}(?=\")"
    r"|(?<=[/=\"])[\w-]{43}(?=\")"
)
"""API keys and access tokens, secrets of webhooks, and other 32 random bytes."""
_DURATION = re.compile(r'(?<="milliseconds": )\d+')
_MODEL: Json = {}
"""Stands for the body that the OpenAPI document gives as an example."""


class Example(NamedTuple):
    """A request of the script, and its answer.

    Attributes:
        body: The body that was sent, if any.
        answer: The body of the answer; None if it has none.
        status: The status of the answer.
    """

    body: Any
    answer: Any
    status: int


@functools.cache
def examples() -> Mapping[tuple[str, str], Example]:
    """Return the first example of each operation, by its method and path."""
    found: Mapping[tuple[str, str], Example] = run(_collect())
    return found


@functools.cache
def errors() -> Mapping[str, Json]:
    """Return an error of SCIM (`scim`) and one of the management API (`management`)."""
    found: Mapping[str, Json] = run(_refuse())
    return found


async def _refuse() -> Mapping[str, Json]:
    async with running() as service:
        scim = await service.ask("GET", f"{_SCIM}/Users?filter=userName eq")
        managed = await service.ask("POST", f"{_ROOT}/keys", {"permissions": ["Read directory"]})
        assert (scim.status_code, managed.status_code) == (400, 400)
        return {"scim": scim.json(), "management": managed.json()}


async def _collect() -> Mapping[tuple[str, str], Example]:
    async with _without_chance(), running(key="admin") as service:
        scribe = _Scribe(service)
        await _directory(scribe)
        await _history(scribe)
        await _roles(scribe)
        await _keys(scribe)
        await _connections(scribe)
        await _schemas(scribe)
        await _webhooks(scribe)
        await _guard(scribe)
        await _requests(scribe)
        await _open_pages(scribe)
        await _platform(scribe)
        await scribe.send("POST", f"{_ROOT}/wipe")
        return scribe.stable()


@contextlib.asynccontextmanager
async def _without_chance() -> AsyncIterator[None]:
    """Accept every message to a webhook, answer for identity providers, and note no use of keys."""

    async def post(*_: Any) -> SendResult:
        return SendResult(204, None, 87)

    async def read(_: OpenId, url: str) -> Json:
        issuer = url.removesuffix(_WELL_KNOWN)
        named = {name: f"{issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint")}
        return {"issuer": issuer, **named, "jwks_uri": f"{issuer}/keys", "keys": [_PUBLIC_KEY]}

    async def idle(_: Muster) -> None:
        """Do nothing: the job notes when keys were used at times of its own."""

    with (
        mock.patch.object(Muster, "_record_key_use", idle),
        mock.patch.object(Sender, "post", post),
        mock.patch.object(OpenId, "_json", read),
    ):
        yield


class _Scribe:
    """Sends requests, and notes the first one of each operation with its answer."""

    def __init__(self, service: Running) -> None:
        self.service = service
        self._found: dict[tuple[str, str], Example] = {}

    async def send(
        self, method: str, path: str, body: Json | None = _MODEL, key: str | None = None
    ) -> Any:
        """Send a request that succeeds. Returns the body of its answer.

        Args:
            method: The HTTP method.
            path: The path with its query.
            body: The body; left out for that of the OpenAPI document, or none if it has none.
            key: The credential, if it is not the key of the service.
        """
        operation, content = _operation(method, path.partition("?")[0])
        if body is _MODEL:
            body = shapes.body_example(content)
        answer = await self.service.ask(method, path, body, key)
        assert answer.status_code < 400, f"{method} {path}: {answer.text}"
        given = answer.json() if answer.content else None
        shown = _without_deprecated(given, content["responses"].get(str(answer.status_code), {}))
        self._found.setdefault(operation, Example(body, shown, answer.status_code))
        return given

    def stable(self) -> Mapping[tuple[str, str], Example]:
        """Return the examples with ids, times and secrets that are the same each time."""
        stable = Stable()
        return {
            operation: Example(
                _hidden(stable.value(found.body)),
                _cut(_hidden(stable.value(found.answer))),
                found.status,
            )
            for operation, found in self._found.items()
        }


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str, Json]]:
    """Return the patterns of the paths of the OpenAPI document, the exact ones first."""
    paths: Mapping[str, Json] = shapes.document()["paths"]
    ordered = sorted(paths.items(), key=lambda item: item[0].count("{"))
    return [
        (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), path, item)
        for path, item in ordered
    ]


def _operation(method: str, path: str) -> tuple[tuple[str, str], Json]:
    """Return the method and the path of an operation, and its part of the document."""
    for pattern, name, item in _patterns():
        if pattern.fullmatch(path) and method.lower() in item:
            return (method, name), item[method.lower()]
    raise KeyError(f"{method} {path}")


def _without_deprecated(answer: Any, described: Json) -> Any:
    """Leave out the fields of an answer that clients should not use any more."""
    content = shapes.resolved(described).get("content")
    if not content or not isinstance(answer, dict):
        return answer
    fields = shapes.resolved(shapes.first_media(content)[1]["schema"]).get("properties", {})
    old = {name for name, field in fields.items() if shapes.resolved(field).get("deprecated")}
    return {name: value for name, value in answer.items() if name not in old}


def _hidden(value: Any) -> Any:
    """Replace secrets by an ellipsis, and durations by one that stays the same."""
    text = _SECRET.sub("…", json.dumps(value, ensure_ascii=False))
    return json.loads(_DURATION.sub("4", text))


def _cut(value: Any) -> Any:
    """Leave out what follows the first elements of a list."""
    if isinstance(value, dict):
        return {name: _cut(inner) for name, inner in value.items()}
    if isinstance(value, list):
        shown = [_cut(inner) for inner in value]
        return shown if len(shown) <= _MOST + 1 else [*shown[:_MOST], CUT]
    return value


def _patch(*operations: Json) -> Json:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


async def _user(scribe: _Scribe, name: str) -> str:
    """Create another user. Returns the id."""
    made = await scribe.send(
        "POST", f"{_SCIM}/Users", {"schemas": [USER], "userName": f"{name}@example.com"}
    )
    return str(made["id"])


async def _directory(scribe: _Scribe) -> None:
    users, groups = f"{_SCIM}/Users", f"{_SCIM}/Groups"
    user = (await scribe.send("POST", users))["id"]
    await scribe.send("GET", f'{users}?filter=userName eq "bjensen@example.com"')
    await scribe.send("GET", f"{users}/{user}")
    await scribe.send("PUT", f"{users}/{user}")
    await scribe.send("PATCH", f"{users}/{user}")
    await scribe.send("POST", f"{users}/.search")
    made = {
        "schemas": [GROUP],
        "externalId": "00g1abcd",
        "displayName": "Tour Guides",
        "members": [{"value": user}],
    }
    group = (await scribe.send("POST", groups, made))["id"]
    await scribe.send("GET", f'{groups}?filter=displayName eq "Tour Guides"')
    await scribe.send("GET", f"{groups}/{group}")
    await scribe.send("PUT", f"{groups}/{group}", made)
    added = {"op": "add", "path": "members", "value": [{"value": await _user(scribe, "akim")}]}
    await scribe.send("PATCH", f"{groups}/{group}", _patch(added))
    await scribe.send("POST", f"{groups}/.search")
    await scribe.send("POST", f"{_SCIM}/.search")
    leaver = await _user(scribe, "leaver")
    bulk = shapes.body_example(_operation("POST", f"{_SCIM}/Bulk")[1])
    created, deleted = bulk["Operations"]
    document = {**created["data"], "userName": "mhall@example.com", "externalId": "00u3abcd"}
    await scribe.send(
        "POST",
        f"{_SCIM}/Bulk",
        {
            **bulk,
            "Operations": [
                {**created, "bulkId": "mhall", "data": document},
                {**deleted, "path": f"/Users/{leaver}"},
            ],
        },
    )
    for path in ("ServiceProviderConfig", "ResourceTypes", "ResourceTypes/User", "Schemas"):
        await scribe.send("GET", f"{_SCIM}/{path}")
    await scribe.send("GET", f"{_SCIM}/Schemas/{GROUP}")
    await scribe.send("DELETE", f"{users}/{await _user(scribe, 'guest')}")
    await scribe.send("DELETE", f"{groups}/{group}")


async def _history(scribe: _Scribe) -> None:
    user = await _user(scribe, "smith")
    created = scribe.service.now()
    title = _patch({"op": "replace", "path": "title", "value": "Tour Guide"})
    await scribe.send("PATCH", f"{_SCIM}/Users/{user}", title)
    await scribe.send("GET", f"{_ROOT}/history/{user}")
    await scribe.send("GET", f"{_ROOT}/history/{user}/at?time={created}")
    await scribe.send("POST", f"{_ROOT}/history/{user}/restore", {"time": created})
    sync = await scribe.send("POST", f"{_ROOT}/keys", {"name": "sync"})
    since = scribe.service.now()
    await scribe.send("DELETE", f"{_SCIM}/Users/{user}", None, sync["token"])
    period = {"key": sync["id"], "since": since, "until": scribe.service.now()}
    query = "&".join(f"{name}={value}" for name, value in period.items())
    plan = await scribe.send("GET", f"{_ROOT}/undo?{query}")
    await scribe.send("POST", f"{_ROOT}/undo", {**period, "at": plan["at"], "resources": [user]})


async def _roles(scribe: _Scribe) -> None:
    mappings = f"{_ROOT}/scim/role-mappings"
    user = (
        await scribe.send(
            "POST",
            f"{_SCIM}/Users",
            {"schemas": [USER], "userName": "rlee@example.com", "roles": [{"value": "admins"}]},
        )
    )["id"]
    await scribe.send("POST", f"{mappings}/preview")
    made = await scribe.send("POST", mappings)
    await scribe.send("GET", mappings)
    await scribe.send("GET", f"{_ROOT}/users/{user}/roles")
    await scribe.send("DELETE", f"{mappings}/{made['id']}")


async def _keys(scribe: _Scribe) -> None:
    key = await scribe.send("POST", f"{_ROOT}/keys")
    await scribe.send("GET", f"{_ROOT}/keys/{key['id']}")
    await scribe.send("PATCH", f"{_ROOT}/keys/{key['id']}")
    await scribe.send("POST", f"{_ROOT}/keys/{key['id']}/rotate")
    await scribe.send("GET", f"{_ROOT}/keys")
    await scribe.send("DELETE", f"{_ROOT}/keys/{key['id']}")
    await scribe.send("POST", f"{_ROOT}/roles")
    await scribe.send("GET", f"{_ROOT}/roles")
    await scribe.send("GET", f"{_ROOT}/roles/Auditor")
    await scribe.send("PUT", f"{_ROOT}/roles/Auditor")
    await scribe.send("PATCH", f"{_ROOT}/roles/Auditor")
    await scribe.send("DELETE", f"{_ROOT}/roles/Auditors")
    await scribe.send("PUT", f"{_ROOT}/open-id-connector")
    await scribe.send("GET", f"{_ROOT}/open-id-connector")
    await scribe.send("DELETE", f"{_ROOT}/open-id-connector")
    await scribe.send("POST", f"{_ROOT}/ip-allowlist/validate")


async def _connections(scribe: _Scribe) -> None:
    made = await scribe.send("POST", f"{_ROOT}/connections")
    one = f"{_ROOT}/connections/{made['id']}"
    await scribe.send("GET", f"{_ROOT}/connections")
    await scribe.send("GET", one)
    await scribe.send("PATCH", one)
    key = await scribe.send("POST", f"{_ROOT}/keys", {"name": "Hotel", "connection": made["id"]})
    body = {"schemas": [USER], "userName": "owned@example.com"}
    owned = await scribe.send("POST", f"{_SCIM}/Users", body, key["token"])
    await scribe.send("GET", f"{_ROOT}/resources/{owned['id']}/connection")
    await scribe.send("POST", f"{one}/pause")
    await scribe.send("POST", f"{one}/resume")
    client = await scribe.send("POST", f"{one}/oauth-clients")
    await scribe.send("GET", f"{one}/oauth-clients")
    await scribe.send("POST", f"{one}/oauth-clients/{client['clientId']}/rotate")
    await scribe.send("POST", "/oauth/token", _credentials(client))
    await scribe.send("DELETE", f"{one}/oauth-clients/{client['clientId']}")
    trust = await scribe.send("POST", f"{one}/trusts", _trust())
    await scribe.send("GET", f"{one}/trusts")
    await scribe.send("DELETE", f"{one}/trusts/{trust['id']}")
    link = await scribe.send("POST", f"{_ROOT}/setup-links")
    await scribe.send("GET", f"{_ROOT}/setup-links")
    await scribe.send("GET", f"{_ROOT}/setup-links/{link['id']}")
    await scribe.send("DELETE", f"{_ROOT}/setup-links/{link['id']}")
    await scribe.send("DELETE", f"{one}?confirm={made['name']}")


def _credentials(client: Json) -> Json:
    return {
        "grant_type": "client_credentials",
        "client_id": client["clientId"],
        "client_secret": client["clientSecret"],
    }


def _trust() -> Json:
    return {**shapes.body_example(_operation("POST", f"{_ROOT}/connections/x/trusts")[1])}


async def _schemas(scribe: _Scribe) -> None:
    await scribe.send("GET", f"{_ROOT}/settings")
    await scribe.send("PATCH", f"{_ROOT}/settings")
    await scribe.send("POST", f"{_ROOT}/schemas/preview")
    await scribe.send("POST", f"{_ROOT}/schemas")
    schema = f"{_ROOT}/schemas/{_BADGE}"
    await scribe.service.until(schema, lambda found: found["indexReady"])
    await scribe.send("GET", f"{_ROOT}/schemas")
    await scribe.send("GET", schema)
    await scribe.send("PUT", schema)
    serial = {"name": "serial", "type": "string", "required": True}
    device = {"id": _DEVICE, "name": "Device", "attributes": [serial]}
    await scribe.send("POST", f"{_ROOT}/schemas", device)
    await scribe.send("POST", f"{_ROOT}/resource-types")
    await scribe.send("GET", f"{_ROOT}/resource-types")
    await scribe.send("GET", f"{_ROOT}/resource-types/Device")
    await scribe.send("PUT", f"{_ROOT}/resource-types/Device")
    await scribe.send("DELETE", f"{_ROOT}/resource-types/Device")
    await scribe.send("DELETE", schema)


async def _webhooks(scribe: _Scribe) -> None:
    webhook = await scribe.send("POST", f"{_ROOT}/webhooks")
    one = f"{_ROOT}/webhooks/{webhook['id']}"
    await _user(scribe, "event")
    await scribe.service.until(f"{one}/deliveries", lambda found: found["items"])
    await scribe.service.until(one, lambda found: found["upToDate"])
    await scribe.send("GET", f"{_ROOT}/webhooks")
    await scribe.send("GET", f"{_ROOT}/webhooks/event-types")
    await scribe.send("GET", one)
    await scribe.send("GET", f"{one}/deliveries")
    await scribe.send("POST", f"{one}/test")
    await scribe.send("POST", f"{one}/rotate")
    feed = await scribe.send("GET", f"{_ROOT}/changes?limit=2")
    await scribe.send("POST", f"{one}/redeliver", {"event": feed["items"][0]["id"]})
    await scribe.send("PATCH", one)
    await scribe.send("DELETE", one)


async def _guard(scribe: _Scribe) -> None:
    await scribe.send(
        "PATCH", f"{_ROOT}/settings", {"guardMode": "hold", "guardShare": 0, "guardLeast": 0}
    )
    held = [await _user(scribe, name) for name in ("held", "kept", "chosen")]
    for user in held:
        refused = await scribe.service.ask("DELETE", f"{_SCIM}/Users/{user}")
        assert refused.status_code == 403, refused.text
    await scribe.send("GET", f"{_ROOT}/guard")
    await scribe.send("POST", f"{_ROOT}/guard/{held[0]}/let")
    await scribe.send("POST", f"{_ROOT}/guard/{held[1]}/keep")
    chosen = {"decision": "let", "users": [held[2]]}
    await scribe.send("POST", f"{_ROOT}/guard/selection", chosen)
    await scribe.send("PUT", f"{_ROOT}/protected-users/{held[1]}")
    await scribe.send("GET", f"{_ROOT}/protected-users")
    await scribe.send("DELETE", f"{_ROOT}/protected-users/{held[1]}")
    secret = {"userName": "ann@example.com", "password": "t1meMa$heen"}
    await scribe.send("POST", f"{_SCIM}/Users", {"schemas": [USER], **secret})
    await scribe.send("POST", f"{_ROOT}/passwords/verify", secret)


async def _requests(scribe: _Scribe) -> None:
    capital = _patch({"op": "Replace", "path": "active", "value": "True"})
    await scribe.send("PATCH", f"{_SCIM}/Users/{await _user(scribe, 'entra')}", capital)
    wrong = {"schemas": [USER], "userName": "kim@example.com", "active": "perhaps"}
    refused = await scribe.service.ask("POST", f"{_SCIM}/Users", wrong)
    assert refused.status_code == 400, refused.text
    failed = f"{_ROOT}/requests?status=400"
    await scribe.service.until(failed, lambda found: found["items"])
    kept = await scribe.send("GET", f"{failed}&limit=1")
    await scribe.send("GET", f"{_ROOT}/requests/{kept['items'][0]['number']}")
    found = await scribe.send("GET", f"{_ROOT}/doctor")
    finding = next(iter(found["refusals"]))["id"]
    await scribe.send("POST", f"{_ROOT}/doctor/{finding}/resolve")
    await scribe.send("POST", f"{_ROOT}/doctor/{finding}/reopen")
    await scribe.send("GET", f"{_ROOT}/overview")
    await scribe.send("GET", f"{_ROOT}/audit?limit=2")


async def _open_pages(scribe: _Scribe) -> None:
    for path in ("/oauth/jwks", "/.well-known/oauth-authorization-server", "/healthz", "/readyz"):
        await scribe.send("GET", path)


async def _platform(scribe: _Scribe) -> None:
    token = await scribe.service.platform_key()
    send = functools.partial(scribe.send, key=token)
    made = await send("POST", f"{_PLATFORM}/workspaces")
    one = f"{_PLATFORM}/workspaces/{made['name']}"
    await send("GET", f"{_PLATFORM}/workspaces?name={made['name']}")
    await send("GET", one)
    await send("PATCH", one)
    await send("POST", f"{one}/suspend")
    await send("POST", f"{one}/resume")
    invitation = await send("POST", f"{one}/invitations")
    await send("GET", f"{one}/invitations")
    await send("DELETE", f"{one}/invitations/{invitation['id']}")
    await send("GET", f"{one}/usage")
    await send("GET", f"{_PLATFORM}/usage?name={made['name']}")
    await send("GET", f"{_PLATFORM}/changes?limit=2")
    await send("GET", f"{_PLATFORM}/brand")
    await send("PATCH", f"{_PLATFORM}/brand")
    await send("DELETE", f"{one}?confirm={made['name']}")
    await send("POST", f"{one}/restore")
