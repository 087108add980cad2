"""The list of schemas, and deleting one."""

import re

from tests.console.pages.test_schema_editor import NUMBER, URN, made


def test_the_list_tells_built_in_schemas_from_custom_ones(root, fresh):
    base = f"/w/{fresh.name}"
    assert "No custom schemas yet" in root.get(f"{base}/schemas").text
    made(fresh, NUMBER, required=False)
    page = root.get(f"{base}/schemas").text
    rows = re.findall(r'<tr><td data-label="Name">.*?</tr>', page, re.S)
    own = next(row for row in rows if URN in row)
    assert "Custom" in own
    assert 'data-label="Used by">User<' in own
    user = next(row for row in rows if "core:2.0:User</small>" in row)
    assert "Built in" in user
    assert "User (core schema)" in user
    for urn in re.findall(r'href="(/w/[^"]+/schemas/urn:[^"]+)"', page):
        assert root.get(urn).status_code == 200
    assert (
        "/edit" not in root.get(f"{base}/schemas/urn:ietf:params:scim:schemas:core:2.0:User").text
    )
    assert root.get(f"{base}/schemas/urn:example:none").status_code == 404
    assert (
        root.get(f"{base}/schemas/urn:ietf:params:scim:schemas:core:2.0:User/edit").status_code
        == 404
    )


def test_deleting_a_schema_says_how_many_resources_have_values(root, fresh):
    base = f"/w/{fresh.name}/schemas/{URN}"
    made(fresh, NUMBER)
    users = [fresh.user(**{URN: {"number": str(number)}}) for number in range(2)]
    fresh.user()
    page = root.get(f"{base}/remove").text
    assert "2 resources have values of this schema" in page
    assert 'class="btn btn-danger"' not in page
    refused = root.post(f"{base}/remove")
    assert (refused.status_code, users[0]["id"] in refused.text) == (409, True)
    for user in users:
        fresh.scim.delete(f"/Users/{user['id']}")
    assert "No resource has values of this schema" in root.get(f"{base}/remove").text
    assert root.post(f"{base}/remove").status_code == 303
    assert fresh.api.get("/schemas").json()["items"] == []
