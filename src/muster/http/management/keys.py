"""/api/v1/keys."""

from collections.abc import Iterator
from datetime import timedelta

from muster.access.connections import DEFAULT, Connections
from muster.access.keys import KeyOptions, Keys, check_expiry, state_of
from muster.access.permissions import ADMIN, SCIM, SETTINGS
from muster.access.rate_limit import check_ceiling
from muster.access.roles import Roles, check_permissions
from muster.base import clock
from muster.directory.history.past import parse_time
from muster.directory.service import Directory
from muster.http.management.models.keys import (
    FindKeys,
    KeyAnswer,
    KeyChange,
    KeyList,
    NewKey,
    NewKeyAnswer,
    Rotation,
)
from muster.http.management.pages import page
from muster.http.management.router import ApiRoute, Call, created
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import ScimError, forbidden, not_found
from muster.storage.port.accounts import Accounts, KeyRecord


class KeyRoutes:
    """The operations on the API keys of a workspace."""

    def __init__(
        self,
        accounts: Accounts,
        keys: Keys,
        roles: Roles,
        directory: Directory,
        connections: Connections,
    ) -> None:
        self._accounts = accounts
        self._connections = connections
        self._roles = roles
        self._keys = keys
        self._directory = directory

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/keys",
            SETTINGS,
            self.find_keys,
            "List API keys",
            query=FindKeys,
            answer=KeyList,
        )
        yield ApiRoute(
            "POST",
            "/keys",
            SETTINGS,
            self.create_key,
            "Create an API key; its token is in the answer and cannot be shown again",
            201,
            body=NewKey,
            answer=NewKeyAnswer,
            errors=(404, 409),
        )
        yield ApiRoute(
            "GET",
            "/keys/{id}",
            SETTINGS,
            self.get_key,
            "Retrieve an API key",
            answer=KeyAnswer,
        )
        yield ApiRoute(
            "PATCH",
            "/keys/{id}",
            SETTINGS,
            self.update_key,
            "Change the name, rate limit or expiry of an API key",
            body=KeyChange,
            answer=KeyAnswer,
            errors=(409,),
        )
        yield ApiRoute(
            "POST",
            "/keys/{id}/rotate",
            SETTINGS,
            self.rotate_key,
            "Create a key that replaces another",
            201,
            body=Rotation,
            body_optional=True,
            answer=NewKeyAnswer,
            errors=(409,),
        )
        yield ApiRoute("DELETE", "/keys/{id}", SETTINGS, self.revoke_key, "Revoke an API key", 204)

    async def find_keys(self, call: Call) -> Response:
        query = call.query(FindKeys)
        keys = await self._accounts.keys(call.workspace)
        found, following = page(keys, lambda key: (key.created, key.id), query.cursor, query.limit)
        answer: KeyList = {"items": [_answer(key) for key in found], "nextCursor": following}
        return json_response(200, answer)

    async def get_key(self, call: Call) -> Response:
        return json_response(200, _answer(await self._key(call)))

    async def create_key(self, call: Call) -> Response:
        by, body = call.administrator, await call.read(NewKey)
        with at("/rateLimit"):
            check_ceiling(body.rate_limit, self._keys.ceiling)
        role, permissions = await self._granted(call, body)
        if body.user is not None:
            with at("/user"):
                users = call.grant.registry.types["/Users"]
                await self._directory.get(call.caller, users, body.user)
        lifetime = (
            None if body.expires_in_seconds is None else timedelta(seconds=body.expires_in_seconds)
        )
        with at("/connection"):
            connection = await self._connections.chosen(call.workspace, body.connection)
        options = KeyOptions(
            permissions, body.rate_limit, lifetime, role, body.user, connection.stored_id
        )

        def answer(token: str, record: KeyRecord) -> Response:
            return created(_with_token(record, token), "/keys", record.id)

        with at("/name"):
            made = await self._keys.create_named(
                *(by.workspace, body.name, options, by),
                keep=lambda *made: call.keep(answer(*made)),
            )
        return answer(*made)

    async def _granted(self, call: Call, body: NewKey) -> tuple[str | None, tuple[str, ...]]:
        """Resolve the role and the permissions of a new key. Raises ScimError 400, 403 and 404."""
        role, wanted = body.role, body.permissions
        if role == ADMIN:
            role, wanted = None, [ADMIN]
        elif role is None and wanted is None:
            wanted = [SCIM]
        if role is not None:
            with at("/role"):
                await self._roles.check_grantable(call.workspace, call.grant.permissions, role)
        if wanted is None:
            return role, ()
        with at("/permissions"):
            return role, check_permissions(call.grant.permissions, list(wanted), (ADMIN,))

    async def update_key(self, call: Call) -> Response:
        key, by = await self._key(call), call.administrator
        given = (await call.read(KeyChange)).model_dump(exclude_unset=True)
        await self._check_reach(call, key)
        if key.revoked is not None:
            raise ScimError(409, "the key is revoked")
        if "rate_limit" in given:
            with at("/rateLimit"):
                check_ceiling(given["rate_limit"], self._keys.ceiling)
        if given.get("expires") is not None:
            with at("/expires"):
                expires = parse_time(given["expires"], "expires")
                check_expiry(expires)
            given["expires"] = clock.timestamp(expires)
        with at("/name"):
            changed = await self._keys.edit(by.workspace, key, given, by)
        return json_response(200, _answer(changed))

    async def rotate_key(self, call: Call) -> Response:
        key, by = await self._key(call), call.administrator
        body = await call.read(Rotation, empty=True)
        await self._check_reach(call, key)
        if key.revoked is not None:
            raise ScimError(409, "the key is revoked")
        token, record = await self._keys.rotate(
            by.workspace, key, timedelta(seconds=body.overlap_seconds or 0), by
        )
        return created(_with_token(record, token), "/keys", record.id)

    async def revoke_key(self, call: Call) -> Response:
        key = await self._key(call)
        await self._check_reach(call, key)
        if key.revoked is None:
            await self._keys.revoke(call.grant.workspace, key, call.administrator)
        return Response(204)

    async def _key(self, call: Call) -> KeyRecord:
        key = await self._accounts.key(call.workspace, call.names["id"])
        if key is None:
            raise not_found(f"there is no key {call.names['id'][:100]!r}")
        return key

    async def _check_reach(self, call: Call, key: KeyRecord) -> None:
        """Raise ScimError 403 if a key has permissions that the caller does not have."""
        refused = await self._roles.beyond_reach(call.grant.permissions, key)
        if refused:
            raise forbidden(f"the key may do what you may not: {', '.join(refused)}")


def _answer(key: KeyRecord) -> KeyAnswer:
    return {
        "id": key.id,
        "name": key.name,
        "status": state_of(key, clock.now()),
        "permissions": list(key.permissions),
        "role": key.role,
        "user": key.user,
        "connection": key.connection or DEFAULT,
        "rateLimit": key.rate_limit,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
        "lastUsed": key.last_used,
    }


def _with_token(key: KeyRecord, token: str) -> NewKeyAnswer:
    return {**_answer(key), "token": token}
