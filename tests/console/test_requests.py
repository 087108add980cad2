"""The pages of requests: search by person and time, the live view, dry runs, curl."""

import html
import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from muster.access.permissions import SCIM
from tests.console.browsing import Visitor
from tests.console.test_pages import invited
from tests.support.people import name, person, replace


def listed(root, tenant, **asked):
    """The requests in the list, each as its method and path."""
    page = root.get(f"/w/{tenant.name}/requests", **asked)
    assert page.status_code == 200, page.text
    return re.findall(r'/requests/\d+">([^<]+)</a>', page.text)


def test_a_person_is_found_by_user_name_email_and_name(root, fresh):
    lena = fresh.user(
        userName=name("lena"),
        name={"familyName": "Sommer"},
        emails=[{"value": "l.sommer@example.com"}],
    )
    other = fresh.user(userName=name("other"))
    path = f"/Users/{lena['id']}"
    fresh.scim.patch(path, json=replace("title", "x")).raise_for_status()
    fresh.scim.patch(f"/Users/{other['id']}", json=replace("title", "x")).raise_for_status()
    fresh.recorded(4)
    for text in (lena["userName"], lena["userName"].upper(), "Sommer", "l.sommer@"):
        assert listed(root, fresh, person=text) == [f"PATCH {path}", "POST /Users"], text
    page = root.get(f"/w/{fresh.name}/requests", person="Sommer").text
    assert page.count(f">{lena['userName']}</td>") == 2
    assert other["userName"] not in page


def test_a_refused_creation_and_a_deleted_user_are_found_by_name(root, fresh):
    gone = fresh.user(userName=name("gone"))
    fresh.scim.delete(f"/Users/{gone['id']}").raise_for_status()
    refused = person(name("refused"), active="perhaps")
    assert fresh.scim.post("/Users", json=refused).status_code == 400
    fresh.recorded(3)
    assert listed(root, fresh, person=refused["userName"]) == ["POST /Users"]
    assert listed(root, fresh, person=gone["userName"]) == [
        f"DELETE /Users/{gone['id']}",
        "POST /Users",
    ]
    page = root.get(f"/w/{fresh.name}/requests").text
    assert page.count(f">{gone['userName']}</td>") == 2
    assert f">{refused['userName']}</td>" in page


@pytest.mark.parametrize("text", ["100%", "_", "\\", "'", '"', "ü"])
def test_special_characters_in_the_name_of_a_person_match_themselves(root, fresh, text):
    fresh.user(userName=name("plain"))
    fresh.recorded(1)
    assert listed(root, fresh, person=f"x{text}") == []


def test_a_time_range_selects_requests_and_a_wrong_one_is_explained(root, fresh):
    fresh.user()
    fresh.recorded(1)
    now = datetime.now(UTC)
    before, after = (
        (now + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M") for minutes in (-5, 5)
    )
    assert listed(root, fresh, since=before, until=after) == ["POST /Users"]
    assert listed(root, fresh, range="1h") == ["POST /Users"]
    assert listed(root, fresh, since=after) == listed(root, fresh, until=before) == []
    wrong = root.get(f"/w/{fresh.name}/requests", since="yesterday")
    assert wrong.status_code == 400
    assert "Expected a time such as" in wrong.text
    assert 'value="yesterday"' in wrong.text


def test_the_live_view_honours_the_filter(root, fresh):
    page = root.get(f"/w/{fresh.name}/requests", person="Wanted", status="failed").text
    path = html.unescape(re.search(r'sse-connect="([^"]+)"', page)[1])
    assert "person=Wanted" in path
    with root.http.stream("GET", path) as tail:
        lines = tail.iter_lines()
        next(lines)
        fresh.user(displayName="Wanted")
        fresh.scim.post("/Users", json=person(displayName="Other", active="perhaps"))
        fresh.scim.post("/Users", json=person("the-one", displayName="Wanted", active="perhaps"))
        rows = [next(line for line in lines if line.startswith("data: <tr>"))]
    assert "the-one" in rows[0]
    assert ">400<" in rows[0]


def test_a_request_with_a_revoked_key_is_found_by_its_key_and_status(root, fresh):
    made = fresh.api.post("/keys", json={"name": "old", "permissions": ["Admin"]}).json()
    fresh.api.delete(f"/keys/{made['id']}").raise_for_status()
    old = fresh.client(made["token"], "/scim/v2")
    assert old.get("/Users").status_code == 401
    fresh.recorded(1)
    assert listed(root, fresh, status="401", key=made["id"]) == ["GET /Users"]
    assert listed(root, fresh, status="401", key="none") == []
    assert "old (revoked)" in root.get(f"/w/{fresh.name}/requests").text


def test_a_request_is_repeated_with_curl(root, fresh):
    made = person(name("o'curl"))
    fresh.scim.post("/Users", json=made).raise_for_status()
    (kept,) = fresh.recorded(1)
    page = root.get(f"/w/{fresh.name}/requests/{kept['number']}").text
    command = html.unescape(re.search(r'data-copy="(curl[^"]+)"', page)[1])
    words = shlex.split(command)
    assert words[:3] == ["curl", "-X", "POST"]
    assert words[3].endswith("/scim/v2/Users")
    assert "Authorization: Bearer YOUR_API_KEY" in words
    assert made["userName"] in words[-1]
    assert f"/w/{fresh.name}/requests/{kept['number']}" in page


def test_a_link_to_filtered_requests_survives_the_sign_in(server, root, fresh):
    stranger = Visitor(server)
    answer = stranger.http.get(
        f"/w/{fresh.name}/requests", params={"person": "a b", "status": "401"}
    )
    shown = stranger.get(answer.headers["location"]).text
    to = html.unescape(re.search(r'name="to" value="([^"]*)"', shown)[1])
    stranger.close()
    assert to == f"/w/{fresh.name}/requests?person=a+b&status=401"


def test_the_result_of_a_dry_run_is_beside_its_button(root, fresh):
    fresh.user()
    (kept,) = fresh.recorded(1)
    page = f"/w/{fresh.name}/requests/{kept['number']}"
    root.get(page)
    answer = root.post(f"{page}/rehearse")
    assert answer.headers["location"].endswith(f"{page}#dry-run")
    shown = root.get(answer.headers["location"]).text
    section = re.search(r'<section class="card" id="dry-run">.*?</section>', shown, re.S)[0]
    assert "Dry-run this request" in section
    assert "Result:" in section


def test_the_doctor_links_to_the_page_that_cures_each_cause(server, root, fresh):
    """An administrator gets no link to a page that they may not open."""
    user = fresh.user()
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.api.patch("/settings", json={"automaticProvisioning": False})
    fresh.scim.post("/Users", json=person())
    fresh.recorded(3)
    base = f"/w/{fresh.name}"
    shown = root.get(f"{base}/doctor").text
    table = shown.partition("Failed requests")[2]
    assert "<small>Unique value</small>" in table
    assert "<small>Provisioning switch</small>" in table
    assert f'href="{base}/users">Search the users' in table
    assert f'href="{base}/settings">Open Settings' in table
    limited = invited(root, server, fresh.name, SCIM)
    table = limited.get(f"{base}/doctor").text.partition("Failed requests")[2]
    limited.close()
    assert f'href="{base}/users">Search the users' in table
    assert "Open Settings" not in table
