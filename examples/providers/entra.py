"""Plays Microsoft Entra ID: sends the requests that its provisioning service sends.

Set ENTRA_TENANT_URL, ENTRA_TOKEN_ENDPOINT, ENTRA_CLIENT_ID and ENTRA_CLIENT_SECRET to the values
of the set-up page, and run one of:

    .venv/bin/python examples/providers/entra.py test
    .venv/bin/python examples/providers/entra.py provision "Alan Turing" alan@example.com Research
    .venv/bin/python examples/providers/entra.py department alan@example.com Engineering
    .venv/bin/python examples/providers/entra.py disable alan@example.com
"""

import os
import sys
import uuid
from typing import Any

from scim import ENTERPRISE, USER, Scim, access_token, check

AGENT = "Azure AD Provisioning Service/1.0"
FIELDS = ("ENTRA_TENANT_URL", "ENTRA_TOKEN_ENDPOINT", "ENTRA_CLIENT_ID", "ENTRA_CLIENT_SECRET")


def main() -> None:
    """Do what the arguments say, with a new access token."""
    missing = [name for name in FIELDS if not os.environ.get(name)]
    if missing:
        sys.exit(f"Set {missing[0]} first: export {missing[0]}=…")
    tenant_url, *credentials = (os.environ[name] for name in FIELDS)
    entra = Entra(Scim(tenant_url, access_token(*credentials), AGENT))
    match sys.argv[1:]:
        case ["test"]:
            entra.test()
        case ["provision", name, email, department]:
            entra.provision(name, email, department)
        case ["department", email, department]:
            entra.move(email, department)
        case ["disable", email]:
            entra.disable(email)
        case _:
            sys.exit(__doc__)


class Entra:
    """An enterprise application with provisioning.

    Args:
        scim: The SCIM endpoint.
    """

    def __init__(self, scim: Scim) -> None:
        self._scim = scim

    def test(self) -> None:
        """Select Test connection: Entra asks for a user who cannot exist."""
        self._scim.find("userName", str(uuid.uuid4()))
        print("Test connection: the supplied credentials are authorized to enable provisioning")

    def provision(self, name: str, email: str, department: str) -> None:
        """Provision a person on demand."""
        if self._scim.find("userName", email):
            print(f"Skipped {email}: it is provisioned already")
            return
        given, _, family = name.partition(" ")
        person = {
            "schemas": [USER, ENTERPRISE],
            "externalId": str(uuid.uuid5(uuid.NAMESPACE_DNS, email)),
            "userName": email,
            "displayName": name,
            "active": True,
            "emails": [{"primary": "True", "type": "work", "value": email}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": name, "givenName": given, "familyName": family},
            "roles": [],
            ENTERPRISE: {"department": department},
        }
        status, answer = self._scim.call("POST", "/Users", person)
        check(status, answer, f"provision {email}")
        print(f"Created {name} ({email})")

    def move(self, email: str, department: str) -> None:
        """Change a person's department."""
        path = f"{ENTERPRISE}:department"
        self._patch(email, {"op": "Replace", "path": path, "value": department})
        print(f"Updated {email}: {department}")

    def disable(self, email: str) -> None:
        """Take a person out of scope: Entra disables them, with False as a text."""
        self._patch(email, {"op": "Replace", "path": "active", "value": "False"})
        print(f"Disabled {email}")

    def _patch(self, email: str, operation: dict[str, Any]) -> None:
        found = self._scim.find("userName", email)
        if found is None:
            sys.exit(f"{email} is not provisioned yet.")
        status, answer = self._scim.patch(f"/Users/{found['id']}", operation)
        check(status, answer, f"update {email}")


if __name__ == "__main__":
    main()
