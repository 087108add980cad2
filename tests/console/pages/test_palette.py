"""The search of the command palette."""

import re

from muster.access.permissions import ADMIN, AUDIT
from tests.console.browsing import invited
from tests.support.people import group, name


def test_the_palette_finds_users_groups_and_requests(root, fresh):
    user = fresh.user(displayName=name("Zora"))
    made = fresh.scim.post("/Groups", json=group(name("Zone"))).json()
    request = fresh.recorded(2)[0]

    def found(text):
        return re.findall(r'href="([^"]+)"', root.get(f"/w/{fresh.name}/palette", q=text).text)

    assert found(user["displayName"]) == [f"/w/{fresh.name}/users/{user['id']}"]
    assert found(user["userName"].upper()) == [f"/w/{fresh.name}/users/{user['id']}"]
    assert found(made["displayName"]) == [f"/w/{fresh.name}/groups/{made['id']}"]
    assert found(request["request_id"]) == [f"/w/{fresh.name}/requests/{request['number']}"]
    for text in ("", '"', "\\", "x" * 10_000, "nobody of this name"):
        assert found(text) == []


def test_the_palette_escapes_what_it_shows(root, fresh):
    shown = name("<b>Zed")
    fresh.user(displayName=shown)
    text = root.get(f"/w/{fresh.name}/palette", q=shown).text
    assert "<b>" not in text
    assert "&lt;b&gt;Zed" in text


def test_the_palette_needs_the_permission_to_see_users(root, server, fresh):
    admin = invited(root, server, fresh.name, AUDIT)
    assert admin.get(f"/w/{fresh.name}/palette", q="a").status_code == 403
    assert "data-url" not in admin.get("/account").text
    admin.close()
    owner = invited(root, server, fresh.name, ADMIN)
    assert f'data-url="/w/{fresh.name}/palette"' in owner.get("/account").text
    owner.close()
