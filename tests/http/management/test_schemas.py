"""Schemas and resource types of a workspace's own, over HTTP."""

import pytest
from scim2_models import ResourceType, Schema

from muster.access.permissions import SETTINGS
from tests.console.pages.test_schema_editor import NUMBER, URN
from tests.support.people import error_of, group, patch, person, replace
from tests.support.tenant import Tenant, problem
from tests.support.waiting import until

BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"


def badge(*more, **changed):
    attributes = [
        {"name": "number", "type": "string", "indexed": True, "uniqueness": "server"},
        {"name": "level", "type": "integer"},
        {
            "name": "zones",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [{"name": "value"}, {"name": "type"}],
        },
        {"name": "pin", "type": "string", "returned": "request"},
        *more,
    ]
    return {
        "id": BADGE,
        "name": "Badge",
        "description": "Door badges",
        "extends": ["User"],
        "attributes": attributes,
        **changed,
    }


def device(**changed):
    attributes = [
        {"name": "serial", "required": True, "uniqueness": "server", "indexed": True},
        {"name": "model", "caseExact": True, "indexed": True},
        {
            "name": "owner",
            "type": "complex",
            "subAttributes": [{"name": "value"}, {"name": "$ref", "type": "reference"}],
        },
        {"name": "bought", "type": "dateTime"},
    ]
    return {"id": DEVICE, "name": "Device", "attributes": attributes, **changed}


def holder(number, **more):
    return person(**{BADGE: {"number": number, **more}})


def found(tenant, text, path="/Users"):
    answer = tenant.scim.get(path, params={"filter": text})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["Resources"]]


def test_an_extension_is_live_at_once(fresh):
    before = fresh.scim.post("/Users", json=holder("0")).json()
    assert BADGE not in before
    error_of(
        fresh.scim.get("/Users", params={"filter": f'{BADGE}:number eq "1"'}), 400, "invalidFilter"
    )
    made = fresh.api.post("/schemas", json=badge())
    assert made.status_code == 201, made.text
    assert fresh.api.get(made.headers["location"].removeprefix("/api/v1")).json() == {
        **made.json(),
        "indexProgress": 100,
    }
    one, two = (
        fresh.scim.post(
            "/Users",
            json=holder(number, level=level, zones=[{"value": "A", "type": "in"}], pin="1234"),
        ).json()
        for number, level in (("A1", 1), ("B2", 2))
    )
    assert BADGE in one["schemas"]
    assert one[BADGE] == {"number": "A1", "level": 1, "zones": [{"value": "A", "type": "in"}]}
    shown = fresh.scim.get(f"/Users/{one['id']}", params={"attributes": f"{BADGE}:pin"}).json()
    assert shown[BADGE] == {"pin": "1234"}
    assert "pin" not in fresh.scim.get("/Users").text
    assert found(fresh, f'{BADGE}:number eq "a1"') == [one["id"]]
    assert "pin" not in fresh.scim.get(f"/Users?filter={BADGE}:number%20eq%20%22a1%22").text
    assert found(fresh, f"{BADGE}:level gt 1") == [two["id"]]
    assert found(fresh, f'{BADGE}:zones[value eq "A" and type eq "in"]') == [one["id"], two["id"]]
    listed = fresh.scim.get(
        "/Users", params={"sortBy": f"{BADGE}:number", "sortOrder": "descending"}
    ).json()["Resources"]
    assert [item["id"] for item in listed] == [before["id"], two["id"], one["id"]]
    changed = fresh.scim.patch(f"/Users/{one['id']}", json=replace(f"{BADGE}:level", 7)).json()
    assert changed[BADGE]["level"] == 7
    error_of(
        fresh.scim.patch(f"/Users/{one['id']}", json=replace(f"{BADGE}:level", "seven")),
        400,
        "invalidValue",
    )
    error_of(fresh.scim.post("/Users", json=holder("A1")), 409, "uniqueness")
    error_of(
        fresh.scim.patch(f"/Users/{two['id']}", json=replace(f"{BADGE}:number", "a1")),
        409,
        "uniqueness",
    )
    error_of(fresh.scim.post("/Users", json=holder(7)), 400, "invalidValue")
    fresh.scim.patch(f"/Users/{one['id']}", json=patch({"op": "remove", "path": BADGE}))
    assert fresh.scim.post("/Users", json=holder("A1")).status_code == 201
    assert fresh.findings() == []


def test_attributes_named_like_members_of_meta_are_found(fresh):
    subs = [{"name": "location"}, {"name": "version", "type": "integer"}]
    fresh.api.post(
        "/schemas", json=badge({"name": "printer", "type": "complex", "subAttributes": subs})
    )
    one = fresh.scim.post(
        "/Users", json=holder("1", printer={"location": "Basement", "version": 3})
    ).json()
    assert found(fresh, f'{BADGE}:printer.location eq "basement"') == [one["id"]]
    assert found(fresh, f"{BADGE}:printer.version gt 2 and {BADGE}:printer.location pr") == [
        one["id"]
    ]


def test_discovery_and_openapi_show_it(fresh, server):
    fresh.api.post("/schemas", json=badge())
    fresh.api.post("/schemas", json=device())
    made = {"name": "Device", "endpoint": "/Devices", "description": "Laptops", "schema": DEVICE}
    assert fresh.api.post("/resource-types", json=made).status_code == 201
    for item in fresh.scim.get("/Schemas").json()["Resources"]:
        Schema.model_validate(item)
    shown = fresh.scim.get(f"/Schemas/{BADGE}").json()
    assert [attribute["name"] for attribute in shown["attributes"]] == [
        "number",
        "level",
        "zones",
        "pin",
    ]
    assert shown["attributes"][1]["mutability"] == "readWrite"
    types = {item["name"]: item for item in fresh.scim.get("/ResourceTypes").json()["Resources"]}
    for item in types.values():
        ResourceType.model_validate(item)
    assert {"schema": BADGE, "required": False} in types["User"]["schemaExtensions"]
    assert types["Device"]["endpoint"] == "/Devices"
    document = fresh.scim.get(f"{server.url}/openapi.json").json()
    assert "post" in document["paths"]["/scim/v2/Devices"]
    assert BADGE in document["components"]["schemas"]["User"]["properties"]
    with Tenant(server) as other:
        assert other.scim.get(f"/Schemas/{BADGE}").status_code == 404
        error_of(other.scim.get("/Devices"), 404)
        assert (
            "/scim/v2/Devices" not in other.scim.get(f"{server.url}/openapi.json").json()["paths"]
        )


def test_a_resource_type_of_its_own(fresh):
    problem(
        fresh.api.post(
            "/resource-types", json={"name": "Device", "endpoint": "/Devices", "schema": DEVICE}
        ),
        400,
    )
    fresh.api.post("/schemas", json=device())
    fresh.api.post(
        "/resource-types", json={"name": "Device", "endpoint": "/Devices", "schema": DEVICE}
    )
    body = {
        "schemas": [DEVICE],
        "serial": "S1",
        "model": "x1",
        "owner": {"value": "u"},
        "bought": "2026-01-01T00:00:00Z",
    }
    made = fresh.scim.post("/Devices", json=body)
    assert made.status_code == 201
    one = made.json()
    assert one["meta"]["resourceType"] == "Device"
    assert one["meta"]["location"].endswith(f"/scim/v2/Devices/{one['id']}")
    assert fresh.scim.get(one["meta"]["location"]).json() == one
    error_of(fresh.scim.post("/Devices", json=body | {"serial": "s1"}), 409, "uniqueness")
    error_of(fresh.scim.post("/Devices", json={"schemas": [DEVICE]}), 400, "invalidValue")
    assert found(fresh, 'serial eq "s1"', "/Devices") == [one["id"]]
    assert found(fresh, 'model eq "X1"', "/Devices") == []
    assert found(fresh, 'bought lt "2026-02-01T00:00:00Z" and owner.value eq "u"', "/Devices") == [
        one["id"]
    ]
    changed = fresh.scim.patch(f"/Devices/{one['id']}", json=replace("model", "x2"))
    assert changed.headers["etag"] == 'W/"2"'
    assert fresh.scim.get("/").json()["totalResults"] == 1
    events = fresh.api.get("/changes").json()["events"]
    assert [event["type"] for event in events] == ["device.created", "device.updated"]
    problem(fresh.api.delete("/resource-types/Device"), 409)
    problem(fresh.api.delete(f"/schemas/{DEVICE}"), 409)
    assert fresh.scim.delete(f"/Devices/{one['id']}").status_code == 204
    assert fresh.api.delete("/resource-types/device").status_code == 204
    error_of(fresh.scim.get("/Devices"), 404)
    assert fresh.api.delete(f"/schemas/{DEVICE}").status_code == 204


def test_two_workspaces_define_one_urn_each_in_its_way(fresh, server):
    fresh.api.post("/schemas", json=badge())
    with Tenant(server) as other:
        level = {"name": "level", "type": "string"}
        other.api.post("/schemas", json=badge(attributes=[level]))
        assert fresh.scim.post("/Users", json=holder("1", level=1)).status_code == 201
        assert (
            other.scim.post("/Users", json=person(**{BADGE: {"level": "high"}})).status_code == 201
        )
        error_of(
            fresh.scim.post("/Users", json=person(**{BADGE: {"level": "high"}})),
            400,
            "invalidValue",
        )
        error_of(
            other.scim.post("/Users", json=person(**{BADGE: {"level": 1}})), 400, "invalidValue"
        )
        problem(other.api.get("/schemas/urn:example:none"), 404)


def test_who_may_not_read_resources_gets_the_number_of_those_that_would_break(fresh):
    fresh.api.post("/schemas", json=badge())
    ids = [fresh.scim.post("/Users", json=holder("1", level=1)).json()["id"], fresh.user()["id"]]
    settings = fresh.client(fresh.key("--permission", SETTINGS), "/api/v1")
    unique = {"name": "number", "indexed": True, "uniqueness": "server"}
    for answer in (
        settings.put(f"/schemas/{BADGE}", json=badge(attributes=[unique])),
        settings.put(f"/schemas/{BADGE}", json=badge(required=True)),
        settings.delete(f"/schemas/{BADGE}"),
    ):
        problem(answer, 409)
        assert answer.json()["total"] == 1
        assert "broken" not in answer.json()
        assert not any(found in answer.text for found in ids)


def test_who_may_not_read_groups_gets_none_of_the_names_that_they_share(fresh):
    for _ in range(2):
        fresh.scim.post("/Groups", json=group("Secret Project"))
    settings = fresh.client(fresh.key("--permission", SETTINGS), "/api/v1")
    refused = settings.patch("/settings", json={"uniqueGroupNames": True})
    assert "several groups have the same name" in problem(refused, 409)
    assert "ecret" not in refused.text
    assert (
        "'secret project'"
        in problem(fresh.api.patch("/settings", json={"uniqueGroupNames": True}), 409).lower()
    )


def test_a_change_that_breaks_stored_documents_is_refused_with_their_list(fresh):
    fresh.api.post("/schemas", json=badge())
    user = fresh.scim.post("/Users", json=holder("1", level=1)).json()
    plain = fresh.user()
    numbers = {"name": "number", "indexed": True, "uniqueness": "server"}
    refused = {
        "level as string": [numbers, {"name": "level", "type": "string"}],
        "without level": [numbers],
        "another required": [
            numbers,
            {"name": "level", "type": "integer"},
            {"name": "more", "required": True},
        ],
        "level required and more": [
            numbers,
            {"name": "level", "type": "integer", "multiValued": True},
        ],
    }
    for attributes in refused.values():
        answer = fresh.api.put(f"/schemas/{BADGE}", json=badge(attributes=attributes))
        problem(answer, 409)
        assert answer.json()["total"] == 1
        assert answer.json()["broken"][0]["id"] == user["id"]
    answer = fresh.api.put(f"/schemas/{BADGE}", json=badge(required=True))
    problem(answer, 409)
    assert [item["id"] for item in answer.json()["broken"]] == [plain["id"]]
    problem(fresh.api.delete(f"/schemas/{BADGE}"), 409)
    problem(fresh.api.put(f"/schemas/{BADGE}", json=badge(id="urn:example:other")), 400)
    assert fresh.scim.get(f"/Users/{user['id']}").json() == user
    wider = fresh.api.put(f"/schemas/{BADGE}", json=badge({"name": "colour"}))
    assert wider.status_code == 200, wider.text
    fresh.scim.patch(f"/Users/{user['id']}", json=replace(f"{BADGE}:colour", "red"))
    fresh.scim.patch(f"/Users/{user['id']}", json=patch({"op": "remove", "path": BADGE}))
    assert fresh.api.delete(f"/schemas/{BADGE}").status_code == 204
    assert fresh.findings() == []


@pytest.mark.slow
def test_an_index_is_built_over_stored_resources(fresh):
    colour = {"name": "colour"}
    fresh.api.post("/schemas", json=badge(colour))
    users = [
        fresh.scim.post("/Users", json=holder(f"{n}", colour=f"c{n % 3}")).json()["id"]
        for n in range(30)
    ]
    indexed = fresh.api.put(f"/schemas/{BADGE}", json=badge(colour | {"indexed": True})).json()
    assert indexed["indexReady"] is False
    assert found(fresh, f'{BADGE}:colour eq "C1"') == users[1::3]
    fresh.scim.patch(f"/Users/{users[1]}", json=replace(f"{BADGE}:colour", "c9"))
    fresh.scim.delete(f"/Users/{users[4]}")

    def ready():
        shown = fresh.api.get(f"/schemas/{BADGE}").json()
        assert shown["indexReady"] or 0 <= shown["indexProgress"] < 100
        return shown["indexReady"]

    assert until(ready)
    assert found(fresh, f'{BADGE}:colour eq "C1"') == users[7::3]
    assert found(fresh, f'{BADGE}:colour sw "c9"') == [users[1]]
    assert fresh.findings() == []
    fresh.api.put(f"/schemas/{BADGE}", json=badge(colour))
    assert found(fresh, f'{BADGE}:colour eq "C1"') == users[7::3]
    assert fresh.findings() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "badge"}, {"id": "urn:ietf:params:scim:schemas:core:2.0:User"}, {"name": ""}, {"extends": ["Robot"]},
        {"extends": "User"}, {"attributes": []}, {"attributes": [{"name": "1st"}]}, {"attributes": [{"name": "a", "type": "x"}]},
        {"attributes": [{"name": "a"}, {"name": "A"}]}, {"attributes": [{"name": "a", "mutability": "write"}]},
        {"attributes": [{"name": "a", "returned": "sometimes"}]}, {"attributes": [{"name": "a", "type": "complex"}]},
        {"attributes": [{"name": "a", "type": "integer", "indexed": True}]}, {"attributes": [{"name": "a", "required": "yes"}]},
        {"attributes": [{"name": "a", "multiValued": True, "uniqueness": "server"}]}, {"required": 1},
        {"attributes": [{"name": "a", "type": "complex", "subAttributes": [{"name": "b", "type": "complex"}]}]},
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be(fresh, wrong):
    problem(fresh.api.post("/schemas", json=badge(**wrong)), 400)
    assert fresh.api.get("/schemas").json()["items"] == []


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"name": "User"}, 409), ({"endpoint": "/users"}, 409), ({"endpoint": "/Bulk"}, 400), ({"endpoint": "Devices"}, 400),
     ({"name": "a b"}, 400), ({"schema": "urn:ietf:params:scim:schemas:core:2.0:User"}, 400), ({"schema": BADGE}, 400),
     ({"schemaExtensions": [{"schema": "urn:example:none"}]}, 400)],
)  # fmt: skip
def test_a_resource_type_that_cannot_be(fresh, wrong, status):
    fresh.api.post("/schemas", json=device())
    fresh.api.post("/schemas", json=badge())
    problem(
        fresh.api.post(
            "/resource-types",
            json={"name": "Device", "endpoint": "/Devices", "schema": DEVICE, **wrong},
        ),
        status,
    )


def test_they_are_exported_and_imported_with_their_schema(fresh, server, tmp_path):
    fresh.api.post("/schemas", json=badge())
    user = fresh.scim.post("/Users", json=holder("1", level=1)).json()
    file = tmp_path / "lines"
    server.muster("export", "--workspace", fresh.name, "--output", str(file))
    fresh.scim.delete(f"/Users/{user['id']}")
    with Tenant(server) as other:
        refused = server.muster("import", "--workspace", other.name, str(file), check=False)
        assert (refused.returncode, BADGE in refused.stdout) == (1, True)
        other.api.post("/schemas", json=badge())
        done = server.muster("import", "--workspace", other.name, str(file), check=False)
        assert done.stdout.startswith("1 created"), done.stdout
        assert other.scim.get(f"/Users/{user['id']}").json()[BADGE] == user[BADGE]


SECRET = {"name": "code", "mutability": "writeOnly", "returned": "never"}


def test_a_secret_is_kept_nowhere_that_it_could_be_read(fresh):
    assert fresh.api.post("/schemas", json=badge(SECRET)).status_code == 201
    user = fresh.scim.post("/Users", json=holder("1", code="s3cret-1")).json()
    assert user[BADGE] == {"number": "1"}
    path = f"/Users/{user['id']}"
    for body in (
        replace(f"{BADGE}:code", "s3cret-2"),
        replace(BADGE, {"code": "s3cret-3"}),
        patch({"op": "remove", "path": BADGE}),
    ):
        assert fresh.scim.patch(path, json=body).status_code == 200
    put = fresh.scim.put(path, json={**holder("2", code="s3cret-4"), "userName": user["userName"]})
    assert put.status_code == 200
    shown = [
        put,
        fresh.scim.get("/Users"),
        fresh.scim.get(path, params={"attributes": f"{BADGE}:code"}),
        fresh.api.get("/changes"),
    ]
    assert not any("s3cret" in answer.text for answer in shown)
    error_of(
        fresh.scim.get("/Users", params={"filter": f'{BADGE}:code eq "s3cret-4"'}),
        400,
        "invalidFilter",
    )
    error_of(fresh.scim.patch(path, json=replace(f"{BADGE}:code", 7)), 400, "invalidValue")


def test_a_user_may_have_an_extension_of_secrets_alone(fresh):
    assert fresh.api.post("/schemas", json=badge(attributes=[SECRET])).status_code == 201
    user = fresh.scim.post("/Users", json=person(**{BADGE: {"code": "s3cret"}})).json()
    assert BADGE not in user
    assert BADGE not in user["schemas"]


@pytest.mark.parametrize(
    "attribute",
    [
        {**SECRET, "uniqueness": "server"},
        {**SECRET, "indexed": True},
        {**SECRET, "mutability": "immutable"},
        {**SECRET, "type": "complex", "subAttributes": [{"name": "a"}]},
        {
            "name": "box",
            "type": "complex",
            "subAttributes": [{"name": "a"}, {**SECRET, "required": True}],
        },
        {"name": "box", "type": "complex", "required": True, "subAttributes": [SECRET]},
        {"name": "box", "type": "complex", "multiValued": True, "subAttributes": [SECRET]},
        {
            "name": "box",
            "type": "complex",
            "mutability": "immutable",
            "subAttributes": [{"name": "a"}, SECRET],
        },
        {
            "name": "box",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [{"name": "a"}, {**SECRET, "name": "value"}],
        },
    ],
)
def test_a_secret_that_could_not_be_kept_as_a_hash_is_refused(fresh, attribute):
    problem(fresh.api.post("/schemas", json=badge(attribute)), 400)


def test_values_in_the_clear_cannot_become_secrets(fresh):
    assert fresh.api.post("/schemas", json=badge({"name": "code"})).status_code == 201
    fresh.scim.post("/Users", json=holder("1", code="clear"))
    assert fresh.api.put(f"/schemas/{BADGE}", json=badge(SECRET)).status_code == 409
    box = {"name": "box", "type": "complex", "multiValued": True}
    shown = {**box, "subAttributes": [{"name": "a"}, {"name": "code"}]}
    hidden = {**box, "subAttributes": [{"name": "a"}, SECRET]}
    assert (
        fresh.api.put(f"/schemas/{BADGE}", json=badge({"name": "code"}, shown)).status_code == 200
    )
    fresh.scim.post("/Users", json=holder("2", box=[{"a": "x", "code": "clear"}]))
    answer = fresh.api.put(f"/schemas/{BADGE}", json=badge({"name": "code"}, hidden))
    assert answer.status_code == 409, answer.text


def test_a_required_secret_must_be_given(fresh):
    assert fresh.api.post("/schemas", json=badge({**SECRET, "required": True})).status_code == 201
    assert "code" in error_of(fresh.scim.post("/Users", json=holder("1")), 400, "invalidValue")
    user = fresh.scim.post("/Users", json=holder("2", code="s3cret")).json()
    path = f"/Users/{user['id']}"
    assert fresh.scim.patch(path, json=replace(f"{BADGE}:level", 1)).status_code == 200
    error_of(
        fresh.scim.patch(path, json=patch({"op": "remove", "path": f"{BADGE}:code"})),
        400,
        "mutability",
    )


def test_only_the_ids_of_the_rfcs_are_reserved(fresh):
    own = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
    assert fresh.api.post("/schemas", json=badge(id=own)).status_code == 201
    user = fresh.scim.post("/Users", json=person(**{own: {"number": "1"}})).json()
    assert user[own] == {"number": "1"}
    assert "already" in problem(fresh.api.post("/schemas", json=badge(id=own)), 409)
    for urn in (
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:api:messages:2.0:PatchOp",
    ):
        assert "reserved" in problem(fresh.api.post("/schemas", json=badge(id=urn)), 400)


def test_the_preview_of_the_api_tells_what_changes_and_what_breaks(fresh):
    schema = {"id": URN, "name": "Badge", "extends": ["User"], "attributes": [NUMBER]}
    preview = fresh.api.post("/schemas/preview", json=schema)
    assert preview.json() == {
        "changes": [{"attribute": "number", "action": "add", "values": []}],
        "conflicts": None,
    }
    assert fresh.api.get("/schemas").json()["items"] == []
    fresh.api.post("/schemas", json=schema)
    user = fresh.scim.post("/Users", json=person(**{URN: {"number": "7"}})).json()
    schema["attributes"] = [{"name": "number", "type": "boolean"}]
    preview = fresh.api.post("/schemas/preview", json=schema).json()
    assert preview["changes"][0]["values"] == [
        {"name": "type", "before": "string", "after": "boolean"}
    ]
    conflicts = preview["conflicts"]
    assert (conflicts["total"], conflicts["attributes"]) == (1, {"number": 1})
    assert (conflicts["broken"][0]["id"], conflicts["broken"][0]["attribute"]) == (
        user["id"],
        "number",
    )
    settings = fresh.client(fresh.key("--permission", SETTINGS), "/api/v1")
    assert settings.post("/schemas/preview", json=schema).json()["conflicts"]["broken"] == []
    wrong = fresh.api.post("/schemas/preview", json={**schema, "extends": ["Nobody"]})
    assert wrong.status_code == 400
