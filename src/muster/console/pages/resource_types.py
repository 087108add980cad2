"""The form that creates a custom resource type, with its JSON as the other tab."""

from collections.abc import Iterator
from typing import Any

import orjson

from muster.access.permissions import SETTINGS
from muster.console.web import PageRoute, Visit
from muster.custom_schemas.schemas import CustomSchemas
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.schema.model import ENTERPRISE_USER
from muster.scim.values import Json

_PATH = "/w/{workspace}/resource-types/new"
_FORM, _JSON = "form", "json"
_TEXTS = ("name", "endpoint", "description", "schema")


class ResourceTypeEditorPages:
    """The page that creates a resource type."""

    def __init__(self, custom: CustomSchemas) -> None:
        self._custom = custom

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _PATH, SETTINGS, self.new)
        yield PageRoute("POST", _PATH, SETTINGS, self.submit)

    async def new(self, visit: Visit) -> Response:
        return await self._show(visit, _FORM, _draft({"schema": visit.text("schema")}))

    async def submit(self, visit: Visit) -> Response:
        """Create the type, or change to the other tab."""
        mode, do = visit.text("mode", _FORM), visit.text("do")
        given: dict[str, Any] = _draft({})
        try:
            given = _submitted(visit, mode)
            if do in (_FORM, _JSON):
                return await self._show(visit, do, given)
            made = await self._custom.create_type(visit.administrator, given)
        except ScimError as error:
            return await self._show(visit, mode, given, error)
        said = f'Resource type "{made["name"]}" was created. Its endpoint exists at once.'
        return await visit.redirect_with(f"./resource-types/{made['name']}", said=said)

    async def _show(
        self, visit: Visit, mode: str, given: dict[str, Any], error: ScimError | None = None
    ) -> Response:
        schemas = await self._custom.schemas(visit.there().id)
        named = [(schema.id, schema.definition["name"]) for schema in schemas]
        extensions = [*named, (ENTERPRISE_USER, "Enterprise User")]
        refused = error is not None and mode == _JSON
        return visit.render(
            "resource_type_edit.html",
            200 if error is None else error.status,
            mode=mode,
            given=given,
            cores=[item for item, schema in zip(named, schemas, strict=True) if not schema.extends],
            extensions=extensions,
            chosen={item["schema"]: item["required"] for item in given["schemaExtensions"]},
            text=visit.text("json")
            if refused
            else orjson.dumps(given, option=orjson.OPT_INDENT_2).decode(),
            error="" if error is None else error.detail,
        )


def _submitted(visit: Visit, mode: str) -> dict[str, Any]:
    """Read the definition of a form. Raises ScimError if its JSON is malformed."""
    if mode == _JSON:
        try:
            return _draft(orjson.loads(visit.text("json")))
        except ValueError as error:
            raise invalid_syntax(f"definition: expected JSON: {error}") from None
    required = visit.fields.get("required", [])
    extensions = [
        {"schema": urn, "required": urn in required} for urn in visit.fields.get("extension", [])
    ]
    given: dict[str, Json] = {name: visit.text(name) for name in _TEXTS}
    return _draft({**given, "schemaExtensions": extensions})


def _draft(raw: Json) -> dict[str, Any]:
    """Return a definition with all members, each of the right type.

    Raises:
        ScimError: invalidSyntax if a member has a wrong type.
    """
    if not isinstance(raw, dict):
        raise invalid_syntax("definition: expected a JSON object")
    texts = {name: raw.get(name, "") for name in _TEXTS}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise invalid_syntax(f"{name}: expected a string")
    extensions = raw.get("schemaExtensions") or []
    if not isinstance(extensions, list) or not all(
        isinstance(item, dict) and isinstance(item.get("schema"), str) for item in extensions
    ):
        raise invalid_syntax("schemaExtensions: expected an array of objects with a schema each")
    return {
        **texts,
        "schemaExtensions": [
            {"schema": item["schema"], "required": item.get("required") is True}
            for item in extensions
        ],
    }
