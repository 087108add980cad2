"""A form made from the schemas: sent unchanged it changes nothing, and a change is that change alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.console import resource_forms as forms
from muster.scim import patch
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.errors import ScimError
from muster.scim.schema.model import ENTERPRISE_USER, USER, Attribute, registry
from tests.support.strategies import users

USERS = registry().types["/Users"]


def sent_of(parts):
    """The fields of a form as a browser sends them."""
    sent = {}
    for part in parts:
        for row in [part.fields, *part.elements]:
            sent.update({found.name: found.value for found in row})
        if part.rows:
            sent[part.rows] = str(len(part.elements))
    return sent


def applied(document, operations):
    """The document after the operations."""
    if not operations:
        return document
    body = {"schemas": [patch.PATCH_OP], "Operations": operations}
    steps = patch.prepare(body, USERS, Dialect())
    return patch.apply(document, steps, USERS, Dialect())


@given(users())
def test_a_form_sent_unchanged_changes_nothing(body):
    document = read(body, USERS, Dialect())
    document.pop("password", None)
    sent = sent_of(forms.form_of(USERS, document))
    assert forms.operations(USERS, document, sent.get) == []


def _field_of(document, name):
    fields = {f.name: f.value for part in forms.form_of(USERS, document) for f in part.fields}
    return fields[name]


def _held(document, name):
    urn, _, last = name.rpartition(":")
    return (document.get(urn) or {} if urn else document).get(last)


@given(users(), users())
def test_a_form_with_the_values_of_another_makes_them_alike(body, other):
    document, wanted = (read(found, USERS, Dialect()) for found in (body, other))
    sent = sent_of(forms.form_of(USERS, document))
    names = ("title", "nickName", "displayName", f"{ENTERPRISE_USER}:department")
    sent |= {name: _field_of(wanted, name) for name in names}
    after = applied(document, forms.operations(USERS, document, sent.get))
    for name in names:
        if sent[name] == _field_of(document, name):
            assert _held(after, name) == _held(document, name)
        else:
            assert _held(after, name) == (sent[name].strip() or None)


FULL = {
    "schemas": [USER, ENTERPRISE_USER],
    "userName": "bjensen",
    "name": {"givenName": "Barbara", "familyName": "Jensen"},
    "emails": [{"value": "b@x.org", "type": "work", "primary": True}, {"value": "b@home.org"}],
    ENTERPRISE_USER: {"department": "Tours", "manager": {"value": "7"}},
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"title": "Chief"}, [{"op": "replace", "path": "title", "value": "Chief"}]),
        ({"name.givenName": ""}, [{"op": "remove", "path": "name.givenName"}]),
        ({"name.givenName": "", "name.familyName": " "}, [{"op": "remove", "path": "name"}]),
        (
            {"name.middleName": "J", "name.givenName": "Babs"},
            [
                {"op": "replace", "path": "name.givenName", "value": "Babs"},
                {"op": "replace", "path": "name.middleName", "value": "J"},
            ],
        ),
        (
            {"emails.0.value": "c@x.org"},
            [
                {
                    "op": "replace",
                    "path": "emails",
                    "value": [
                        {"value": "c@x.org", "type": "work", "primary": True},
                        {"value": "b@home.org"},
                    ],
                }
            ],
        ),
        (
            {"emails.0.value": "", "emails.0.type": ""},
            [{"op": "replace", "path": "emails", "value": [{"value": "b@home.org"}]}],
        ),
        (
            {"emails.2.value": "d@x.org"},
            [
                {
                    "op": "replace",
                    "path": "emails",
                    "value": [*FULL["emails"], {"value": "d@x.org"}],
                }
            ],
        ),
        (
            {"emails.0.value": "", "emails.0.type": "", "emails.1.value": ""},
            [{"op": "remove", "path": "emails"}],
        ),
        (
            {f"{ENTERPRISE_USER}:department": "Sales"},
            [{"op": "replace", "path": f"{ENTERPRISE_USER}:department", "value": "Sales"}],
        ),
        (
            {f"{ENTERPRISE_USER}:manager.value": ""},
            [{"op": "remove", "path": f"{ENTERPRISE_USER}:manager"}],
        ),
    ],
)
def test_a_change_is_that_operation_alone(change, expected):
    document = read(FULL, USERS, Dialect())
    sent = sent_of(forms.form_of(USERS, document)) | change
    assert forms.operations(USERS, document, sent.get) == expected


def test_what_was_not_sent_is_kept():
    document = read(FULL, USERS, Dialect())
    assert forms.operations(USERS, document, {"title": "x"}.get) == [
        {"op": "replace", "path": "title", "value": "x"}
    ]
    assert forms.operations(USERS, document, {}.get) == []


def test_a_new_document_has_its_schemas():
    sent = {"userName": " zoe ", f"{ENTERPRISE_USER}:department": "Tours", "name.givenName": "Zoe"}
    assert forms.new_document(USERS, sent.get) == {
        "schemas": [USER, ENTERPRISE_USER],
        "userName": "zoe",
        "name": {"givenName": "Zoe"},
        ENTERPRISE_USER: {"department": "Tours"},
    }


@given(st.text(max_size=30))
def test_no_row_count_makes_more_elements_than_a_form_has(text):
    sent = {"emails.rows": text, **{f"emails.{n}.value": f"{n}@x.org" for n in range(200)}}
    emails = forms.new_document(USERS, sent.get).get("emails", [])
    assert len(emails) <= 31


def test_a_choice_is_yes_or_no():
    with pytest.raises(ScimError, match=r"emails\.0\.primary: expected Yes or No"):
        forms.new_document(USERS, {"emails.rows": "1", "emails.0.primary": "maybe"}.get)


@pytest.mark.parametrize("text", ["9" * 5_000, "²", "-1", "1.5", "x", ""])
def test_a_malformed_number_of_rows_is_none(text):
    assert "emails" not in forms.new_document(USERS, {"emails.rows": text}.get)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("decimal", text) for text in ("nan", "inf", "-inf", "1e999", "9" * 400, "1_0", "½", "0x1")]
    + [("integer", text) for text in ("1.5", "1e3", "²", "nan", "9" * 400)],
)
def test_a_number_is_a_finite_one(kind, text):
    attribute = Attribute.from_json(
        {
            "name": "n",
            "type": kind,
            "multiValued": False,
            "description": "",
            "required": False,
            "caseExact": False,
            "mutability": "readWrite",
            "returned": "default",
            "uniqueness": "none",
        }
    )
    with pytest.raises(ScimError, match=r"^n: expected a "):
        forms._typed(attribute, text, "n")


def test_fields_that_were_not_sent_keep_their_elements():
    document = read(FULL, USERS, Dialect())
    for sent in ({"emails.rows": "1"}, {"emails.rows": "0"}, {"emails.rows": "9"}):
        assert forms.operations(USERS, document, sent.get) == []
    assert forms.operations(USERS, document, {"name.givenName": "Babs"}.get) == [
        {"op": "replace", "path": "name.givenName", "value": "Babs"}
    ]


@pytest.mark.parametrize("text", ["\nlead", "a\rb", "a\r\nb", "a\nb", " x ", "a\n"])
def test_a_text_as_a_browser_sends_it_back_is_unchanged(text):
    document = {"schemas": [USER], "userName": "u", "title": text, "name": {"formatted": text}}
    sent = sent_of(forms.form_of(USERS, document))
    title = next(f for f in forms.form_of(USERS, document)[0].fields if f.name == "title")
    breaks = text.replace("\r\n", "\n").replace("\r", "\n")
    one_line = breaks.replace("\n", "")
    sent["title"] = breaks.replace("\n", "\r\n") if title.kind == "long" else one_line
    sent["name.formatted"] = breaks.replace("\n", "\r\n")
    assert forms.operations(USERS, document, sent.get) == []


def test_a_changed_version_is_refused():
    forms.check_version("3", 3)
    forms.check_version("", 3)
    with pytest.raises(ScimError) as caught:
        forms.check_version("2", 3)
    assert caught.value.status == 412


def test_sent_values_are_shown_again_except_secrets():
    parts = forms.with_sent(forms.form_of(USERS, {}), {"userName": "typed"}.get)
    assert parts[0].fields[0].value == "typed"


@pytest.mark.parametrize(
    ("name", "label"),
    [("givenName", "Given name"), ("externalId", "External ID"), ("userName", "Username"),
     ("nickName", "Nickname"), ("timezone", "Time zone"), ("title", "Title")],
)  # fmt: skip
def test_labels_are_words(name, label):
    assert forms.title_of(name) == label
