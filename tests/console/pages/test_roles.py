"""Roles in the console: the matrix, custom roles, and who has them."""

import re

import pytest

from muster.access.permissions import ADMIN, AUDIT, EDIT_ROLES, NOTES, PERMISSIONS, READ, SCIM
from tests.console.browsing import invited
from tests.support.people import name


@pytest.fixture
def roles(root, fresh):
    path = f"/w/{fresh.name}/roles"
    root.get(path)
    return path


def matrix(page, kind="API keys"):
    """Return the permissions of each role of API keys or administrators in the matrix."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.partition("matrix")[2], re.S)
    found = {}
    for row in rows[2 : 2 + len(PERMISSIONS)]:
        permission = re.search(r'<th scope="row"[^>]*>([^<]+)<small>', row)[1].replace("&amp;", "&")
        cells = re.findall(rf'<td data-label="([^"]+) \({kind}\)">(.*?)</td>', row, re.S)
        for title, cell in cells:
            found.setdefault(title, set()).update([permission] if ">Yes<" in cell else [])
    return found


def auditors(page):
    """Return the number of administrators who are auditors."""
    held = page.partition(">Held by<")[2].partition("</tr>")[0]
    return int(re.search(r'"Auditor \(administrators\)">(\d+)<', held)[1])


def test_every_permission_has_a_sentence():
    assert list(NOTES) == list(PERMISSIONS)
    assert all(note.endswith(".") for note in NOTES.values())


def test_the_roles_of_administrators_are_shown_with_their_number(root, server, fresh, roles):
    before = auditors(root.get(roles).text)  # some are of all workspaces
    admin = invited(server, fresh.name, AUDIT)
    page = root.get(roles).text
    shown = matrix(page, "administrators")
    assert shown["Owner"] == set(PERMISSIONS)
    assert shown["Auditor"] == {AUDIT}
    assert auditors(page) == before + 1
    admin.close()


def test_an_administrator_with_permissions_of_no_role_is_custom(root, server, fresh, roles):
    admin = invited(server, fresh.name, AUDIT, SCIM)
    row = next(row for row in root.get(roles).text.split("<tr>") if admin.email in row)
    assert re.search(r'data-label="Role"><span class="hint">([^<]*)', row)[1] == "Custom"
    admin.close()


def test_a_role_is_created_changed_and_deleted(root, fresh, roles):
    assert root.post(roles, name="Audit & more", permission=[AUDIT, SCIM]).status_code == 303
    page = root.get(roles).text
    assert matrix(page) == {
        ADMIN: set(PERMISSIONS),
        "Audit &amp; more": {AUDIT, SCIM, READ},
    }
    path = re.search(rf'href="({roles}/[^"]+)"', page)[1]
    assert "checked" in root.get(path).text
    assert root.post(path, permission=[READ]).status_code == 303
    assert matrix(root.get(roles).text)["Audit &amp; more"] == {READ}
    root.get(path)
    assert root.post(f"{path}/remove").status_code == 303
    assert list(matrix(root.get(roles).text)) == [ADMIN]
    assert root.get(path).status_code == 404
    assert root.post(f"{path}/remove").status_code == 404


def test_a_role_is_renamed(root, fresh, roles):
    root.post(roles, name="Auditor", permission=AUDIT)
    root.post(roles, name="Other", permission=AUDIT)
    key = fresh.api.post("/keys", json={"name": name("key"), "role": "Auditor"}).json()
    path = f"{roles}/Auditor"
    assert 'value="Auditor"' in root.get(path).text
    page = root.submit(path, name="Audit & more", permission=[AUDIT, READ])
    assert "Role &#34;Auditor&#34; was renamed to &#34;Audit &amp; more&#34;." in page.text
    assert matrix(page.text)["Audit &amp; more"] == {AUDIT, READ}
    assert root.get(path).status_code == 404
    assert key["name"] in root.get(f"{roles}/Audit%20%26%20more").text
    refused = root.post(f"{roles}/Audit%20%26%20more", name="OTHER", permission=AUDIT)
    assert (refused.status_code, 'value="OTHER"' in refused.text) == (409, True)
    refused = root.post(f"{roles}/Audit%20%26%20more", name="", permission=AUDIT)
    assert (refused.status_code, 'id="wrong-name"' in refused.text) == (400, True)
    log = root.get(f"/w/{fresh.name}/audit", type="Role").text
    assert "Renamed" in log


def test_the_holders_of_a_role_are_listed(root, fresh, roles):
    root.post(roles, name="Auditor", permission=AUDIT)
    keys = [name("key") for _ in range(3)]
    fresh.api.post("/keys", json={"name": keys[0], "role": "Auditor"})
    fresh.api.post("/keys", json={"name": keys[1], "permissions": [READ]})
    gone = fresh.api.post("/keys", json={"name": keys[2], "role": "Auditor"}).json()
    fresh.api.delete(f"/keys/{gone['id']}")
    page = root.get(f"{roles}/Auditor").text
    assert keys[0] in page
    assert keys[1] not in page
    assert keys[2] not in page
    everyone = root.get(roles).text.partition("Keys and administrators")[2]
    rows = {
        re.sub("<[^>]+>", "", cells[0]): cells
        for cells in (
            re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)
            for row in re.findall(r"<tr>(.*?)</tr>", everyone, re.S)[1:]
        )
    }
    assert rows[keys[0]][1:3] == ["API key", "Auditor"]
    assert rows[keys[1]][3] == READ
    assert any(cells[1] == "Administrator" and "root" in title for title, cells in rows.items())
    refused = root.post(f"{roles}/Auditor/remove")
    assert (refused.status_code, keys[0] in refused.text) == (409, True)


@pytest.mark.parametrize(
    ("fields", "status", "wrong"),
    [
        ({"name": "a/b", "permission": AUDIT}, 400, "name"),
        ({"name": "Auditor"}, 400, "permissions"),
        ({"name": "admin", "permission": AUDIT}, 409, ""),
    ],
)
def test_a_role_that_cannot_be(root, roles, fields, status, wrong):
    page = root.post(roles, **fields)
    assert page.status_code == status
    assert f'value="{fields["name"]}"' in page.text
    assert (f'id="wrong-{wrong}"' in page.text) == bool(wrong)
    assert 'role="alert"' in page.text or wrong


def test_nobody_grants_more_than_they_have(root, server, fresh, roles):
    root.post(roles, name="Strong", permission=[SCIM, AUDIT])
    admin = invited(server, fresh.name, EDIT_ROLES)
    page = admin.get(roles).text
    assert "root" not in page.partition("Keys and administrators")[2]
    assert "only owners of the workspace see them" in page
    assert "/keys/" not in page
    assert admin.post(roles, name="Mine", permission=[SCIM]).status_code == 403
    strong = admin.get(f"{roles}/Strong").text
    assert "permissions that you do not have" in strong
    admin.get(roles)
    assert admin.post(f"{roles}/Strong", permission=[EDIT_ROLES]).status_code == 403
    assert admin.post(f"{roles}/Strong/remove").status_code == 403
    assert admin.post(f"{roles}/{ADMIN}", permission=[EDIT_ROLES]).status_code == 403
    admin.close()


def test_an_old_page_does_not_set_back_the_permissions_of_a_role(root, fresh, roles):
    root.post(roles, name="Changing", permission=[AUDIT])
    path = f"{roles}/Changing"
    stamp = root.stamp(path)
    fresh.api.put("/roles/Changing", json={"permissions": [READ]})
    refused = root.post(path, permission=[AUDIT, SCIM], seen=stamp)
    assert refused.status_code == 409
    assert "Somebody else has changed this" in refused.text
    assert fresh.api.get("/roles/Changing").json()["permissions"] == [READ]
    current = re.search(r'name="seen" value="([^"]*)"', refused.text)[1]
    assert root.post(path, permission=[AUDIT, SCIM], seen=current).status_code == 303
