"""The form that creates or changes a custom resource type, with its JSON as the other tab."""

from collections.abc import Iterator
from typing import Any

import orjson

from muster.access.permissions import SCIM, SETTINGS
from muster.console.entered_json import parse_entered
from muster.console.stamps import check_unchanged, seen
from muster.console.web import PageRoute, Visit
from muster.custom_schemas.schemas import Breaks, CustomSchemas
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.schema.model import ENTERPRISE_USER
from muster.scim.values import Json

_NEW = "/w/{workspace}/resource-types/new"
_EDIT = "/w/{workspace}/resource-types/{name}/edit"
_FORM, _JSON = "form", "json"
_TEXTS = ("name", "endpoint", "description", "schema")


class ResourceTypeEditorPages:
    """The pages that create and change a resource type."""

    def __init__(self, custom: CustomSchemas) -> None:
        self._custom = custom

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _NEW, SETTINGS, self.new)
        yield PageRoute("POST", _NEW, SETTINGS, self.submit)
        yield PageRoute("GET", _EDIT, SETTINGS, self.edit)
        yield PageRoute("POST", _EDIT, SETTINGS, self.submit)

    async def new(self, visit: Visit) -> Response:
        return await self._show(visit, _FORM, _draft({"schema": visit.text("schema")}))

    async def edit(self, visit: Visit) -> Response:
        found = await self._custom.type(visit.there().id, visit.names["name"])
        return await self._show(visit, _FORM, _draft(found), found)

    async def submit(self, visit: Visit) -> Response:
        """Create or change the type, or change to the other tab."""
        mode, do, name = visit.text("mode", _FORM), visit.text("do"), visit.names.get("name")
        found = None if name is None else await self._custom.type(visit.there().id, name)
        given: dict[str, Any] = _draft(found or {})
        try:
            given = _submitted(visit, mode, found)
            if do in (_FORM, _JSON):
                return await self._show(visit, do, given, found)
            check_unchanged(visit, found or {})
            if name is None:
                made = await self._custom.create_type(visit.administrator, given)
                said = f'Resource type "{made["name"]}" was created. Its endpoint exists at once.'
            else:
                made = await self._custom.replace_type(visit.administrator, name, given)
                said = f'Resource type "{made["name"]}" was saved.'
        except ScimError as error:
            return await self._show(visit, mode, given, found, error)
        return await visit.redirect_with(f"./resource-types/{made['name']}", said=said)

    async def _show(
        self,
        visit: Visit,
        mode: str,
        given: dict[str, Any],
        found: dict[str, Any] | None = None,
        error: ScimError | None = None,
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
            seen=seen(visit, found or {}, "" if error is None else error.detail),
            error="" if error is None else _detail(visit, error),
        )


def _detail(visit: Visit, error: ScimError) -> str:
    """Return an error; the resources that conflict are named to those who may read them."""
    if isinstance(error, Breaks) and visit.may(SCIM):
        return error.full_detail
    return error.detail


def _submitted(visit: Visit, mode: str, found: dict[str, Any] | None) -> dict[str, Any]:
    """Read the definition of a form.

    Args:
        visit: The visit.
        mode: The tab: form or json.
        found: The stored type, whose fixed members the form does not contain; None for a new one.

    Raises:
        ScimError: 400 if its JSON is malformed.
    """
    if mode == _JSON:
        return _draft(parse_entered(visit.text("json")))
    required = visit.fields.get("required", [])
    extensions = [
        {"schema": urn, "required": urn in required} for urn in visit.fields.get("extension", [])
    ]
    given: dict[str, Json] = {name: visit.text(name) for name in _TEXTS}
    if found is not None:
        given |= {name: found[name] for name in ("name", "endpoint", "schema")}
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
