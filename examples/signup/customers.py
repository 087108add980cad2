"""Signs up a customer: python customers.py acme "Acme Corporation"."""

import os
import sys
import time
from typing import Any

import httpx

platform = httpx.Client(
    base_url=os.environ["PLATFORM_URL"],
    headers={"Authorization": "Bearer " + os.environ["PLATFORM_KEY"]},
    timeout=60,
)


def send(method: str, path: str, **options: Any) -> dict[str, Any]:
    """Send a request. Waits for the rate limit; ends the program if the request is refused."""
    while True:
        answer = platform.request(method, path, **options)
        if answer.status_code != 429:
            break
        time.sleep(int(answer.headers["Retry-After"]))
    if answer.is_error:
        sys.exit(f"{path}: {answer.status_code}: {answer.json()['detail']}")
    return answer.json()


def post_once(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post to the platform API. If it was done before, the server repeats its answer."""
    headers = {"Idempotency-Key": f"{path}/{body.get('name', '')}"}
    return send("POST", path, json=body, headers=headers)


def sign_up(name: str, company: str) -> str:
    """Create a customer. Returns the link for the administrator of their identity provider."""
    post_once("/workspaces", {"name": name, "displayName": company})
    terms = {"expiresInDays": 14, "contact": "support@example.com"}
    return post_once(f"/workspaces/{name}/setup-links", terms)["url"]


if __name__ == "__main__":
    print(sign_up(*sys.argv[1:]))
