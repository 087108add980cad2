"""What a workspace adds to the settings: role mappings, webhooks, schemas of its own; and the danger zone."""

from collections.abc import Iterator

import orjson

from muster.access.permissions import ADMIN, IDENTITY_MAPPINGS, SCIM, SETTINGS
from muster.access.role_mappings import RoleMappings
from muster.console.web import Route, Visit
from muster.custom.schemas import Breaks, CustomSchemas
from muster.directory.wipe import wipe
from muster.http.message import Response
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.values import Json
from muster.storage.port import Storage
from muster.storage.webhooks import WebhookStates
from muster.webhooks.endpoints import Webhook, Webhooks

_ROOT = "/w/{workspace}"
_DELIVERIES = 20


class RoleMappingPages:
    """The page of role mappings."""

    def __init__(self, storage: Storage) -> None:
        self._mappings = RoleMappings(storage)

    def __iter__(self) -> Iterator[Route]:
        yield Route("GET", f"{_ROOT}/role-mappings", SCIM, self.show)
        yield Route("POST", f"{_ROOT}/role-mappings", IDENTITY_MAPPINGS, self.create)
        yield Route("POST", f"{_ROOT}/role-mappings/{{id}}/remove", IDENTITY_MAPPINGS, self.remove)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        mappings = await self._mappings.all(visit.there().id)
        given = {name: visit.text(name) if error else "" for name in ("idpValue", "role", "tag")}
        edits = visit.may(IDENTITY_MAPPINGS)
        return visit.render("role_mappings.html", status, mappings=mappings, error=error, given=given, edits=edits)

    async def create(self, visit: Visit) -> Response:
        role = {"role": visit.text("role"), "tag": visit.text("tag") or None}
        try:
            await self._mappings.create(visit.administrator, {"idpValue": visit.text("idpValue"), "role": role})
        except ScimError as error:
            if not visit.may(SCIM):
                raise
            return await self.show(visit, error.status, error.detail)
        return visit.redirect("./role-mappings")

    async def remove(self, visit: Visit) -> Response:
        await self._mappings.delete(visit.administrator, visit.names["id"])
        return visit.redirect("./role-mappings")


class WebhookPages:
    """The page of webhooks."""

    def __init__(self, storage: Storage, webhooks: Webhooks, states: WebhookStates) -> None:
        self._storage = storage
        self._webhooks = webhooks
        self._states = states

    def __iter__(self) -> Iterator[Route]:
        yield Route("GET", f"{_ROOT}/webhooks", SETTINGS, self.show)
        yield Route("POST", f"{_ROOT}/webhooks", SETTINGS, self.create, (SCIM,))
        yield Route("POST", f"{_ROOT}/webhooks/{{id}}/switch", SETTINGS, self.switch, (SCIM,))
        yield Route("POST", f"{_ROOT}/webhooks/{{id}}/rotate", SETTINGS, self.rotate, (SCIM,))
        yield Route("POST", f"{_ROOT}/webhooks/{{id}}/remove", SETTINGS, self.remove)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        workspace = visit.there().id
        latest = await self._storage.latest_change(workspace)
        rows = []
        for webhook in await self._webhooks.all(workspace):
            state = await self._states.state(workspace, webhook.id)
            behind = state is not None and state.position < latest
            deliveries = await self._states.deliveries(workspace, webhook.id, _DELIVERIES)
            rows.append((webhook, behind, await self._webhooks.health(webhook), deliveries))
        given = {name: visit.text(name) if error else "" for name in ("url", "events", "description")}
        secret = visit.told.get("secret", "")
        return visit.render("webhooks.html", status, rows=rows, error=error, secret=secret, given=given)

    async def create(self, visit: Visit) -> Response:
        raw: dict[str, Json] = {"url": visit.text("url"), "description": visit.text("description")}
        if visit.text("events"):
            raw["events"] = visit.text("events").split()
        try:
            position = await self._storage.latest_change(visit.there().id)
            made = await self._webhooks.create(visit.administrator, raw, position)
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        return await visit.redirect_telling("./webhooks", secret=await self._webhooks.secret(made))

    async def switch(self, visit: Visit) -> Response:
        webhook = await self._webhook(visit)
        await self._webhooks.change(visit.administrator, webhook, {"enabled": webhook.disabled is not None})
        return visit.redirect("./webhooks")

    async def rotate(self, visit: Visit) -> Response:
        changed = await self._webhooks.rotate(visit.administrator, await self._webhook(visit))
        return await visit.redirect_telling("./webhooks", secret=await self._webhooks.secret(changed))

    async def remove(self, visit: Visit) -> Response:
        await self._webhooks.delete(visit.administrator, await self._webhook(visit))
        return visit.redirect("./webhooks")

    async def _webhook(self, visit: Visit) -> Webhook:
        return await self._webhooks.get(visit.there().id, visit.names["id"])


class SchemaPages:
    """The page of schemas and resource types of one's own."""

    def __init__(self, custom: CustomSchemas) -> None:
        self._custom = custom

    def __iter__(self) -> Iterator[Route]:
        yield Route("GET", f"{_ROOT}/schemas", SETTINGS, self.show)
        yield Route("POST", f"{_ROOT}/schemas", SETTINGS, self.keep)
        yield Route("POST", f"{_ROOT}/schemas/{{urn}}/remove", SETTINGS, self.remove)
        yield Route("POST", f"{_ROOT}/resource-types", SETTINGS, self.keep_type)
        yield Route("POST", f"{_ROOT}/resource-types/{{name}}/remove", SETTINGS, self.remove_type)

    async def show(self, visit: Visit, status: int = 200, error: str = "", broken: object = ()) -> Response:
        workspace = visit.there().id
        rows = []
        for schema in await self._custom.schemas(workspace):
            text = orjson.dumps(schema.definition, option=orjson.OPT_INDENT_2).decode()
            rows.append((schema, await self._custom.progress(workspace, schema), text))
        given = {name: visit.text(name) if error else "" for name in ("schema", "type")}
        types = await self._custom.types(workspace)
        return visit.render("schemas.html", status, rows=rows, types=types, error=error, broken=broken, given=given)

    async def keep(self, visit: Visit) -> Response:
        """Make a schema, or replace the one of its URN."""
        try:
            raw = _json(visit.text("schema"))
            urn = raw.get("id") if isinstance(raw, dict) else None
            if any(schema.id == urn for schema in await self._custom.schemas(visit.there().id)):
                await self._custom.replace_schema(visit.administrator, str(urn), raw)
            else:
                await self._custom.create_schema(visit.administrator, raw)
        except ScimError as error:
            return await self._wrong(visit, error)
        return visit.redirect("./schemas")

    async def remove(self, visit: Visit) -> Response:
        try:
            await self._custom.delete_schema(visit.administrator, visit.names["urn"])
        except ScimError as error:
            return await self._wrong(visit, error)
        return visit.redirect("./schemas")

    async def keep_type(self, visit: Visit) -> Response:
        try:
            await self._custom.create_type(visit.administrator, _json(visit.text("type")))
        except ScimError as error:
            return await self._wrong(visit, error)
        return visit.redirect("./schemas")

    async def remove_type(self, visit: Visit) -> Response:
        try:
            await self._custom.delete_type(visit.administrator, visit.names["name"])
        except ScimError as error:
            return await self._wrong(visit, error)
        return visit.redirect("./schemas")

    async def _wrong(self, visit: Visit, error: ScimError) -> Response:
        broken = error.broken if isinstance(error, Breaks) else ()
        return await self.show(visit, error.status, error.detail, broken)


class DangerPages:
    """The danger zone."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __iter__(self) -> Iterator[Route]:
        yield Route("GET", f"{_ROOT}/wipe", ADMIN, self.show)
        yield Route("POST", f"{_ROOT}/wipe", ADMIN, self.wipe)

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        said = visit.told.get("said", "")
        return visit.render("wipe.html", status, workspace=visit.there(), said=said, error=error)

    async def wipe(self, visit: Visit) -> Response:
        workspace = visit.there()
        if visit.text("name") != workspace.name:
            return await self.show(visit, 400, error=f"name: type {workspace.name}, the name of the workspace, to confirm")
        count = await wipe(self._storage, visit.caller)
        return await visit.redirect_telling("./wipe", said=f"All that there was is gone: {count} resources are deleted.")


def _json(text: str) -> Json:
    """Raises ScimError invalidSyntax."""
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise invalid_syntax(f"this is no JSON: {error}") from None
