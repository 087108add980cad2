"""The pages of requests: search by person and time, the live view, dry runs, curl."""

import html
import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import ENTERPRISE_USER
from tests.console.browsing import Visitor
from tests.support.people import group, name, person, replace
from tests.support.waiting import until


def listed(root, tenant, **asked):
    """The requests in the list, each as its method and path."""
    page = root.get(f"/w/{tenant.name}/requests", **asked)
    assert page.status_code == 200, page.text
    return re.findall(r'<td data-label="Request" class="one-line" title="([^"]+)">', page.text)


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


def test_recorded_requests_have_masked_secrets(root, fresh):
    body = person(password="very secret words", title="kept")
    user = fresh.scim.post(
        "/Users", json=body, headers={"user-agent": "okta/1", "x-request-id": "abc-1"}
    ).json()
    fresh.scim.patch(
        f"/Users/{user['id']}",
        json={"Operations": [{"op": "Replace", "path": "password", "value": "other words"}]},
    )
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.scim.get(f"/Users/{user['id']}")
    fresh.scim.get("/Users/nobody")
    fresh.recorded(5)  # the first success after a refusal is kept, reads included
    base = f"/w/{fresh.name}/requests"
    page = root.get(base).text
    numbers = re.findall(rf'href="{base}/(\d+)"', page)
    assert len(numbers) == 5
    shown = [root.get(f"{base}/{number}").text for number in reversed(numbers)]
    assert "okta/1" in shown[0]
    assert "abc-1" in shown[0]
    assert "kept" in shown[0]
    assert "operation-case" not in shown[0]
    assert "read as the operation in lower case" in shown[1]
    assert "another User has this value" in shown[2]
    assert not any("secret words" in text or "other words" in text for text in shown)
    assert b"very secret words" not in fresh.server.stored()
    assert len(re.findall(rf'href="{base}/\d+"', root.get(base, status="failed").text)) == 2
    assert len(re.findall(rf'href="{base}/\d+"', root.get(base, status="409").text)) == 1
    assert len(re.findall(rf'href="{base}/\d+"', root.get(base, resource=user["id"]).text)) == 3
    assert len(re.findall(rf'href="{base}/\d+"', root.get(f"{base}?path=/Users/nobody").text)) == 1
    assert root.get(f"{base}/1").status_code == 404
    doctor = root.get(f"/w/{fresh.name}/doctor").text
    assert "read as the operation in lower case" in doctor
    assert "Another resource has this value" in doctor


def test_a_dry_run_changes_nothing(root, fresh):
    user = fresh.user(title="first")
    path = f"/Users/{user['id']}"
    fresh.scim.patch(path, json=replace("title", "second"))
    third = fresh.scim.patch(path, json=replace("title", "third")).json()
    fresh.scim.post("/Users", json=person(user["userName"]))
    fresh.recorded(4)
    base = f"/w/{fresh.name}/requests"
    twice, last, second, first = re.findall(rf'href="{base}/(\d+)"', root.get(base).text)

    def tried(number):
        root.get(f"{base}/{number}")
        return re.sub(r"<[^>]+>|\s+", " ", root.submit(f"{base}/{number}/rehearse").text)

    assert re.search(r"Result:\s+200", tried(second))
    assert re.search(r"title\s+third\s+second", tried(second))
    assert "Nothing would change" in tried(last)
    assert re.search(r"Result:\s+409", tried(twice))
    assert re.search(r"Result:\s+409", tried(first))
    fresh.scim.delete(path)
    assert re.search(r"Result:\s+404", tried(second))
    assert re.search(r"Result:\s+201", tried(first))
    assert fresh.scim.get("/Users?count=0").json()["totalResults"] == 0
    assert third["title"] == "third"
    rows = [row for row in fresh.api.get("/audit").json()["rows"] if row["type"] == "User"]
    assert [row["action"] for row in rows] == ["create", "update", "update", "delete"]


def test_an_invalid_status_is_400_or_finds_nothing(root, fresh):
    for status in ("551653499761", "-5449379", "1000"):
        answer = fresh.api.get(
            "/requests", params={"status": status, "before": "-1", "limit": "-1"}
        )
        assert answer.status_code == 400, answer.text
        assert root.get(f"/w/{fresh.name}/requests", status=status).status_code in (200, 400)


def test_reads_are_recorded_while_turned_on(root, fresh):
    base = f"/w/{fresh.name}/requests"
    root.get(base)
    assert root.post(f"{base}/record").status_code == 303

    def kept():
        assert fresh.scim.get("/Users?count=1").status_code == 200
        return "GET /Users" in root.get(base).text

    assert until(kept)
    page = root.get(base).text
    assert "reads are recorded until" in page
    root.post(f"{base}/record", off="1")
    assert "Changes and failed requests are recorded" in root.get(base).text


def _without_labels(page):
    """The text of a page without the labels that cells have on small screens."""
    return re.sub(r' data-label="[^"]*"', "", html.unescape(page.text))


def test_the_page_of_a_request_shows_json_and_extensions(root, fresh):
    user = fresh.user(
        **{ENTERPRISE_USER: {"department": "Tours"}}, emails=[{"value": "a@x.com", "primary": True}]
    )
    patch = {
        "Operations": [
            {"op": "replace", "path": f"{ENTERPRISE_USER}:department", "value": "Sales"},
            {"op": "replace", "path": "emails", "value": [{"value": "b@x.com", "primary": False}]},
            {"op": "replace", "path": "active", "value": False},
            {"op": "replace", "path": "title", "value": name("title")},
        ]
    }
    fresh.scim.patch(f"/Users/{user['id']}", json=patch).raise_for_status()
    number = next(item["number"] for item in fresh.recorded(2) if item["method"] == "PATCH")
    shown = _without_labels(root.get(f"/w/{fresh.name}/requests/{number}"))
    assert (
        f'<th scope="row">{ENTERPRISE_USER}:department</th><td class="was">Tours</td><td class="is">Sales</td>'
        in shown
    )
    assert '<td class="was">[{"value": "a@x.com", "primary": true}]</td>' in shown
    assert (
        '<th scope="row">active</th><td class="was">true</td><td class="is">false</td>'
        in shown.replace("—", "true")
    )
    assert "True" not in shown
    assert "{'" not in shown
    fresh.scim.patch(
        f"/Users/{user['id']}", json=replace(f"{ENTERPRISE_USER}:department", "Other")
    ).raise_for_status()
    root.get(f"/w/{fresh.name}/requests/{number}")
    tried = _without_labels(root.submit(f"/w/{fresh.name}/requests/{number}/rehearse"))
    assert (
        f'<th scope="row">{ENTERPRISE_USER}:department</th><td class="was">Other</td><td class="is">Sales</td>'
        in tried
    )


@pytest.mark.parametrize("key", ["path", "Path"])
def test_a_request_with_a_secret_in_a_path_has_no_dry_run(root, fresh, key):
    """Masked, the path would be a wrong one: the dry run would tell another outcome."""
    user = fresh.user()
    body = {"Operations": [{"op": "replace", key: "passwd", "value": "s3cret"}]}
    assert fresh.scim.patch(f"/Users/{user['id']}", json=body).status_code == 400
    number = next(item["number"] for item in fresh.recorded(2) if item["method"] == "PATCH")
    page = f"/w/{fresh.name}/requests/{number}"
    shown = root.get(page).text
    assert "A path of the request may contain a secret, so it was not recorded." in shown
    assert "Dry-run this request" not in shown
    assert "Result:" not in root.submit(f"{page}/rehearse").text


def test_dry_run_of_a_group_patch_lists_members_and_reads_offer_none(root, fresh):
    first, second = fresh.user(), fresh.user()
    made = fresh.scim.post("/Groups", json=group(None, first)).json()
    path, base = f"/Groups/{made['id']}", f"/w/{fresh.name}/requests"
    added = {"op": "add", "path": "members", "value": [{"value": second["id"]}]}
    fresh.scim.patch(path, json={"schemas": [PATCH_OP], "Operations": [added]}).raise_for_status()
    assert fresh.scim.get("/Users/nobody").status_code == 404
    assert fresh.scim.post("/Users", content=b"{").status_code == 400
    assert fresh.scim.post("/Users/.search", json={"filter": "?"}).status_code == 400
    kept = {
        (item["method"], item["path"], item["status"]): item["number"] for item in fresh.recorded(7)
    }

    def tried(*request):
        page = f"{base}/{kept[request]}"
        offered = "Dry-run this request" in root.get(page).text
        shown = html.unescape(re.sub(r"<[^>]+>", " ", root.submit(f"{page}/rehearse").text))
        assert offered is ("dry run is not possible" not in shown)
        return re.sub(r"\s+", " ", shown)

    patched = ("PATCH", path, 200)
    assert "Nothing would change" in tried(*patched)
    fresh.scim.patch(path, json=replace("members", [{"value": first["id"]}])).raise_for_status()
    assert f"Members added (1): {second['id']}" in tried(*patched)
    fresh.scim.delete(f"/Users/{second['id']}").raise_for_status()
    assert f"Result: 400 members: no User or Group has the id '{second['id']}'" in tried(*patched)
    assert "only reads data" in tried("GET", "/Users/nobody", 404)
    assert "only reads data" in tried("POST", "/Users/.search", 400)
    assert "was truncated" in tried("POST", "/Users", 400)


def why(root, tenant, status):
    """The explanation on the page of the latest request that failed with a status."""
    kept = next(item for item in tenant.recorded(1) if item["status"] == status)
    page = root.get(f"/w/{tenant.name}/requests/{kept['number']}").text
    section = re.search(r'<section class="card" id="why">.*?</section>', page, re.S)
    assert page.index('id="why"') < page.index('id="dry-run"')
    return section[0]


def test_a_unique_value_is_explained_with_a_link_to_the_resource_that_has_it(root, fresh):
    grace = fresh.user(userName=name("grace"), displayName="Grace Hopper")
    assert fresh.scim.post("/Users", json=person(grace["userName"].upper())).status_code == 409
    fresh.recorded(2)
    text = html.unescape(re.sub("<[^>]+>", "", shown := why(root, fresh, 409)))
    value = grace["userName"].upper()
    assert f"userName {value} belongs to Grace Hopper. Rename or delete one of them." in text
    assert f'href="/w/{fresh.name}/users/{grace["id"]}">Grace Hopper</a>' in shown
    fresh.scim.delete(f"/Users/{grace['id']}").raise_for_status()
    assert "It is free now" in why(root, fresh, 409)


@pytest.mark.parametrize("path", ["username", None])
def test_a_unique_value_in_a_patch_is_explained(root, fresh, path):
    grace, other = fresh.user(displayName="Grace Hopper"), fresh.user()
    value = grace["userName"] if path else {"userName": grace["userName"]}
    operation = {"op": "replace", "value": value} | ({"path": path} if path else {})
    body = {"schemas": [PATCH_OP], "Operations": [operation]}
    assert fresh.scim.patch(f"/Users/{other['id']}", json=body).status_code == 409
    fresh.recorded(3)
    assert ">Grace Hopper</a>. Rename or delete one of them." in why(root, fresh, 409)


def test_other_failures_are_explained_by_their_cause_and_cure(root, fresh):
    fresh.scim.post("/Users", json=person(active="perhaps"))
    fresh.api.patch("/settings", json={"automaticProvisioning": False}).raise_for_status()
    assert fresh.scim.post("/Users", json=person()).status_code == 403
    fresh.recorded(2)
    assert "Correct the attribute mapping of the client" in why(root, fresh, 400)
    forbidden = why(root, fresh, 403)
    assert "Turn it on under Settings" in forbidden
    assert f'href="/w/{fresh.name}/settings">Open Settings</a>' in forbidden


def test_a_wrong_key_is_explained_once(root, fresh):
    made = fresh.api.post("/keys", json={"name": "old", "permissions": ["Admin"]}).json()
    fresh.api.delete(f"/keys/{made['id']}").raise_for_status()
    assert fresh.client(made["token"], "/scim/v2").get("/Users").status_code == 401
    fresh.recorded(1)
    explained = why(root, fresh, 401)
    assert explained.count("invalid, expired or revoked") == 1
    assert f'href="/w/{fresh.name}/connect">See the set-up steps</a>' in explained
    doctor = root.get(f"/w/{fresh.name}/doctor").text
    assert doctor.count("invalid, expired or revoked") == 1


@pytest.mark.parametrize(("value", "refused"), [("False", False), ("perhaps", True)])
def test_an_accepted_deviation_is_information_and_not_a_fault(root, fresh, value, refused):
    user = fresh.user()
    body = {"Operations": [{"op": "Replace", "path": "active", "value": value}]}
    answer = fresh.scim.patch(f"/Users/{user['id']}", json=body)
    assert (answer.status_code == 400) == refused
    kept = fresh.recorded(2)[0]
    page = root.get(f"/w/{fresh.name}/requests/{kept['number']}").text
    card = page.partition('id="non-standard"')[2].partition("</section>")[0]
    assert "Accepted, though the RFC spells it otherwise" in card
    assert "read as the operation in lower case" in card
    assert ("It is not the reason why the request was refused." in card) == refused
    row = root.get(f"/w/{fresh.name}/requests").text
    assert 'class="accepted"' in row
    assert 'title="Accepted, though the RFC spells it otherwise: ' in row


def test_a_successful_request_needs_no_explanation(root, fresh):
    fresh.user()
    (kept,) = fresh.recorded(1)
    assert 'id="why"' not in root.get(f"/w/{fresh.name}/requests/{kept['number']}").text


def test_a_path_is_shortened_and_a_deviation_is_explained_in_the_list(root, fresh):
    user = fresh.user()
    body = {"Operations": [{"op": "Replace", "path": "title", "value": "x"}]}
    fresh.scim.patch(f"/Users/{user['id']}", json=body).raise_for_status()
    fresh.recorded(2)
    page = html.unescape(root.get(f"/w/{fresh.name}/requests").text)
    assert f">PATCH /Users/…{user['id'][-4:]}</a>" in page
    assert f'title="PATCH /Users/{user["id"]}"' in page
    assert 'read as the operation in lower case">operation-case</a>' in page
    assert (
        root.get(f"/w/{fresh.name}/requests", path="/Users").text.count('more-filters" open') == 1
    )
    assert 'more-filters" open' not in page
