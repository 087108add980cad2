"""The code of docs/how-to/platform.md connects a customer."""

import re
from pathlib import Path

from muster.access.permissions import SCIM
from tests.support.people import person
from tests.support.platform import label

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "platform.md"


def test_the_code_of_the_page_connects_a_customer(platform, server, monkeypatch):
    monkeypatch.setenv("MUSTER_URL", server.url)
    monkeypatch.setenv("MUSTER_PLATFORM_KEY", platform.token)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    blocks = blocks[::2]
    assert len(blocks) == 2
    assert len([line for line in blocks[0].splitlines() if line.strip()]) <= 20
    page = {}
    exec("\n".join(blocks), page)
    # The code of the page would wait for the next change, which this test has yet to make.
    cursor = platform.api.get("/changes", params={"cursor": "end"}).json()["nextCursor"]
    customer = label("acme")
    token, link = page["connect"](customer, "Acme Corporation", "okta")
    assert page["connect"](customer, "Acme Corporation", "okta") == (token, link)
    with platform.client(token, "/scim/v2") as scim:
        user = scim.post("/Users", json=person()).json()
    seen = []
    while not seen:
        cursor = page["follow"](
            cursor, lambda *event: seen.append(event) if event[0] == customer else None
        )
    assert seen[0][:2] == (customer, "user.created")
    assert seen[0][2]["id"] == user["id"]
    assert link.startswith(f"{server.url}/first?token=")
    (key,) = platform.api.get(f"/workspaces/{customer}/keys").json()["items"]
    assert key["permissions"] == [SCIM]
    page["platform"].close()
