"""Okta's SPEC test and its entitlements test, as runners of our own.

Okta publishes both as files for the service Runscope (now BlazeMeter). The cases here send the same
requests and want the same answers. The first names are those of the files; the cases on
entitlements follow the guide, since the file has one request.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import httpx

from conformance.results import Case, Cases, Unexpected, expect, expect_status
from conformance.suites import Suite
from conformance.target import Target

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
ROLE = "urn:okta:scim:schemas:core:1.0:Role"
ENTITLEMENT = "urn:okta:scim:schemas:core:1.0:Entitlement"
_HEADERS = {
    "Accept-Charset": "utf-8",
    "Content-Type": "application/scim+json; charset=utf-8",
    "Accept": "application/scim+json",
    "User-Agent": "OKTA SCIM Integration",
}
_JSON = {"Content-Type": "application/json", "Accept": "application/scim+json; charset=utf-8"}


def _at(shown: Any, path: str) -> Any:
    """Return the value at a path such as `emails.0.value`."""
    for part in path.split("."):
        shown = shown[int(part)] if isinstance(shown, list) else shown[part]
    return shown


def _has(shown: Any, *paths: str) -> None:
    for path in paths:
        if _at(shown, path) in (None, "", [], {}):
            raise Unexpected(f"{path} is empty")


def _is_number(shown: Any, *names: str) -> None:
    for name in names:
        if not isinstance(shown[name], int):
            raise Unexpected(f"{name}: expected a number, got {shown[name]!r}")


def _is_error(shown: Any, status: str) -> None:
    _has(shown, "detail")
    expect(shown["status"], status, "status")
    expect(shown["schemas"], [ERROR], "schemas")


class _Spec:
    """The SPEC test in a workspace that has one user already, as Okta asks for."""

    def __init__(self, client: httpx.Client) -> None:
        self.client, self.cases = client, Cases()
        self.first = f"Runscope{secrets.randbelow(1000):03}"
        self.last = secrets.token_hex(4).capitalize()
        self.email = f"{self.first}{self.last}@atko.com"
        self.ids: dict[str, str] = {}

    def get(self, path: str, status: int, **headers: str) -> Any:
        answer = self.client.get(path, headers={**_HEADERS, **headers})
        return expect_status(answer, status)

    def run(self) -> list[Case]:
        """Run the cases in the order of the file."""
        known = {"name": {"givenName": "Known", "familyName": "User"}, "active": True}
        known |= {"schemas": [USER], "userName": "known@atko.com"}
        self.client.post("/Users", json=known | {"emails": [{"value": "known@atko.com"}]})
        for name, work in (
            ("Required Test: Test Users endpoint", self.users),
            ("Required Test: Get Users/{id}", self.user),
            ("Required Test: Test invalid User by username", self.unknown_name),
            ("Required Test: Test invalid User by ID", self.unknown_id),
            ("Required Test: Make sure random user doesn't exist", self.random),
            ("Required Test: Create Okta user with realistic values", self.create),
            ("Required Test: Verify that user was created", self.created),
            ("Required Test: Expect failure when recreating user with same values", self.again),
            ("Required Test: Username Case Sensitivity Check", self.case),
            ("Optional Test: Verify Groups endpoint", self.groups),
            ("Required Test: Check status 401", self.unauthorized),
            ("Required Test: Check status 404", self.not_found),
        ):
            with self.cases.case(name):
                work()
        return self.cases.found

    def users(self) -> None:
        shown = self.get("/Users?count=1&startIndex=1", 200)
        _has(shown, "Resources", "Resources.0.id", "Resources.0.userName")
        _has(shown, "Resources.0.name.familyName", "Resources.0.name.givenName")
        _has(shown, "Resources.0.active", "Resources.0.emails.0.value")
        expect(shown["schemas"], [LIST], "schemas")
        _is_number(shown, "itemsPerPage", "startIndex", "totalResults")
        self.ids["known"] = shown["Resources"][0]["id"]

    def user(self) -> None:
        shown = self.get(f"/Users/{self.ids['known']}", 200)
        _has(shown, "name.familyName", "name.givenName", "userName", "active", "emails.0.value")
        expect(shown["id"], self.ids["known"], "id")

    def unknown_name(self) -> None:
        self._nobody("invalid@atko.com")

    def random(self) -> None:
        self._nobody(self.email)

    def _nobody(self, name: str) -> None:
        shown = self.get(f'/Users?filter=userName eq "{name}"', 200)
        expect(shown["schemas"], [LIST], "schemas")
        expect(shown["totalResults"], 0, "totalResults")

    def unknown_id(self) -> None:
        _is_error(self.get("/Users/010101001010101011001010101011", 404), "404")

    def _realistic(self) -> dict[str, Any]:
        return {
            "schemas": [USER],
            "userName": self.email,
            "name": {"givenName": self.first, "familyName": self.last},
            "emails": [{"primary": True, "value": self.email, "type": "work"}],
            "displayName": f"{self.first} {self.last}",
            "active": True,
        }

    def create(self) -> None:
        answer = self.client.post("/Users", json=self._realistic(), headers=_JSON)
        shown = expect_status(answer, 201)
        _has(shown, "id")
        expect(shown["active"], wanted=True, what="active")
        expect(USER in shown["schemas"], wanted=True, what="schemas has the User schema")
        self._is_realistic(shown)
        self.ids["new"] = shown["id"]

    def _is_realistic(self, shown: Any) -> None:
        expect(shown["userName"], self.email, "userName")
        expect(shown["name"]["familyName"], self.last, "name.familyName")
        expect(shown["name"]["givenName"], self.first, "name.givenName")

    def created(self) -> None:
        self._is_realistic(self.get(f"/Users/{self.ids['new']}", 200))

    def again(self) -> None:
        expect_status(self.client.post("/Users", json=self._realistic(), headers=_JSON), 409)

    def case(self) -> None:
        # The file wants 200 alone. RFC 7643 section 4.1.1 makes userName case-insensitive.
        shown = self.get(f'/Users?filter=userName eq "{self.email.upper()}"', 200)
        expect(shown["totalResults"], 1, "totalResults")

    def groups(self) -> None:
        _is_number(self.get("/Groups", 200), "totalResults")

    def unauthorized(self) -> None:
        path = f'/Users?filter=userName eq "{self.email.upper()}"'
        _is_error(self.get(path, 401, Authorization="non-token"), "401")

    def not_found(self) -> None:
        _is_error(self.get("/Users/00919288221112222", 404), "404")


def run_spec(target: Target) -> Sequence[Case]:
    """Run Okta's SPEC test."""
    with target.client(target.workspace("okta")[1]) as client:
        return _Spec(client).run()


_TYPES = {
    "Role": ("/Roles", ROLE, []),
    "Entitlement": ("/Entitlements", ENTITLEMENT, []),
    "Profile": ("/Profiles", ENTITLEMENT, ["urn:isv:scim:schemas:extension:app:1.0:Profile"]),
}
"""The resource types of the guide's example, with their endpoints, schemas and extensions."""


def _schema(urn: str, name: str, *attributes: str) -> dict[str, Any]:
    return {
        "id": urn,
        "name": name,
        "attributes": [{"name": attribute, "type": "string"} for attribute in attributes],
    }


def define_entitlements(api: httpx.Client) -> None:
    """Define the roles, entitlements and profiles of the guide's example in a workspace."""
    for schema in (
        _schema(ROLE, "Role", "displayName"),
        _schema(ENTITLEMENT, "Entitlement", "displayName", "type"),
    ):
        expect_status(api.post("/schemas", json=schema), 201)
    for name, (endpoint, core, extensions) in _TYPES.items():
        body = {"name": name, "endpoint": endpoint, "schema": core}
        expect_status(api.post("/resource-types", json=body), 201)
        for urn in extensions:
            made = _schema(urn, "Profile extension", "customProfileProperty")
            expect_status(api.post("/schemas", json=made | {"extends": [name]}), 201)


def run_entitlements(target: Target) -> Sequence[Case]:
    """Run the calls that Okta makes for entitlements, and its entitlements test."""
    _, token = target.workspace("okta-entitlements")
    with target.client(token) as client, target.client(token, "/api/v1") as api:
        define_entitlements(api)
        return _Entitlements(client).run()


class _Entitlements:
    def __init__(self, client: httpx.Client) -> None:
        self.client, self.cases = client, Cases()

    def get(self, path: str) -> Any:
        return expect_status(self.client.get(path, headers=_HEADERS), 200)

    def run(self) -> list[Case]:
        """Run the cases in the order of the guide's endpoint call sequence."""
        with self.cases.case("/ResourceTypes lists roles, entitlements and extensions"):
            self.resource_types()
        with self.cases.case("/Schemas has the extension that Okta does not know"):
            self.schemas()
        for name, (endpoint, schema, extensions) in _TYPES.items():
            with self.cases.case(f"A {name} can be created"):
                self.create(name, endpoint, [schema, *extensions])
            with self.cases.case(f"Entitlements Test: {endpoint}"):
                self.endpoint(endpoint)
        with self.cases.case("A user has entitlements and roles"):
            self.user()
        return self.cases.found

    def resource_types(self) -> None:
        shown = {found["id"]: found for found in self.get("/ResourceTypes")["Resources"]}
        for name, (endpoint, schema, extensions) in _TYPES.items():
            found = shown[name]
            expect(found["name"], name, f"{name}.name")
            expect(found["endpoint"], endpoint, f"{name}.endpoint")
            expect(found["schema"], schema, f"{name}.schema")
            listed = [item["schema"] for item in found.get("schemaExtensions", [])]
            expect(listed, extensions, f"{name}.schemaExtensions")

    def schemas(self) -> None:
        shown = {found["id"]: found for found in self.get("/Schemas")["Resources"]}
        for urn in _TYPES["Profile"][2]:
            names = [item["name"] for item in shown[urn]["attributes"]]
            expect(names, ["customProfileProperty"], f"attributes of {urn}")

    def create(self, name: str, endpoint: str, schemas: list[str]) -> None:
        for number in (1, 2):
            body: dict[str, Any] = {"schemas": schemas, "displayName": f"{name} {number}"}
            body |= {urn: {"customProfileProperty": "value"} for urn in schemas[1:]}
            expect_status(self.client.post(endpoint, json=body, headers=_HEADERS), 201)

    def endpoint(self, endpoint: str) -> None:
        shown = self.get(f"{endpoint}?count=1&startIndex=1")
        _has(shown, "Resources")
        expect(shown["schemas"], [LIST], "schemas")
        expect(shown["itemsPerPage"], 1, "itemsPerPage")
        _is_number(shown, "startIndex", "totalResults")

    def user(self) -> None:
        wanted = {
            "entitlements": [
                {"value": "entitlement123", "display": "First Entitlement", "type": "License"},
                {"value": "profile123", "display": "First Profile", "type": "Profile"},
            ],
            "roles": [{"value": "role123", "display": "First Role"}],
        }
        body = {"schemas": [USER], "userName": "bjensen@example.com", **wanted}
        made = expect_status(self.client.post("/Users", json=body, headers=_HEADERS), 201)
        shown = self.get(f"/Users/{made['id']}")
        for name, elements in wanted.items():
            expect(shown[name], elements, name)


_FILES = "https://developer.okta.com/standards/SCIM/SCIMFiles/"
SPEC = Suite(
    "okta-spec",
    "Okta SCIM 2.0 SPEC Test",
    "exported 2024-05-13",
    "The tests of Okta's SPEC file: the requests are those of the copy of 2017, with the checks of"
    " 401 and 404 that a later copy adds. The date is that of the latest copy known.",
    (
        f"{_FILES}Okta-SCIM-20-SPEC-Test.json",
        "https://developer.okta.com/docs/guides/scim-provisioning-integration-test/main/",
    ),
    run_spec,
)
ENTITLEMENTS = Suite(
    "okta-entitlements",
    "Okta SCIM 2.0 Entitlements Test",
    "exported 2025-11-18",
    "The calls of user schema discovery, and the request of Okta's file for each endpoint.",
    (
        f"{_FILES}Okta-SCIM-20-Entitlements-Test.json",
        "https://developer.okta.com/docs/guides/scim-with-entitlements/-/main",
    ),
    run_entitlements,
)
