"""The cases of Microsoft's SCIM validator (scimvalidator.microsoft.com), as a runner of our own.

Microsoft publishes the validator as a service, not as a file. The names, requests and expected
answers here are those of its results, as users publish them, and of Microsoft's page on the SCIM
requests of Entra ID. `preview` cases do not count for Microsoft; here they do.
"""

import secrets
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from conformance.results import Case, Cases, Deviation, expect, expect_status
from conformance.suites import Suite
from conformance.target import Target

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_MANAGER = f"{ENTERPRISE}:manager"
_HEADERS = {"Content-Type": "application/scim+json; charset=utf-8"}


def _word() -> str:
    return secrets.token_hex(6).upper()


def new_user(manager: str, primary: str | bool = True) -> dict[str, Any]:
    """Return a user with the attributes that the validator sends by default.

    Args:
        manager: The id of its manager.
        primary: `primary` of its role, which the validator sends as a text.
    """
    return {
        "userName": f"{_word()}@example.com".lower(),
        "active": True,
        "displayName": _word(),
        "title": _word(),
        "emails": [{"type": "work", "value": "thaddeus@example.com", "primary": True}],
        "preferredLanguage": "hi",
        "name": {
            "givenName": "Elfrieda",
            "familyName": "Urban",
            "formatted": "Myah",
            "middleName": "Cindy",
            "honorificPrefix": "Minerva",
            "honorificSuffix": "Micaela",
        },
        "addresses": [
            {
                "type": "work",
                "formatted": _word(),
                "streetAddress": "25928 Katlyn Row",
                "locality": _word(),
                "region": _word(),
                "postalCode": "cx47 4mz",
                "primary": True,
                "country": "Sierra Leone",
            }
        ],
        "phoneNumbers": [
            {"type": "work", "value": "10-040-1308", "primary": True},
            {"type": "mobile", "value": "10-040-1308"},
            {"type": "fax", "value": "10-040-1308"},
        ],
        ENTERPRISE: {
            "employeeNumber": _word(),
            "department": _word(),
            "costCenter": _word(),
            "organization": _word(),
            "division": _word(),
            "manager": {"value": manager},
        },
        "roles": [{"primary": primary, "display": _word(), "value": _word(), "type": _word()}],
        "userType": _word(),
        "nickName": _word(),
        "locale": _word(),
        "timezone": "America/Guayaquil",
        "profileUrl": _word(),
        "schemas": [USER, ENTERPRISE],
    }


def _operation(op: str, path: str, value: Any = None) -> dict[str, Any]:
    found = {"op": op, "path": path}
    return found if value is None else found | {"value": value}


class Validator:
    """Runs the cases in one workspace."""

    def __init__(self, client: httpx.Client) -> None:
        self.client, self.cases = client, Cases()

    def run(self) -> list[Case]:
        """Run the cases on users, then those on groups."""
        for name, work in (*self.user_cases(), *self.group_cases()):
            with self.cases.case(name):
                work()
        return self.cases.found

    def send(self, method: str, path: str, *status: int, body: Any = None) -> Any:
        answer = self.client.request(method, path, json=body, headers=_HEADERS)
        return expect_status(answer, *status)

    def user(self, primary: str | bool = True) -> tuple[dict[str, Any], str]:
        """Create a user with a manager of its own. Returns its body and its id."""
        boss = {"schemas": [USER], "userName": f"{_word()}@example.com"}
        body = new_user(self.send("POST", "/Users", 201, body=boss)["id"], primary)
        made = self.send("POST", "/Users", 201, body=body)
        return body, made["id"]

    def group(self, **more: Any) -> tuple[dict[str, Any], str]:
        """Create a group. Returns its body and its id."""
        body = {"displayName": _word(), "externalId": str(uuid.uuid4()), "schemas": [GROUP], **more}
        return body, self.send("POST", "/Groups", 201, body=body)["id"]

    def find(self, path: str, total: int) -> Any:
        shown = self.send("GET", path, 200)
        expect(shown["totalResults"], total, f"totalResults of {path}")
        return shown["Resources"]

    def patch(self, path: str, *operations: dict[str, Any]) -> Any:
        """PATCH a resource. Returns the resource as GET shows it then."""
        body = {"schemas": [PATCH_OP], "Operations": list(operations)}
        self.send("PATCH", path, 200, 204, body=body)
        return self.send("GET", path, 200)

    def user_cases(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the cases on users."""
        return [
            ("Create a new User", self.create_user),
            ("Create a new User: primary of a role as a text", self.primary_as_text),
            ("Create a duplicate User", self.duplicate_user),
            ("Filter for an existing user", self.filter_user),
            ("Filter for a non-existing user", self.filter_nobody),
            ("Filter for an existing user with a different case", self.filter_case),
            ("Patch User - Replace Attributes Verbose", self.replace_attributes),
            ("Update User userName", self.update_name),
            ("Patch User - Disable User", self.disable),
            ("Patch User - Add Manager", lambda: self.set_manager("add")),
            ("Patch User - Replace Manager", lambda: self.set_manager("replace")),
            ("Patch User - Remove Manager", self.remove_manager),
            ("Delete a User", lambda: self.delete("/Users", self.user()[1])),
            ("Preview: Patch User - Multiple Ops on different attributes", self.several),
            ("Preview: Patch User - Multiple Ops on the same attribute", self.several_same),
            ("Preview: Delete a non-existent User", lambda: self.delete_unknown("/Users")),
            ("Preview: Delete the same User twice", lambda: self.twice("/Users", self.user()[1])),
        ]

    def create_user(self) -> None:
        body, user = self.user()
        shown = self.send("GET", f"/Users/{user}", 200)
        for name in ("userName", "active", "displayName", "title", "name", "emails", "addresses"):
            expect(shown[name], body[name], name)
        for name in ("employeeNumber", "department", "costCenter", "organization", "division"):
            expect(shown[ENTERPRISE][name], body[ENTERPRISE][name], name)

    def primary_as_text(self) -> None:
        _, user = self.user(primary="True")
        [role] = self.send("GET", f"/Users/{user}", 200)["roles"]
        expect(role["primary"], wanted=True, what="roles[0].primary")

    def duplicate_user(self) -> None:
        body, _ = self.user()
        expect(self.send("POST", "/Users", 409, body=body)["scimType"], "uniqueness", "scimType")

    def filter_user(self) -> None:
        body, user = self.user()
        [shown] = self.find(f'/Users?filter=userName eq "{body["userName"]}"', 1)
        expect(shown["id"], user, "id")

    def filter_nobody(self) -> None:
        self.find(f'/Users?filter=userName eq "{_word()}"', 0)

    def filter_case(self) -> None:
        body, user = self.user()
        [shown] = self.find(f'/Users?filter=userName eq "{body["userName"].upper()}"', 1)
        expect(shown["id"], user, "id")

    def replace_attributes(self) -> None:
        _, user = self.user()
        wanted = {
            "displayName": _word(),
            "title": _word(),
            'emails[type eq "work"].value': "ward@example.com",
            "name.givenName": "Clotilde",
            'addresses[type eq "work"].locality': _word(),
            'phoneNumbers[type eq "mobile"].value': "26-410-4163",
            f"{ENTERPRISE}:department": _word(),
            "userType": _word(),
        }
        steps = [_operation("replace", path, value) for path, value in wanted.items()]
        shown = self.patch(f"/Users/{user}", *steps)
        phones = {phone["type"]: phone["value"] for phone in shown["phoneNumbers"]}
        found = {
            "displayName": shown["displayName"],
            "title": shown["title"],
            'emails[type eq "work"].value': shown["emails"][0]["value"],
            "name.givenName": shown["name"]["givenName"],
            'addresses[type eq "work"].locality': shown["addresses"][0]["locality"],
            'phoneNumbers[type eq "mobile"].value': phones["mobile"],
            f"{ENTERPRISE}:department": shown[ENTERPRISE]["department"],
            "userType": shown["userType"],
        }
        expect(found, wanted, "attributes")

    def update_name(self) -> None:
        _, user = self.user()
        name = f"{_word()}@example.com"
        shown = self.patch(f"/Users/{user}", _operation("replace", "userName", name))
        expect(shown["userName"], name, "userName")

    def disable(self) -> None:
        _, user = self.user()
        shown = self.patch(f"/Users/{user}", _operation("replace", "active", value=False))
        expect(shown["active"], wanted=False, what="active")

    def set_manager(self, op: str) -> None:
        _, user = self.user()
        _, boss = self.user()
        shown = self.patch(f"/Users/{user}", _operation(op, _MANAGER, boss))
        expect(shown[ENTERPRISE]["manager"]["value"], boss, "manager.value")

    def remove_manager(self) -> None:
        _, user = self.user()
        shown = self.patch(f"/Users/{user}", _operation("remove", _MANAGER))
        expect("manager" in shown[ENTERPRISE], wanted=False, what="manager is there")

    def several(self) -> None:
        _, user = self.user()
        shown = self.patch(
            f"/Users/{user}",
            _operation("remove", "title"),
            _operation("add", "displayName", "Ida"),
            _operation("replace", 'emails[type eq "work"].value', "ida@example.com"),
        )
        expect(("title" in shown, shown["displayName"]), (False, "Ida"), "title and displayName")
        expect(shown["emails"][0]["value"], "ida@example.com", "emails")

    def several_same(self) -> None:
        _, user = self.user()
        shown = self.patch(
            f"/Users/{user}",
            _operation("remove", "displayName"),
            _operation("add", "displayName", "Ida"),
            _operation("replace", "displayName", "Iris"),
        )
        expect(shown["displayName"], "Iris", "displayName")

    def delete(self, endpoint: str, resource: str) -> None:
        self.send("DELETE", f"{endpoint}/{resource}", 204)
        self.send("GET", f"{endpoint}/{resource}", 404)

    def delete_unknown(self, endpoint: str) -> None:
        self.send("DELETE", f"{endpoint}/{uuid.uuid4()}", 404)

    def twice(self, endpoint: str, resource: str) -> None:
        self.send("DELETE", f"{endpoint}/{resource}", 204)
        self.send("DELETE", f"{endpoint}/{resource}", 404)

    def group_cases(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the cases on groups."""
        return [
            ("Get group by id excluding members", self.without_members),
            ("Filter for existing group excluding members", self.filter_without_members),
            ("Filter for an existing group", self.filter_group),
            ("Filter for a non-existing group", self.filter_no_group),
            ("Filter for existing group different case", self.filter_group_case),
            ("Create a new Group", self.create_group),
            ("Create a duplicate Group", self.duplicate_group),
            ("Patch Group - Replace Attributes", self.replace_external_id),
            ("Update Group displayName", self.rename_group),
            ("Patch Group - Add Member", self.add_member),
            ("Patch Group - Remove Member", self.remove_member),
            ("Delete a Group", lambda: self.delete("/Groups", self.group()[1])),
            ("Preview: Patch Group - Multiple Ops on the same attribute", self.several_members),
            ("Preview: Delete a non-existent Group", lambda: self.delete_unknown("/Groups")),
            ("Preview: Delete the same Group twice", self.group_twice),
        ]

    def full_group(self) -> tuple[dict[str, Any], str]:
        """Create a group with one member."""
        return self.group(members=[{"value": self.user()[1]}])

    def without_members(self) -> None:
        _, group = self.full_group()
        shown = self.send("GET", f"/Groups/{group}?excludedAttributes=members", 200)
        expect("members" in shown, wanted=False, what="members are there")

    def filter_without_members(self) -> None:
        body, _ = self.full_group()
        name = body["displayName"]
        path = f'/Groups?excludedAttributes=members&filter=displayName eq "{name}"'
        [shown] = self.find(path, 1)
        expect("members" in shown, wanted=False, what="members are there")

    def filter_group(self) -> None:
        body, group = self.group()
        [shown] = self.find(f'/Groups?filter=displayName eq "{body["displayName"]}"', 1)
        expect(shown["id"], group, "id")

    def filter_no_group(self) -> None:
        self.find(f'/Groups?filter=displayName eq "{_word()}"', 0)

    def filter_group_case(self) -> None:
        body, group = self.group()
        [shown] = self.find(f'/Groups?filter=displayName eq "{body["displayName"].lower()}"', 1)
        expect(shown["id"], group, "id")

    def create_group(self) -> None:
        body, group = self.group()
        shown = self.send("GET", f"/Groups/{group}", 200)
        expect(shown["displayName"], body["displayName"], "displayName")
        expect(shown["externalId"], body["externalId"], "externalId")

    def duplicate_group(self) -> None:
        body, _ = self.group()
        expect(self.send("POST", "/Groups", 409, body=body)["scimType"], "uniqueness", "scimType")

    def replace_external_id(self) -> None:
        _, group = self.group()
        wanted = str(uuid.uuid4())
        shown = self.patch(f"/Groups/{group}", _operation("replace", "externalId", wanted))
        expect(shown["externalId"], wanted, "externalId")

    def rename_group(self) -> None:
        _, group = self.group()
        wanted = _word()
        shown = self.patch(f"/Groups/{group}", _operation("replace", "displayName", wanted))
        expect(shown["displayName"], wanted, "displayName")

    def members(self, shown: Any, *wanted: str) -> None:
        """Raise Unexpected unless a group has exactly these members."""
        found = {member["value"] for member in shown.get("members", ())}
        expect(found, set(wanted), "members")

    def add_member(self) -> None:
        (_, user), (_, group) = self.user(), self.group()
        step = _operation("add", "members", [{"value": user}])
        self.members(self.patch(f"/Groups/{group}", step), user)

    def remove_member(self) -> None:
        (_, one), (_, other) = self.user(), self.user()
        _, group = self.group(members=[{"value": one}, {"value": other}])
        step = _operation("remove", f'members[value eq "{one}"]')
        self.members(self.patch(f"/Groups/{group}", step), other)

    def several_members(self) -> None:
        (_, one), (_, other), (_, group) = self.user(), self.user(), self.group()
        shown = self.patch(
            f"/Groups/{group}",
            _operation("add", "members", [{"value": one}, {"value": other}]),
            _operation("remove", f'members[value eq "{one}"]'),
        )
        self.members(shown, other)

    def group_twice(self) -> None:
        self.twice("/Groups", self.group()[1])


def run(target: Target) -> Sequence[Case]:
    """Run the cases with group names that must be unique, as Entra ID expects them."""
    _, token = target.workspace("entra")
    with target.client(token, "/api/v1") as api:
        expect_status(api.patch("/settings", json={"uniqueGroupNames": True}), 200)
    with target.client(token) as client:
        return Validator(client).run()


SUITE = Suite(
    "entra-validator",
    "Microsoft Entra SCIM validator",
    "cases of 2026-02-11",
    "The cases that the validator runs on users and groups, its preview cases included, as a user's"
    " published results name them. The user to create is theirs; most PATCH bodies are ours.",
    (
        "https://scimvalidator.microsoft.com/",
        "https://learn.microsoft.com/en-us/entra/identity/app-provisioning/"
        "use-scim-to-provision-users-and-groups",
    ),
    run,
    (
        Deviation(
            r"^Create a new User: primary of a role as a text",
            "The validator sends `primary` of a role as the text `True`. The attribute is a"
            " boolean, so a strict workspace refuses it; a lenient one reads it.",
            "RFC 7643 section 2.3.2",
        ),
        Deviation(
            r"^Patch User - (Add|Replace) Manager",
            "The validator sends the manager as a string. The attribute is complex, so a strict"
            " workspace refuses it; a lenient one reads it.",
            "RFC 7643 section 4.3",
        ),
    ),
)
