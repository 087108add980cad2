"""SCIM requests as an identity provider sends them. It needs Python and nothing else."""

import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Scim:
    """A SCIM endpoint.

    Args:
        base: The base URL.
        token: The bearer token.
        agent: The User-Agent header.
    """

    def __init__(self, base: str, token: str, agent: str) -> None:
        self._base = base.rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/scim+json; charset=utf-8",
            "User-Agent": agent,
        }

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request. Returns the status and the JSON of the answer."""
        data = None if body is None else json.dumps(body).encode()
        return send(method, self._base + path, self._headers, data)

    def find(self, attribute: str, value: str, kind: str = "Users") -> dict[str, Any] | None:
        """Return the resource with a value; None if there is none."""
        query = urllib.parse.urlencode({"filter": f'{attribute} eq "{value}"'})
        status, answer = self.call("GET", f"/{kind}?{query}")
        check(status, answer, f"find {value}")
        found = answer["Resources"] if answer["totalResults"] else []
        return found[0] if found else None

    def patch(self, path: str, *operations: dict[str, Any]) -> tuple[int, Any]:
        """Send a PATCH. Returns the status and the JSON of the answer."""
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


def send(method: str, url: str, headers: dict[str, str], data: bytes | None) -> tuple[int, Any]:
    """Send a request. Returns the status and the JSON of the answer."""
    if not url.startswith(("http://", "https://")):
        sys.exit(f"{url!r} is not a URL. Copy it again from the console.")
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read() or "{}")
    except urllib.error.HTTPError as refused:
        text = refused.read().decode()
        try:
            return refused.code, json.loads(text)
        except ValueError:
            return refused.code, {"detail": text[:200]}
    except urllib.error.URLError as failed:
        sys.exit(f"No answer from {url}: {failed.reason}. Is the server running?")


def access_token(endpoint: str, client: str, secret: str) -> str:
    """Return an access token for client credentials (OAuth 2.0)."""
    basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
    headers = {
        "Authorization": f"Basic {basic}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    status, answer = send("POST", endpoint, headers, b"grant_type=client_credentials")
    if status != 200:
        sys.exit(f"{status}: {answer.get('error_description') or answer.get('detail')}")
    return str(answer["access_token"])


def check(status: int, answer: Any, what: str) -> None:
    """End the program if a request was refused."""
    if status >= 400:
        sys.exit(f"Could not {what}. The answer is {status}: {answer.get('detail')}")
