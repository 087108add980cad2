"""The attribute editor: creates and changes a custom schema.

Its forms work without a script. Each contains the whole draft, and each button ("Add attribute",
"Edit", "Move up") submits it and gets the page with the next draft. With a script the page is
replaced in place. The draft is stored after a review only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from muster.access.permissions import SCIM, SETTINGS
from muster.console import schema_drafts as drafts
from muster.console.entered_json import parse_entered
from muster.console.schema_drafts import Draft, Fault
from muster.console.stamps import has_changed, stamp_of
from muster.console.web import PageRoute, Visit
from muster.custom_schemas.changes import SchemaChange
from muster.custom_schemas.schemas import Breaks, CustomSchemas, SchemaReview
from muster.http.wire.message import Response
from muster.scim.errors import ScimError
from muster.scim.schema.custom import ATTRIBUTE_TYPES, CHOICES, CustomSchema
from muster.scim.schema.model import registry
from muster.scim.values import Json

_ROOT = "/w/{workspace}"
_FORM, _JSON = "form", "json"
_MOVES = {"up": -1, "down": 1}
_NO_FAULT = Fault("", "", "")
_TITLES = {
    "type": {
        "string": "Text",
        "boolean": "Yes or no",
        "decimal": "Number",
        "integer": "Whole number",
        "dateTime": "Date and time",
        "binary": "Binary data",
        "reference": "Link",
        "complex": "Several attributes",
    },
    "mutability": {
        "readWrite": "Clients and administrators",
        "readOnly": "Nobody",
        "immutable": "Set once, then nobody",
        "writeOnly": "Clients, who cannot read it",
    },
    "returned": {
        "default": "Unless excluded",
        "always": "Always",
        "request": "If asked for",
        "never": "Never",
    },
    "uniqueness": {"none": "Allowed", "server": "Refused"},
}
"""The characteristics in words, as RFC 7643 section 7 defines them."""
_ADVANCED = ("mutability", "returned", "uniqueness", "caseExact", *drafts.LISTS)
"""The characteristics that few attributes need; the form of an attribute hides them at first."""
_AT = "at-"
"""The prefix of the fields of the attribute that is being edited."""


@dataclass(slots=True)
class _Editor:
    """The state of the editor.

    Attributes:
        draft: The draft.
        mode: The tab: form or json.
        opened: The place of the attribute that is being edited; empty for none.
        attribute: The values of its form.
        text: The text of the JSON tab.
        fault: The error to show; its text is empty if there is none.
        status: The status of the page.
    """

    draft: Draft
    mode: str = _FORM
    opened: str = ""
    attribute: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    fault: Fault = _NO_FAULT
    status: int = 200

    @property
    def advanced(self) -> bool:
        """Whether a rarely used characteristic differs from its default, or has an error."""
        first = drafts.read_attribute({}, "")
        differs = any(self.attribute.get(name) != first.get(name) for name in _ADVANCED)
        return differs or (bool(self.fault.place) and self.fault.field in _ADVANCED)

    def refuse(self, error: ScimError) -> None:
        """Show an error."""
        self.fault, self.status = drafts.fault(error), error.status

    def open(self, place: str) -> None:
        """Edit the attribute at a place."""
        self.opened, self.attribute = place, drafts.attribute_at(self.draft, place)


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A change of an attribute, and the stored resources that forbid it.

    Attributes:
        path: The path of the attribute; empty for the schema itself.
        change: The change; None if the attribute is unchanged but has conflicts.
        conflicts: The number of resources that conflict.
        examples: Some of them.
    """

    path: str
    change: SchemaChange | None
    conflicts: int
    examples: Sequence[dict[str, str]]


class SchemaEditorPages:
    """The pages that create and edit a custom schema."""

    def __init__(self, custom: CustomSchemas) -> None:
        self._custom = custom

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", f"{_ROOT}/schemas/new", SETTINGS, self.new)
        yield PageRoute("POST", f"{_ROOT}/schemas/new", SETTINGS, self.submit)
        yield PageRoute("GET", f"{_ROOT}/schemas/{{urn}}/edit", SETTINGS, self.edit)
        yield PageRoute("POST", f"{_ROOT}/schemas/{{urn}}/edit", SETTINGS, self.submit)

    async def new(self, visit: Visit) -> Response:
        return self._show(visit, _Editor(drafts.new_draft()))

    async def edit(self, visit: Visit) -> Response:
        schema = await self._custom.schema(visit.there().id, visit.names["urn"])
        return self._show(visit, _Editor(drafts.draft_of(schema)))

    async def submit(self, visit: Visit) -> Response:
        """Change the draft by the button that was pressed, or review or store it."""
        do, _, place = visit.text("do").partition(":")
        urn = await self._urn(visit)
        editor = _Editor(drafts.new_draft(), visit.text("mode") or _FORM)
        try:
            editor.draft = _submitted(visit, urn)
            if editor.mode == _FORM and do != "cancel":
                _apply(visit, editor)
            if do in ("review", "save", ""):
                return await self._finish(visit, editor, urn, do == "save")
            _act(editor, do, place)
        except ScimError as error:
            editor.refuse(error)
            editor.text = visit.text("json")
        return self._show(visit, editor)

    async def _finish(
        self, visit: Visit, editor: _Editor, urn: str | None, stores: bool
    ) -> Response:
        """Show the review of a draft, or store it."""
        by = visit.administrator
        if urn is None and editor.mode == _FORM and not editor.draft["id"]:
            editor.draft["id"] = drafts.urn_for(editor.draft)
        try:
            if not stores or await self._has_changed(visit, urn):
                return self._review(
                    visit, await self._custom.review_schema(by, editor.draft, urn), editor
                )
            if urn is None:
                schema = await self._custom.create_schema(by, editor.draft)
            else:
                schema = await self._custom.replace_schema(by, urn, editor.draft)
        except Breaks:  # written since the review, which shows them now
            review = await self._custom.review_schema(by, editor.draft, urn)
            return self._review(visit, review, editor)
        said = f'Schema "{schema.definition["name"]}" was {"created" if urn is None else "saved"}.'
        return await visit.redirect_with(f"./schemas/{schema.id}", said=said)

    async def _has_changed(self, visit: Visit, urn: str | None) -> bool:
        """Return whether the schema has changed since the review."""
        if urn is None:
            return False
        stored = await self._custom.schema(visit.there().id, urn)
        return has_changed(visit, _stored(stored))

    async def _urn(self, visit: Visit) -> str | None:
        """Return the URN of the schema that is edited; None for a new one."""
        urn = visit.names.get("urn")
        return None if urn is None else (await self._custom.schema(visit.there().id, urn)).id

    def _show(self, visit: Visit, editor: _Editor) -> Response:
        among = visit.registry or registry()
        nested, found = drafts.is_nested(editor.opened), list(drafts.rows(editor.draft))
        if editor.mode == _JSON and not editor.text:
            editor.text = _dumped(editor.draft, indent=True)
        return visit.render(
            "schema_edit.html",
            editor.status,
            editor=editor,
            rows=found,
            form_after=_form_after(found, editor.opened),
            attributes=_dumped(drafts.compact(editor.draft)["attributes"]),
            nested=nested,
            kinds=[kind.name for kind in among.types.values()],
            types=ATTRIBUTE_TYPES[:-1] if nested else ATTRIBUTE_TYPES,
            choices=CHOICES,
            titles=_TITLES,
            at=_AT,
            error=f"{editor.fault.field}: {editor.fault.text}" if not editor.fault.place else "",
        )

    def _review(self, visit: Visit, review: SchemaReview, editor: _Editor) -> Response:
        breaks = review.breaks
        before = None if review.before is None else _stored(review.before)
        changed = before is not None and has_changed(visit, before)
        built = set(review.schema.indexed)
        if review.before is not None:
            built -= set(review.before.indexed)
        return visit.render(
            "schema_review.html",
            breaks.status if breaks is not None else 409 if changed else 200,
            review=review,
            changed=changed,
            seen="" if before is None else stamp_of(before),
            rows=_review_rows(review, visit.may(SCIM)),
            indexes=[] if review.before is None else sorted(built),
            mode=editor.mode,
            json=_dumped(drafts.compact(editor.draft)),
        )


def _stored(schema: CustomSchema) -> dict[str, Json]:
    """Return a stored schema as JSON."""
    return drafts.compact(drafts.draft_of(schema))


def _form_after(rows: Sequence[drafts.AttributeRow], opened: str) -> str:
    """Return the place of the row under which the form of an attribute is shown.

    It is empty for a new attribute, whose form is under the table.
    """
    top = opened.removesuffix("+")
    if top == opened:
        return opened
    places = [row.place for row in rows if row.place.partition(".")[0] == top]
    return places[-1] if places else ""


def _act(editor: _Editor, do: str, place: str) -> None:
    """Carry out a button of the editor on its draft.

    Raises:
        ScimError: 400 if there is no such button or attribute.
    """
    if do in (_FORM, _JSON):
        editor.mode = do
    elif do in ("apply", "cancel"):
        pass
    elif not drafts.is_place(place):
        raise ScimError(400, "This button is not of this form. Open the page again.")
    elif do in ("add", "edit"):
        editor.open(place)
    elif do == "remove":
        drafts.remove_attribute(editor.draft, place)
    elif do in _MOVES:
        drafts.move_attribute(editor.draft, place, _MOVES[do])
    else:
        raise ScimError(400, "This button is not of this form. Open the page again.")


def _submitted(visit: Visit, urn: str | None) -> Draft:
    """Read the draft of a form.

    Raises:
        ScimError: 400 if its JSON is malformed.
    """
    if visit.text("mode") == _JSON:
        return drafts.read_draft(parse_entered(visit.text("json")))
    return drafts.read_draft(
        {
            "id": urn or visit.text("id"),
            "name": visit.text("name"),
            "description": visit.text("description"),
            "extends": visit.fields.get("extends", []),
            "required": visit.text("required") == "on",
            "attributes": parse_entered(visit.text("attributes", "[]")),
        }
    )


def _apply(visit: Visit, editor: _Editor) -> None:
    """Put the attribute that is being edited into the draft.

    Raises:
        ScimError: It is not valid; the editor shows it again.
    """
    place = visit.text("opened")
    if not place:
        return
    if not drafts.is_place(place):
        raise ScimError(400, "This form is malformed. Open the page again.")
    nested = drafts.is_nested(place)
    raw: dict[str, Json] = {
        name: visit.text(_AT + name) for name in ("name", "type", "description", *CHOICES)
    }
    raw |= {name: visit.text(_AT + name) == "on" for name in drafts.FLAGS}
    for name in drafts.LISTS:
        lines = visit.text(_AT + name).splitlines()
        raw[name] = [line.strip() for line in lines if line.strip()]
    attribute = drafts.read_attribute(raw, "attribute", nested)
    editor.opened, editor.attribute = place, attribute
    drafts.check_attribute(editor.draft, place, attribute)
    drafts.put_attribute(editor.draft, place, attribute)
    editor.opened = ""


def _review_rows(review: SchemaReview, reads: bool) -> Sequence[ReviewRow]:
    """Return the changes, each with the conflicts of its attribute.

    Args:
        review: The review.
        reads: Whether the administrator may see the resources that conflict.
    """
    breaks = review.breaks
    left = {} if breaks is None else dict(breaks.attributes)
    broken = () if breaks is None or not reads else breaks.broken
    examples: dict[str, list[dict[str, str]]] = {}
    for item in broken:
        examples.setdefault(item["attribute"], []).append(item)
    found = []
    for change in review.changes:
        top = change.attribute.partition(".")[0]
        number = left.pop(top, 0)
        found.append(
            ReviewRow(change.attribute, change, number, examples.get(top, ()) if number else ())
        )
    found += [ReviewRow(name, None, left[name], examples.get(name, ())) for name in left]
    return found


def _dumped(value: Any, indent: bool = False) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
