"""What Okta and Microsoft Entra ID send to a connection that was just set up."""

import httpx

from tests.support.people import name

_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Okta:
    """Okta with the base URL and the API key that an administrator entered."""

    def __init__(self, base, key):
        self.http = httpx.Client(
            base_url=base, headers={"authorization": f"Bearer {key}"}, timeout=30
        )

    def test(self):
        """Select Test API Credentials."""
        return self.http.get("/Users", params={"startIndex": 1, "count": 2})

    def refused(self):
        """Send a request with a mistake."""
        return self.http.get("/Users", params={"filter": "userName eq"})

    def provision(self, display):
        """Assign a person and push a group; return the user as it is stored then."""
        login = name("okta")
        asked = {"filter": f'userName eq "{login}"', "startIndex": 1, "count": 100}
        assert self.http.get("/Users", params=asked).json()["totalResults"] == 0
        body = {
            "schemas": [_USER],
            "userName": login,
            "name": {"givenName": "Test", "familyName": "User"},
            "emails": [{"primary": True, "value": login, "type": "work"}],
            "displayName": display,
            "locale": "en-US",
            "externalId": f"00u{login}",
            "groups": [],
            "password": "1mz050nq",
            "active": True,
        }
        made = self.http.post("/Users", json=body)
        assert made.status_code == 201, made.text
        user = made.json()["id"]
        group = {"schemas": [_GROUP], "displayName": name("okta"), "members": []}
        pushed = self.http.post("/Groups", json=group).json()
        add = {"op": "add", "path": "members", "value": [{"value": user, "display": login}]}
        assert self._patch(f"/Groups/{pushed['id']}", add).is_success
        assert self._patch(
            f"/Users/{user}", {"op": "replace", "value": {"active": False}}
        ).is_success
        return self.http.get(f"/Users/{user}").json()

    def _patch(self, path, operation):
        return self.http.patch(path, json={"schemas": [_PATCH], "Operations": [operation]})

    def close(self):
        self.http.close()


class Entra(Okta):
    """Entra with the base URL, token URL and OAuth client that an administrator entered."""

    def __init__(self, base, token_url, client, secret):
        asked = {
            "grant_type": "client_credentials",
            "scope": "scim",
            "client_id": client,
            "client_secret": secret,
        }
        token = httpx.post(token_url, data=asked, timeout=30).json()["access_token"]
        super().__init__(base, token)

    def test(self):
        """Select Test Connection."""
        return self.http.get("/Users", params={"filter": 'userName eq "non-existent"'})

    def provision(self, display):
        """Provision a person on demand, and disable them; return the user as it is stored then."""
        login = name("entra")
        asked = {"filter": f'userName eq "{login}"'}
        assert self.http.get("/Users", params=asked).json()["totalResults"] == 0
        body = {
            "schemas": [_USER, _ENTERPRISE],
            "externalId": f"oid-{login}",
            "userName": login,
            "displayName": display,
            "active": True,
            "emails": [{"primary": "True", "type": "work", "value": login}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "Test User", "familyName": "User", "givenName": "Test"},
            "roles": [],
        }
        made = self.http.post("/Users", json=body)
        assert made.status_code == 201, made.text
        user = made.json()["id"]
        disable = {"op": "Replace", "path": "active", "value": "False"}
        assert self._patch(f"/Users/{user}", disable).is_success
        return self.http.get(f"/Users/{user}").json()
