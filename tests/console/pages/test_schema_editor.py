"""The editor of schemas, and its review."""

import html
import json
import re

import pytest

from muster.access.permissions import SETTINGS
from muster.scim.schema.model import USER
from tests.console.browsing import invited

URN = "urn:example:params:scim:schemas:extension:badge:2.0:User"
NUMBER = {"name": "number", "type": "string"}


class Editor:
    """A browser without JavaScript in the editor: it sends the fields of each page."""

    def __init__(self, visitor, path):
        self.visitor, self.path = visitor, path
        self.page = visitor.get(path)

    def fields(self):
        """Return the fields that a browser would send for the page."""
        text = self.page.text
        sent = {}
        for field in re.findall(r"<input[^>]*>", text):
            named = dict(re.findall(r'([\w-]+)="([^"]*)"', field))
            ticked = named.get("type") != "checkbox" or " checked" in field
            if "name" in named and ticked and named["name"] != "csrf":
                sent.setdefault(named["name"], []).append(html.unescape(named.get("value", "on")))
        for name, options in re.findall(
            r'<select[^>]* name="([^"]+)".*?>(.*?)</select>', text, re.S
        ):
            chosen = re.search(r'<option value="([^"]*)" selected', options)
            sent[name] = [chosen[1]] if chosen else []
        for name, value in re.findall(
            r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', text, re.S
        ):
            sent[name] = [html.unescape(value)]
        return sent

    def shown(self):
        """Return the paths of the attributes in the table."""
        return re.findall(r'aria-label="Edit ([^"]*)"', self.page.text)


@pytest.fixture
def editor(root, fresh):
    return Editor(root, f"/w/{fresh.name}/schemas/new")


def attribute(name, **typed):
    return {"at-name": name, **{f"at-{field}": value for field, value in typed.items()}}


def pressed(editor, do, **typed):
    """Press a button after typing into fields, whose former values are not sent."""
    fields = {name: value for name, value in editor.fields().items() if name not in typed}
    editor.page = editor.visitor.post(editor.path, **fields, **typed, do=do)
    return editor.page


def test_a_schema_is_created_attribute_by_attribute(editor, fresh):
    pressed(editor, "add:+", id=URN, name="Badge", description="What people wear")
    assert 'name="at-name"' in editor.page.text
    pressed(editor, "apply", **attribute("number", indexed="on", description="As printed"))
    pressed(editor, "add:+")
    pressed(editor, "add:+", **attribute("lock", type="complex"))  # applied as well
    pressed(editor, "apply", **attribute("level", type="integer"))
    pressed(editor, "add:1+")
    pressed(editor, "apply", **attribute("code", required="on"))
    pressed(editor, "add:1+")
    pressed(editor, "apply", **attribute("colour", canonicalValues="red\nblue"))
    assert editor.shown() == ["number", "lock", "lock.code", "lock.colour", "level"]
    pressed(editor, "up:2")
    pressed(editor, "up:2.1")
    assert editor.shown() == ["number", "level", "lock", "lock.colour", "lock.code"]
    pressed(editor, "down:2.0")
    pressed(editor, "remove:1")
    assert editor.shown() == ["number", "lock", "lock.code", "lock.colour"]
    review = pressed(editor, "review")
    assert (review.status_code, review.text.count("Added")) == (200, 2)
    assert fresh.api.get("/schemas").json()["items"] == []
    done = pressed(editor, "save")
    assert (done.status_code, done.headers["location"]) == (303, f"/w/{fresh.name}/schemas/{URN}")
    made = fresh.api.get(f"/schemas/{URN}").json()
    number, lock = made["attributes"]
    assert (made["extends"], number["indexed"], number["description"]) == (
        ["User"],
        True,
        "As printed",
    )
    code, colour = lock["subAttributes"]
    assert (colour["canonicalValues"], code["required"]) == (["red", "blue"], True)
    shown = editor.visitor.get(done.headers["location"]).text
    assert "was created" in shown
    assert "<code>colour</code>" in shown


def test_the_urn_of_a_schema_is_derived_from_its_name(editor, fresh):
    pressed(editor, "add:+", name="Staff Badge", extends="User")
    pressed(editor, "apply", **attribute("badgeNumber"))
    done = pressed(editor, "save")
    urn = "urn:ietf:params:scim:schemas:extension:staff-badge:2.0:User"
    assert done.headers["location"] == f"/w/{fresh.name}/schemas/{urn}"
    page = editor.visitor.get(done.headers["location"]).text
    assert f'data-copy="{urn}:badgeNumber"' in page
    user = fresh.user(schemas=[USER, urn], **{urn: {"badgeNumber": "B-1"}})
    assert user[urn] == {"badgeNumber": "B-1"}


def test_a_schema_without_a_name_gets_no_urn(editor):
    pressed(editor, "add:+", name="???", extends="User")
    pressed(editor, "apply", **attribute("badgeNumber"))
    assert "expected a URN" in pressed(editor, "review").text


@pytest.mark.parametrize(
    ("typed", "opens"),
    [
        ({"description": "x", "type": "integer", "required": "on", "multiValued": "on"}, False),
        ({"indexed": "on"}, False),
        ({"mutability": "immutable"}, True),
        ({"returned": "request"}, True),
        ({"uniqueness": "server"}, True),
        ({"caseExact": "on"}, True),
        ({"canonicalValues": "red"}, True),
        ({"referenceTypes": "User"}, True),
    ],
)
def test_advanced_settings_are_open_if_one_differs_from_its_default(editor, typed, opens):
    new = pressed(editor, "add:+").text
    assert '<details class="custom advanced"><summary>Advanced</summary>' in new
    assert "A letter first, then letters, digits, - and _." in new
    pressed(editor, "apply", **attribute("number", **typed))
    page = pressed(editor, "edit:0").text
    assert ('<details class="custom advanced" open>' in page) == opens


def test_advanced_settings_are_open_if_one_has_an_error(editor):
    pressed(editor, "add:+")
    wrong = attribute("number", multiValued="on", uniqueness="server")
    page = pressed(editor, "apply", **wrong)
    assert page.status_code == 400
    assert '<details class="custom advanced" open>' in page.text
    assert 'id="wrong-at-uniqueness"' in page.text[page.text.index("Advanced</summary>") :]
    page = pressed(editor, "apply", **attribute("two words", uniqueness="none"))
    assert '<details class="custom advanced">' in page.text
    assert 'id="wrong-at-name"' in page.text


def test_an_attribute_is_edited_and_cancelled(editor):
    pressed(editor, "add:+")
    pressed(editor, "apply", **attribute("number"))
    pressed(editor, "edit:0")
    assert editor.fields()["at-name"] == ["number"]
    pressed(editor, "cancel", **attribute("other"))
    assert editor.shown() == ["number"]
    pressed(editor, "edit:0")
    pressed(editor, "apply", **attribute("other", mutability="immutable"))
    assert editor.shown() == ["other"]
    assert "immutable" in editor.page.text


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        (attribute("9"), "name", "Expected a letter"),
        (attribute("a", type="integer", indexed="on"), "indexed", "Only a top-level string"),
        (attribute("a", type="boolean", uniqueness="server"), "uniqueness", "Only a single-valued"),
        (attribute("NUMBER"), "name", "Another attribute has this name"),
    ],
)
def test_a_wrong_attribute_is_shown_beside_its_field(editor, typed, field, says):
    pressed(editor, "add:+")
    pressed(editor, "apply", **attribute("number"))
    pressed(editor, "add:+")
    page = pressed(editor, "apply", **typed)
    assert page.status_code in (400, 409)
    assert re.search(rf'id="wrong-at-{field}">{says}', page.text)
    assert f'aria-describedby="wrong-at-{field}"' in page.text
    assert editor.fields()["at-name"] == [typed["at-name"]]
    assert editor.shown() == ["number"]


def test_errors_of_the_review_are_shown_beside_the_attribute_or_field(editor):
    pressed(editor, "add:+", name="Badge", id=URN)
    pressed(editor, "apply", **attribute("lock", type="complex"))
    page = pressed(editor, "review")
    assert page.status_code == 400
    row = page.text.partition("<code>lock</code>")[2].partition("</tr>")[0]
    assert "subAttributes: expected an array with at least one attribute" in row
    page = pressed(editor, "review", id="nonsense")
    assert 'id="wrong-id">Expected a URN' in page.text
    page = pressed(editor, "remove:0", id=URN)
    page = pressed(editor, "review")
    assert 'id="wrong-attributes"' in page.text


@pytest.mark.parametrize(
    "changed",
    [
        {"description": "a\0b"},
        {"name": "a\0"},
        {"attributes": [{"name": "z", "type": "string", "canonicalValues": ["a\0b"]}]},
        {"a\0": 1},
    ],
)
def test_the_json_tab_refuses_nul_as_the_api_does(editor, changed):
    pressed(editor, "json")
    page = pressed(editor, "form", json=json.dumps({"id": URN, "name": "Badge", **changed}))
    assert page.status_code == 400
    assert "contains a NUL character" in page.text


def test_the_json_tab_shows_and_takes_the_same_document(editor, fresh):
    pressed(editor, "add:+", id=URN, name="Badge")
    pressed(editor, "json", **attribute("number"))
    document = json.loads(editor.fields()["json"][0])
    assert (document["id"], document["attributes"][0]["name"]) == (URN, "number")
    document["attributes"].append({"name": "level", "type": "integer"})
    pressed(editor, "form", json=json.dumps(document))
    assert editor.shown() == ["number", "level"]
    pressed(editor, "json")
    page = pressed(editor, "form", json="{")
    assert page.status_code == 400
    assert "definition: expected JSON" in page.text
    assert ">{</textarea>" in page.text
    page = pressed(editor, "form", json='{"attributes": [{"required": 1}]}')
    assert "attributes[0].required: expected a boolean" in page.text
    pressed(editor, "review", json=json.dumps(document))
    assert pressed(editor, "save").status_code == 303
    assert len(fresh.api.get(f"/schemas/{URN}").json()["attributes"]) == 2


@pytest.mark.parametrize("do", ["form", "json", "review", "save", "add:+", "cancel", "nonsense"])
@pytest.mark.parametrize("crowd", ["[CROWD]", '[{"subAttributes":[CROWD]}]'])
def test_a_draft_with_too_many_attributes_is_not_shown(editor, do, crowd):
    crowd = crowd.replace("CROWD", ",".join(["{}"] * 5_000))
    document = f'{{"attributes": {crowd}}}'
    for fields in ({"mode": "form", "attributes": crowd}, {"mode": "json", "json": document}):
        page = editor.visitor.post(editor.path, id=URN, name="Badge", do=do, **fields)
        assert page.status_code == 400
        assert re.search("limit is (200|1,000)", page.text)
        assert len(page.text) < 100_000


@pytest.mark.parametrize("do", ["up:9", "edit:x", "remove:", "nonsense", "add:5+", "edit:0.0"])
def test_a_button_that_the_form_does_not_have_is_refused(editor, do):
    pressed(editor, "add:+")
    pressed(editor, "apply", **attribute("number"))
    assert pressed(editor, do).status_code == 400
    assert editor.shown() == ["number"]


def made(fresh, *attributes, **members):
    schema = {"id": URN, "name": "Badge", "extends": ["User"], "attributes": list(attributes)}
    assert fresh.api.post("/schemas", json={**schema, **members}).status_code == 201


def test_the_review_shows_what_changes_and_what_breaks_beside_the_attribute(root, fresh):
    made(fresh, NUMBER, {"name": "level", "type": "integer"}, {"name": "colour"})
    user = fresh.user(**{URN: {"number": "7", "level": 3}})
    fresh.user(**{URN: {"level": 4}})
    editor = Editor(root, f"/w/{fresh.name}/schemas/{URN}/edit")
    pressed(editor, "edit:0")
    pressed(editor, "apply", **attribute("number", type="boolean"))
    pressed(editor, "remove:1")
    pressed(editor, "edit:1")
    pressed(editor, "apply", **attribute("colour", indexed="on"))
    review = pressed(editor, "review")
    assert review.status_code == 409
    rows = {
        re.search(r"<code>(\w+)</code>", row)[1]: row
        for row in re.findall(r'<tr><td data-label="Attribute">.*?</tr>', review.text, re.S)
    }
    assert list(rows) == ["number", "colour", "level"]
    assert "<del>string</del> → <ins>boolean</ins>" in rows["number"]
    assert "1 conflict<" in rows["number"]
    assert f'href="/w/{fresh.name}/users/{user["id"]}">{user["userName"]}<' in rows["number"]
    assert "No conflicts" in rows["colour"]
    assert "indexed: <del>No</del> → <ins>Yes</ins>" in rows["colour"]
    assert "2 conflict" in rows["level"]
    assert 'value="save"' not in review.text
    assert "2 stored resources conflict" in review.text
    assert pressed(editor, "save").status_code == 409
    pressed(editor, "form")
    assert editor.shown() == ["number", "colour"]
    assert fresh.api.get(f"/schemas/{URN}").json()["attributes"][0]["type"] == "string"


def test_a_schema_is_changed(root, fresh):
    made(fresh, NUMBER)
    editor = Editor(root, f"/w/{fresh.name}/schemas/{URN}/edit")
    assert editor.fields()["id"] == [URN]
    assert "Nothing would change" in pressed(editor, "review").text
    pressed(editor, "form")
    pressed(editor, "add:+", name="Badges", id="urn:example:other")
    review = pressed(editor, "review", **attribute("colour", indexed="on"))
    assert "The index of colour is built in the background" in review.text
    assert pressed(editor, "save").status_code == 303
    kept = fresh.api.get(f"/schemas/{URN}").json()
    assert (kept["name"], [item["name"] for item in kept["attributes"]]) == (
        "Badges",
        ["number", "colour"],
    )
    page = root.get(f"/w/{fresh.name}/schemas/{URN}").text
    assert "colour: ready" in page or ('hx-trigger="every 2s"' in page and "<progress" in page)


def test_an_attribute_that_somebody_else_has_added_since_the_review_is_not_removed(root, fresh):
    made(fresh, NUMBER)
    editor = Editor(root, f"/w/{fresh.name}/schemas/{URN}/edit")
    pressed(editor, "review", description="Mine")
    kept = fresh.api.get(f"/schemas/{URN}").json()
    theirs = {**kept, "attributes": [*kept["attributes"], {"name": "theirs"}]}
    theirs.pop("indexReady")
    assert fresh.api.put(f"/schemas/{URN}", json=theirs).status_code == 200
    again = pressed(editor, "save")
    assert (again.status_code, "Somebody else has changed" in again.text) == (409, True)
    assert "<code>theirs</code>" in again.text
    assert len(fresh.api.get(f"/schemas/{URN}").json()["attributes"]) == 2
    assert pressed(editor, "save").status_code == 303
    assert len(fresh.api.get(f"/schemas/{URN}").json()["attributes"]) == 1


def test_uniqueness_cannot_change_and_the_attribute_is_named(root, fresh):
    made(fresh, NUMBER)
    editor = Editor(root, f"/w/{fresh.name}/schemas/{URN}/edit")
    pressed(editor, "edit:0")
    page = pressed(editor, "review", **attribute("number", uniqueness="server"))
    assert page.status_code == 403
    row = page.text.partition("<code>number</code>")[2].partition("</tr>")[0]
    assert "the uniqueness of attributes cannot be changed" in row


def test_who_may_not_read_users_sees_numbers_alone(server, fresh):
    made(fresh, NUMBER)
    user = fresh.user(**{URN: {"number": "7"}})
    admin = invited(server, fresh.name, SETTINGS)
    editor = Editor(admin, f"/w/{fresh.name}/schemas/{URN}/edit")
    pressed(editor, "add:+")
    pressed(editor, "apply", **attribute("other"))
    pressed(editor, "remove:0")
    review = pressed(editor, "review")
    assert (review.status_code, "1 conflict<" in review.text) == (409, True)
    assert user["id"] not in review.text
    admin.close()
