"""Plays Okta: sends the requests that Okta sends when an administrator does something there.

Set OKTA_BASE_URL and OKTA_TOKEN to the values that the console shows, and run one of:

    .venv/bin/python examples/providers/okta.py test
    .venv/bin/python examples/providers/okta.py assign "Ada Lovelace" ada@example.com
    .venv/bin/python examples/providers/okta.py rename ada@example.com "Ada King"
    .venv/bin/python examples/providers/okta.py push-group Engineering ada@example.com
    .venv/bin/python examples/providers/okta.py unassign ada@example.com
    .venv/bin/python examples/providers/okta.py assign-staff
    .venv/bin/python examples/providers/okta.py unassign-department Sales
"""

import os
import sys
from typing import Any

from scim import ENTERPRISE, GROUP, USER, Scim, check

GIVEN = (
    *("Ada", "Alan", "Annie", "Barbara", "Claude", "Donald", "Dorothy", "Edsger", "Frances"),
    *("Grace", "Hedy", "Jean", "John", "Joan", "Karen", "Katherine", "Margaret", "Mary", "Niklaus"),
    "Radia",
)
FAMILY = ("Bauer", "Costa")
DEPARTMENTS = ("Engineering", "Finance", "Sales", "Support")


def main() -> None:
    """Do what the arguments say."""
    try:
        base, token = os.environ["OKTA_BASE_URL"], os.environ["OKTA_TOKEN"]
    except KeyError as missing:
        sys.exit(f"Set {missing.args[0]} first: export {missing.args[0]}=…")
    okta = Okta(Scim(base, token, "Okta SCIM Client 1.0.0"))
    match sys.argv[1:]:
        case ["test"]:
            okta.test()
        case ["assign", name, email]:
            okta.assign(name, email)
        case ["rename", email, name]:
            okta.rename(email, name)
        case ["push-group", name, *emails]:
            okta.push_group(name, emails)
        case ["unassign", email]:
            okta.unassign(email)
        case ["assign-staff"]:
            for name, department in staff():
                okta.assign(name, address(name), department)
        case ["unassign-department", department]:
            for name in [name for name, place in staff() if place == department]:
                okta.unassign(address(name))
        case _:
            sys.exit(__doc__)


def staff() -> list[tuple[str, str]]:
    """Return 40 people, each with one of four departments."""
    names = [f"{given} {family}" for family in FAMILY for given in GIVEN]
    return [(name, DEPARTMENTS[n % len(DEPARTMENTS)]) for n, name in enumerate(names)]


def address(name: str) -> str:
    """Return the e-mail address of a person."""
    return name.lower().replace(" ", ".") + "@example.com"


class Okta:
    """An application in Okta with provisioning turned on.

    Args:
        scim: The SCIM endpoint.
    """

    def __init__(self, scim: Scim) -> None:
        self._scim = scim

    def test(self) -> None:
        """Select Test API Credentials."""
        status, answer = self._scim.call("GET", "/Users?startIndex=1&count=2")
        check(status, answer, "verify the credentials")
        print("Test API Credentials: verified successfully!")

    def assign(self, name: str, email: str, department: str = "") -> None:
        """Assign a person to the application: Okta looks for them, and creates or updates them."""
        found = self._scim.find("userName", email)
        if found is None:
            status, answer = self._scim.call("POST", "/Users", _profile(name, email, department))
        else:
            body = {**found, **_profile(name, email, department)}
            status, answer = self._scim.call("PUT", f"/Users/{found['id']}", body)
        check(status, answer, f"assign {email}")
        print(f"Assigned {name} ({email})")

    def rename(self, email: str, name: str) -> None:
        """Change a person's name in their profile."""
        found = self._there(email)
        given, _, family = name.partition(" ")
        body = {
            **found,
            "name": {"givenName": given, "familyName": family},
            "displayName": name,
        }
        status, answer = self._scim.call("PUT", f"/Users/{found['id']}", body)
        check(status, answer, f"update {email}")
        print(f"Updated {email}: {name}")

    def push_group(self, name: str, emails: list[str]) -> None:
        """Push a group and its members."""
        found = self._scim.find("displayName", name, "Groups")
        if found is None:
            body = {"schemas": [GROUP], "displayName": name, "members": []}
            status, found = self._scim.call("POST", "/Groups", body)
            check(status, found, f"push {name}")
        members = [{"value": self._there(email)["id"], "display": email} for email in emails]
        add = {"op": "add", "path": "members", "value": members}
        status, answer = self._scim.patch(f"/Groups/{found['id']}", add)
        check(status, answer, f"push {name}")
        print(f"Pushed {name} with {len(members)} member{'' if len(members) == 1 else 's'}")

    def unassign(self, email: str) -> None:
        """Remove a person from the application: Okta deactivates them."""
        person = self._there(email)
        deactivate = {"op": "replace", "value": {"active": False}}
        status, answer = self._scim.patch(f"/Users/{person['id']}", deactivate)
        if status == 403:
            print(f"Refused for {email}: {answer['detail']}")
            return
        check(status, answer, f"deactivate {email}")
        print(f"Deactivated {email}")

    def _there(self, email: str) -> dict[str, Any]:
        found = self._scim.find("userName", email)
        if found is None:
            sys.exit(f"{email} is not assigned yet.")
        return found


def _profile(name: str, email: str, department: str) -> dict[str, Any]:
    """Return a person as Okta sends them."""
    given, _, family = name.partition(" ")
    profile: dict[str, Any] = {
        "schemas": [USER],
        "userName": email,
        "name": {"givenName": given, "familyName": family},
        "emails": [{"primary": True, "value": email, "type": "work"}],
        "displayName": name,
        "locale": "en-US",
        "externalId": f"00u-{email.partition('@')[0]}",
        "groups": [],
        "active": True,
    }
    if department:
        profile["schemas"].append(ENTERPRISE)
        profile[ENTERPRISE] = {"department": department}
    return profile


if __name__ == "__main__":
    main()
