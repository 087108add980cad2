"""No password can be found in storage, logs, exports or pages."""

import json
import random
import re
import uuid

import pytest

from tests.console.browsing import Visitor, invitation
from tests.support.people import name, person
from tests.support.tenant import Tenant
from tests.support.waiting import until

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
VAULT = "urn:example:params:scim:schemas:extension:vault:2.0:User"
SCHEMA = {
    "id": VAULT,
    "name": "Vault",
    "extends": ["User"],
    "attributes": [
        {"name": "pin", "type": "string", "returned": "never"},
        {"name": "code", "type": "string", "mutability": "writeOnly"},
        {"name": "codes", "type": "string", "multiValued": True, "returned": "never"},
        {
            "name": "box",
            "type": "complex",
            "subAttributes": [
                {"name": "label"},
                {"name": "pin", "returned": "never"},
                {"name": "spare", "multiValued": True, "mutability": "writeOnly"},
            ],
        },
        {
            "name": "keys",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [{"name": "value"}, {"name": "pin", "returned": "never"}],
        },
    ],
}
MARK = "Hunter2"


def _cased(random, text):
    return "".join(random.choice((char.lower(), char.upper())) for char in text)


def _spelt(random):
    """The path of a secret: the password or a custom attribute."""
    own = ("pin", "code", "codes", "box.pin", "box.spare", "keys.pin", 'keys[value eq "a"].pin')
    name = random.choice(("password", f"{USER}:password", *(f"{VAULT}:{path}" for path in own)))
    return random.choice((name, _cased(random, name)))


def _held(random, secret):
    """The attributes of the workspace's own, with a secret within them."""
    return {
        _cased(random, "codes"): [secret, secret],
        _cased(random, "box"): {"label": "x", _cased(random, "pin"): secret, "spare": [secret]},
        _cased(random, "keys"): [{"value": "a", _cased(random, "pin"): secret}, {"pin": secret}],
    }


def _within(random, secret):
    """A path to one of these attributes, and its value."""
    name, value = random.choice(list(_held(random, secret).items()))
    return {"path": f"{VAULT}:{name}", "value": value}


def _operation(random, secret):
    path = _spelt(random)
    value = random.choice(
        (
            secret,
            [secret],
            {"value": secret},
            [{"value": secret}],
            {"$ref": None, "value": secret},
            5,
        )
    )
    text = json.dumps(secret)
    operation = random.choice(
        (
            {"op": "replace", "path": path, "value": value},
            {"op": "add", "path": f"{path}.value", "value": value},
            {"op": "add", "path": f"{path}.{secret}", "value": value},
            {"op": "remove", "path": f"{path}[value eq {text}]"},
            {"op": "remove", "path": f"{path} eq {text}"},
            {"op": "replace", "path": f"{path}[value eq {text}].value", "value": value},
            {"op": "replace", "path": f"emails[{path} eq {text}].value", "value": "x"},
            {"op": "replace", "value": {path: value}},
            {"op": "replace", "value": {f"{path}[value eq {text}]": value}},
            {"op": "replace", "path": "", "value": {"title": "shown", path: value}},
            {"op": "Replace", "path": [path], "value": value},
            {"op": "add", **_within(random, secret)},
            {"op": "remove", **_within(random, secret)},
            {"op": "replace", "value": {VAULT: _held(random, secret)}},
        )
    )
    return {_cased(random, key): item for key, item in operation.items()}


def _patch(random, secret):
    operations = [_operation(random, secret) for _ in range(random.randint(1, 3))]
    key = random.choice(("Operations", "operations", "OPERATIONS"))
    return {"schemas": [PATCH], key: random.choice((operations, operations[0]))}


def _filter(random, secret):
    text, path = json.dumps(secret), _spelt(random)
    operator = random.choice(("eq", "co", "ne", "EQ", "xx"))
    return random.choice(
        (
            f"{path} {operator} {text}",
            f"{path} {operator} {text[:-1]}",
            f"{path}[value {operator} {text}]",
            f"{path}.value {operator} {text}",
            f'not ({path} {operator} {text}) and title eq "x"',
            f"{path} {operator} {text} {text}",
            f"({path} {operator} {text}",
            f"{path}{operator}{text}",
        )
    )


def _ask(random, scim, user, secret):
    """Send one request of any kind with a secret in it."""
    vault = {
        _cased(random, VAULT): {_cased(random, "pin"): secret, _cased(random, "code"): [secret]}
    }
    bodies = (
        person(**{_spelt(random): secret}),
        person(**{_spelt(random): [secret]}),
        person(**vault),
        person(**{VAULT: _held(random, secret)}),
        person(**{VAULT: {"box": {"pin": secret}, "keys": [{"value": "a", "pin": secret}]}}),
        [secret],
        secret,
    )
    body = random.choice(bodies)
    patch, found = _patch(random, secret), _filter(random, secret)
    bulk = [
        {"method": "PATCH", "path": f"/Users/{user}", "data": patch},
        {
            "method": "post",
            "bulkId": uuid.uuid4().hex,
            "path": random.choice(("/Users", "/users", f"/Users?password={secret}")),
            "data": body,
        },
    ]
    search = {"schemas": [SEARCH], random.choice(("filter", "Filter")): found}
    content = {"content-type": "application/scim+json"}
    choices = (
        lambda: scim.post("/Users", json=body),
        lambda: scim.put(f"/Users/{user}", json=body),
        lambda: scim.patch(f"/Users/{user}", json=patch),
        lambda: scim.patch(
            f"/Users/{user}", json={_cased(random, "path"): "password", "value": secret}
        ),
        lambda: scim.post("/Bulk", json={"schemas": [BULK], "Operations": bulk}),
        lambda: scim.post(random.choice(("/.search", "/Users/.search")), json=search),
        lambda: scim.get("/Users", params={"filter": found}),
        lambda: scim.get(
            "/Users",
            params={random.choice(("access_token", "Access_Token", "api_key", "x")): secret},
        ),
        lambda: scim.get(f"/Users?{secret}"),
        lambda: scim.get(f"/Users%3Faccess_token={secret}"),
        lambda: scim.post("/Users", content=json.dumps(body)[:-1], headers=content),
        lambda: scim.post("/Users", content=f"password={secret}", headers=content),
        lambda: scim.post(
            "/Users", content=b"\xef\xbb\xbf" + json.dumps(body).encode(), headers=content
        ),
        lambda: scim.post(
            "/Users", content='{"password":' * 300 + json.dumps(secret) + "}" * 300, headers=content
        ),
    )
    return random.choice(choices)()


def _around(text):
    at = text.lower().index(MARK.lower())
    return text[max(0, at - 600) : at + 50]


@pytest.mark.parametrize("strict", [False, True])
def test_no_password_is_kept_logged_exported_or_shown(server, strict):
    rng = random.Random(strict)
    with Tenant(server) as tenant:
        tenant.api.patch("/settings", json={"strict": strict}).raise_for_status()
        made = tenant.api.post("/schemas", json=SCHEMA)
        assert made.status_code == 201, made.text
        user = tenant.user()["id"]
        root = Visitor(server).accept(invitation(server), name("root"))
        root.get(f"/w/{tenant.name}/requests")
        assert root.post(f"/w/{tenant.name}/requests/record").status_code == 303
        for _ in range(250):
            answer = _ask(rng, tenant.scim, user, f"{MARK}-{uuid.uuid4().hex}")
            assert answer.status_code < 500, answer.text
        last = tenant.scim.post("/Users", json=person()).headers["x-request-id"]
        kept = until(
            lambda: (
                last in (found := tenant.api.get("/requests", params={"limit": 500}).text) and found
            )
        )
        shown = [kept, server.muster("doctor", "--workspace", tenant.name).stdout]
        shown += [
            root.get(f"/w/{tenant.name}/{page}").text
            for page in ("requests", "doctor", "audit", "connect")
        ]
        pages = set(re.findall(r"/requests/\d+", shown[2]))
        assert len(pages) == 50
        shown += [root.get(f"/w/{tenant.name}{page}").text for page in pages]
        shown += [tenant.api.get(path).text for path in ("/changes", "/audit", f"/history/{user}")]
        root.close()
        assert [_around(text) for text in shown if MARK.lower() in text.lower()] == []
        assert MARK.lower().encode() not in server.stored().lower()
        assert MARK.lower() not in server.logged().lower()
