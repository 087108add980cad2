"""The search of the command palette."""

import html
import re

from muster.access.permissions import ADMIN, AUDIT, SCIM, SETTINGS
from tests.console.browsing import invited
from tests.support.people import group, name, person


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


def test_the_palette_needs_the_permission_to_see_users(server, fresh):
    admin = invited(server, fresh.name, AUDIT)
    assert admin.get(f"/w/{fresh.name}/palette", q="a").status_code == 403
    assert "data-url" not in admin.get("/account").text
    admin.close()
    owner = invited(server, fresh.name, ADMIN)
    assert f'data-url="/w/{fresh.name}/palette"' in owner.get("/account").text
    owner.close()


def test_the_palette_finds_somebody_whose_creation_was_refused(root, fresh):
    bea = name("bea&co")
    for _ in range(2):
        sent = person(bea, emails=[{"email": "x"}], displayName=f"Shown {bea}")
        assert fresh.scim.post("/Users", json=sent).status_code == 400
    fresh.recorded(2)
    page = root.get(f"/w/{fresh.name}/palette", q=f"shown {bea}").text
    assert html.escape(f"Refused requests about {bea}") in page
    assert "2 requests" in page
    link = html.unescape(re.search(r'href="([^"]+)"', page)[1])
    assert len(re.findall(r"/requests/\d+", root.get(link).text)) >= 2
    assert "Refused" not in root.get(f"/w/{fresh.name}/palette", q="no such person").text


def test_the_actions_of_the_palette_are_those_that_the_administrator_may_take(server, fresh):
    def actions(admin):
        page = admin.get("/account").text
        part = page[page.index('id="palette-actions"') : page.index("palette-foot")]
        return re.findall(rf'href="(/w/{fresh.name}/[^"]+)"', part), part

    auditor = invited(server, fresh.name, AUDIT)
    paths, part = actions(auditor)
    assert paths == []
    assert "Sign out" in part
    auditor.close()
    for permission in (SCIM, SETTINGS, ADMIN):
        admin = invited(server, fresh.name, permission)
        paths, _ = actions(admin)
        assert paths
        assert [path for path in paths if admin.get(path).status_code != 200] == []
        admin.close()
