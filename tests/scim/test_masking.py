"""Secrets are masked in every place and spelling that the protocol reads."""

import json
from dataclasses import replace
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.masking import MASK, Masker, Unreadable, bare_path
from muster.scim.schema.model import (
    ENTERPRISE_USER,
    GROUP,
    USER,
    Attribute,
    Registry,
    Schema,
    registry,
)

SECRET = 'hunter2 "and" more'
VAULT = "urn:example:params:vault:2.0:User"
_SUBS = {
    "value": Attribute("value", "string", returned="never"),
    "label": Attribute("label", "string"),
}
_VAULT = Schema(
    VAULT,
    {
        "pin": Attribute("pin", "string", returned="never"),
        "code": Attribute("code", "string", mutability="writeOnly", multi_valued=True),
        "door": Attribute("door", "complex", multi_valued=True, sub_attributes=_SUBS),
        "hint": Attribute("hint", "string"),
    },
    {},
)
BUILT_IN = registry()
_USERS = BUILT_IN.types["/Users"]
REGISTRY = Registry(
    {
        **BUILT_IN.types,
        "/Users": replace(_USERS, extensions={**_USERS.extensions, VAULT.lower(): _VAULT}),
    },
    {**BUILT_IN.schemas, VAULT.lower(): _VAULT},
)


def spelt(text):
    """Draw a text in random case."""
    return st.lists(st.booleans(), min_size=len(text), max_size=len(text)).map(
        lambda upper: "".join(
            char.upper() if up else char.lower() for char, up in zip(text, upper, strict=True)
        )
    )


PATHS = (
    "password",
    "password.value",
    f"{USER}:password",
    f"{VAULT}:pin",
    f"{VAULT}:code",
    f"{VAULT}:door.value",
    f'{VAULT}:door[label eq "front"].value',
    f"{VAULT}:door",
)
KEYS = (
    "password",
    f"{USER}:password",
    f"{VAULT}:pin",
    f"{VAULT}:code",
    f"{VAULT}:door.value",
    f"{VAULT}:door",
)
SECRET_FILTERS = (
    "password {} {}",
    'userName eq "a" and password {} {}',
    "not (password {} {})",
    "password[value {} {}]",
    "password.value {} {}",
    f"{USER}:password {{}} {{}}",
    f"{VAULT}:pin {{}} {{}}",
    f"{VAULT}:door[value {{}} {{}}]",
    f"{VAULT}:door.value {{}} {{}}",
    'title pr or {VAULT}:door[label eq "x" and value {} {}]'.replace("{VAULT}", VAULT),
)
operators = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "Eq", "EQ"])
secrets = st.sampled_from(
    [SECRET, [SECRET], {"value": SECRET}, [{"value": SECRET}], {"x": {"y": [SECRET]}}]
)


@st.composite
def filters(draw):
    template = draw(st.sampled_from(SECRET_FILTERS))
    return template.format(draw(operators), json.dumps(SECRET)) + draw(
        st.sampled_from(["", " ", " and", ")", ' eq "'])
    )


@st.composite
def documents(draw):
    document = {draw(spelt(draw(st.sampled_from(KEYS)))): draw(secrets), "title": "shown"}
    extension = {
        draw(spelt("pin")): draw(secrets),
        draw(spelt("door")): draw(
            st.sampled_from(
                [[{"VALUE": SECRET, "label": "shown"}], {"value": SECRET}, SECRET, [SECRET]]
            )
        ),
    }
    document[draw(spelt(VAULT))] = extension
    return document


@st.composite
def patches(draw):
    path = draw(st.sampled_from(PATHS))
    operation = draw(
        st.one_of(
            st.fixed_dictionaries(
                {"path": spelt(path) if "[" not in path else st.just(path), "value": secrets}
            ),
            st.fixed_dictionaries(
                {
                    "path": filters().map(lambda text: f"emails[{text}].value"),
                    "value": st.just("shown"),
                }
            ),
            st.fixed_dictionaries({"path": filters(), "value": st.just("shown")}),
            st.fixed_dictionaries(
                {
                    "path": st.sampled_from(["pasword", "", " password ", "door [", 3]),
                    "value": documents(),
                }
            ),
            st.fixed_dictionaries({"value": documents()}),
            st.fixed_dictionaries(
                {"path": st.just(VAULT), "value": documents().map(lambda made: made.popitem()[1])}
            ),
        )
    )
    renamed = {
        draw(spelt(key)): value
        for key, value in {"op": draw(st.sampled_from(["add", "Replace"])), **operation}.items()
    }
    return {draw(spelt("operations")): draw(st.sampled_from([[renamed], renamed]))}


@st.composite
def messages(draw):
    """Draw a message with SECRET as the value of a secret attribute."""
    inner = draw(st.one_of(documents(), patches()))
    place = draw(st.sampled_from(["/Users", "/Users/1", "/users", "Users"]))
    bulk = {"method": "POST", "bulkId": "1", "path": place, "data": inner}
    search = {draw(spelt("filter")): draw(filters()), "schemas": []}
    lost = {"resource": [inner]}
    return draw(
        st.sampled_from(
            [inner, {draw(spelt("operations")): [bulk]}, search, lost, {"Resources": [search]}]
        )
    )


@given(
    messages(), st.sampled_from(["/Users", "/Users/1", "/Me", "/Bulk", "/.search", "", "/nothing"])
)
def test_no_secret_of_a_body_is_stored(message, path):
    shown = orjson.dumps(Masker(REGISTRY, path).message(orjson.dumps(message))).decode()
    assert "hunter2" not in shown
    assert MASK in shown


@given(filters(), spelt("filter"), st.sampled_from(["/Users", "", "/Groups"]))
def test_no_secret_of_a_query_is_stored(text, name, path):
    masker = Masker(REGISTRY, path)
    shown = masker.query(f"count=1&{name}={quote(text)}&Access_Token=hunter2&hunter2")
    assert "hunter2" not in shown
    assert shown.startswith("count=1&")
    assert masker.masked


@given(messages())
def test_every_message_with_a_secret_has_a_suspicious_name(message):
    assert Masker(REGISTRY, "").suspects(orjson.dumps(message).decode()) or "pasword" in str(
        message
    )


TITLED = {"Operations": [{"op": "add", "path": "title", "value": "x"}]}


@pytest.mark.parametrize(
    "message",
    [
        {
            "schemas": [USER, ENTERPRISE_USER],
            "name": {"givenName": "b"},
            "emails": [{"value": "c", "primary": True}],
        },
        {"Operations": [{"op": "Add", "path": 'emails[type eq "work"].value', "value": "x"}]},
        {"Operations": [{"op": "remove", "path": "title"}]},
        {
            "operations": {
                "op": "replace",
                "value": {f"{ENTERPRISE_USER}:department": "x", "name.givenName": "y"},
            }
        },
        {"Operations": [{"method": "PATCH", "path": "/Users/1", "data": TITLED}]},
        {"filter": 'userName eq "a" and emails[value co "b"]', "attributes": ["userName"]},
        {"nickName": "[a", "title": "{", "unknown": {"deeper": [1, None, True]}},
        {"password": None},
    ],
)
def test_values_that_are_not_secret_are_unchanged(message):
    masker = Masker(BUILT_IN, "/Bulk")
    assert masker.message(orjson.dumps(message)) == message
    assert not masker.masked


def test_masking_keeps_the_structure_of_a_request():
    masker = Masker(REGISTRY, "/Users")
    message = {
        "Operations": [
            {"Op": "replace", "PATH": f'{VAULT}:Door[value eq "hunter2"].Label', "VALUE": "front"}
        ]
    }
    shown = masker.message(orjson.dumps(message))
    assert shown == {
        "Operations": [
            {"Op": "replace", "PATH": f'{VAULT}:Door[value eq "{MASK}"].Label', "VALUE": "front"}
        ]
    }
    assert masker.query("filter=" + quote('title eq "a" and password eq "b"')) == (
        f"filter=title%20eq%20%22a%22%20and%20password%20eq%20%22{MASK}%22"
    )
    assert (
        masker.query("filter=title%20eq%20%22a%22&count=2") == "filter=title%20eq%20%22a%22&count=2"
    )


def test_a_name_is_secret_by_the_resource_type_of_the_path():
    """`pin` is a secret of users; an unknown `pin` of a group is masked too."""
    masker = Masker(REGISTRY, "/Groups")
    assert masker.message(orjson.dumps({"displayName": "shown", "pin": "hunter2"})) == {
        "displayName": "shown",
        "pin": MASK,
    }


@pytest.mark.parametrize(
    "raw", [b'{"password": "hunter2"', b'["hunter2"]', b'"hunter2"', b"password=hunter2", b"\xff{}"]
)
def test_a_message_that_cannot_be_read_is_refused(raw):
    masker = Masker(REGISTRY, "/Users")
    with pytest.raises(Unreadable):
        masker.message(raw)
    assert masker.masked


@pytest.mark.parametrize("key", ["a", "password", "Operations", "value", VAULT])
@pytest.mark.parametrize("depth", [40, 64, 65, 300, 1000])
def test_a_message_may_be_nested_up_to_the_limit(key, depth):
    raw = b'{"%b":' % key.encode() * depth + b'"hunter2"' + b"}" * depth
    masker = Masker(REGISTRY, "/Users")
    try:
        shown = orjson.dumps(masker.message(raw)).decode()
    except Unreadable:
        assert depth > 20
    else:
        assert "hunter2" not in shown or key in ("a", "Operations", "value", VAULT)


def test_secrets_quoted_in_an_answer_are_masked():
    masker = Masker(REGISTRY, "/Users")
    masker.message(orjson.dumps({"password": SECRET, "schemas": [GROUP]}))
    answer = {
        "status": "400",
        "detail": f"position 3: cannot read {SECRET[:9]!r} or {SECRET} there",
        "more": [f"x {SECRET}"],
    }
    shown = masker.answer(orjson.dumps(answer))
    assert "hunter2" not in str(shown)
    assert shown["detail"].startswith("position 3: cannot read ")
    assert Masker(REGISTRY, "/Users").answer(orjson.dumps(answer)) == answer


def test_an_error_names_the_unknown_path_of_an_operation_but_not_its_value():
    """The value may be a secret under a misspelt path; the path is shown in the request anyway."""
    masker = Masker(REGISTRY, "/Users")
    operation = {"op": "add", "path": "badgeNumber", "value": SECRET}
    [shown] = masker.message(orjson.dumps({"Operations": [operation]}))["Operations"]
    assert shown == {**operation, "value": MASK}
    for detail, expected in {
        'User has no attribute "badgeNumber".': 'User has no attribute "badgeNumber".',
        'badgeNumber cannot be "hunter2".': f"badgeNumber cannot be {MASK}.",
        'Neither "badgeNumber" nor "hunter2".': f"Neither {MASK}.",
    }.items():
        assert masker.answer(orjson.dumps({"detail": detail})) == {"detail": expected}


def test_a_query_encoded_into_the_path_is_masked():
    assert bare_path("/Users?access_token=hunter2") == f"/Users?{MASK}"
    assert bare_path("/Users;token=hunter2") == f"/Users;{MASK}"
    assert bare_path("/Users/019-ab") == "/Users/019-ab"


@pytest.mark.parametrize(
    "body",
    [
        {"Operations": [{"op": "replace", "path": "/password", "value": SECRET}]},
        {"Operations": [{"op": "replace", "path": f"/{VAULT}:pin", "value": SECRET}]},
        {"op": "replace", "path": "/pin", "value": SECRET},
        {"Operations": [{"op": "replace", "attribute": "password", "value": SECRET}]},
        {"Operations": [{"method": "PATCH", "path": "/Users/1", "value": SECRET}]},
        {"pass word": SECRET},
        {"filter": [f"password eq {json.dumps(SECRET)}"]},
        {"attributes": [f"password:{SECRET}"]},
        {"Operations": [{"op": "replace", "path": f"password{SECRET}", "value": "x"}]},
    ],
)
@pytest.mark.parametrize("path", ["/Users/1", "/Users/.search", "/Bulk", "/Groups/1"])
def test_secrets_in_forms_that_the_protocol_does_not_have_are_masked(body, path):
    masker = Masker(REGISTRY, path)
    assert "hunter2" not in json.dumps(masker.message(json.dumps(body).encode()))
    assert masker.masked


def test_requests_without_secrets_are_unchanged():
    body = {
        "schemas": [USER],
        "userName": "ada",
        "title": "Password manager",
        "emails": [{"value": "a@x.com", "type": "work"}],
    }
    assert Masker(REGISTRY, "/Users").message(json.dumps(body).encode()) == body
    message = {
        "Operations": [{"op": "replace", "path": "title", "value": "Token officer"}],
        "schemas": ["x"],
    }
    assert Masker(REGISTRY, "/Users/1").message(json.dumps(message).encode()) == message
