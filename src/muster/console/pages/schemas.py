"""Custom schemas and resource types in the console."""

from collections.abc import Iterator

import orjson

from muster.access.permissions import SCIM, SETTINGS
from muster.console.web import PageRoute, Visit
from muster.custom_schemas.schemas import Breaks, CustomSchemas
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.values import Json

_ROOT = "/w/{workspace}"


class SchemaPages:
    """The page that lists, adds and removes custom schemas and resource types."""

    def __init__(self, custom: CustomSchemas) -> None:
        self._custom = custom

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", f"{_ROOT}/schemas", SETTINGS, self.show)
        yield PageRoute("POST", f"{_ROOT}/schemas", SETTINGS, self.keep)
        yield PageRoute("POST", f"{_ROOT}/schemas/{{urn}}/remove", SETTINGS, self.remove)
        yield PageRoute("POST", f"{_ROOT}/resource-types", SETTINGS, self.keep_type)
        yield PageRoute(
            "POST", f"{_ROOT}/resource-types/{{name}}/remove", SETTINGS, self.remove_type
        )

    async def show(
        self, visit: Visit, status: int = 200, error: str = "", broken: object = ()
    ) -> Response:
        workspace = visit.there().id
        rows = []
        for schema in await self._custom.schemas(workspace):
            text = orjson.dumps(schema.definition, option=orjson.OPT_INDENT_2).decode()
            rows.append((schema, await self._custom.progress(workspace, schema), text))
        given = {name: visit.text(name) if error else "" for name in ("schema", "type")}
        types = await self._custom.types(workspace)
        return visit.render(
            "schemas.html", status, rows=rows, types=types, error=error, broken=broken, given=given
        )

    async def keep(self, visit: Visit) -> Response:
        """Create a schema, or replace the one with the same URN."""
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
        if isinstance(error, Breaks) and visit.may(SCIM):
            return await self.show(visit, error.status, error.full_detail, error.broken)
        return await self.show(visit, error.status, error.detail)


def _json(text: str) -> Json:
    """Parse the JSON that was entered.

    Raises:
        ScimError: invalidSyntax if it is not JSON.
    """
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise invalid_syntax(f"definition: expected JSON: {error}") from None
