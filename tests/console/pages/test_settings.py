"""The page of a workspace's settings."""

import re

from tests.support.signed import KEYS


def test_settings_are_changed_and_errors_name_the_field(root, fresh):
    path = f"/w/{fresh.name}/settings"
    root.get(path)
    given = {
        "contract": "cortex",
        "guardMode": "hold",
        "guardShare": "5",
        "guardLeast": "3",
        "strict": "on",
    }
    given |= {"automaticProvisioning": "on", "rateLimit": "500", "ipAllowlist": "127.0.0.0/8"}
    given |= {"requestsDays": "3", "changesDays": ""}
    before = fresh.api.get("/settings").json()
    review = root.submit(path, **given)
    assert re.search(
        r">Response status codes</th><td[^>]*>RFC 7644</td><td[^>]*>Cortex<", review.text
    )
    assert re.search(r">Automatic deprovisioning</th><td[^>]*>On</td><td[^>]*>Off<", review.text)
    assert "Unique group names" not in review.text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert '<input type="hidden" name="rateLimit" value="500">' in review.text
    assert fresh.api.get("/settings").json() == before
    edited = root.submit(path, **given, edit="on").text
    assert 'name="rateLimit" inputmode="numeric" value="500"' in edited
    assert fresh.api.get("/settings").json() == before
    answer = root.submit(path, **given, reviewed="on")
    assert "Settings saved" in answer.text
    kept = fresh.api.get("/settings").json()
    assert (kept["contract"], kept["strict"], kept["automaticDeprovisioning"]) == (
        "cortex",
        True,
        False,
    )
    assert (kept["rateLimit"], kept["ipAllowlist"]) == (500, ["127.0.0.0/8"])
    assert (kept["requestsDays"], kept["changesDays"]) == (3, None)
    refused = root.post(path, **{**given, "changesDays": "2"}).text
    assert "Keep changes for (days): expected at least 7" in refused
    assert "changesDays:" not in refused
    assert "IP allowlist, line 1: " in root.post(path, **{**given, "ipAllowlist": "nonsense"}).text
    for wrong in ("many", "0000000005", "1" * 30, "-1", "1.5"):
        assert "Requests per minute: enter" in root.post(path, **{**given, "rateLimit": wrong}).text
    locked = root.post(path, **{**given, "ipAllowlist": "10.0.0.0/8"})
    assert locked.status_code == 409
    assert "confirmLockout" in locked.text
    assert fresh.api.get("/settings").json() == kept


def test_retention_is_saved_without_a_review(root, fresh):
    path = f"/w/{fresh.name}/settings"
    root.get(path)
    given = {"contract": "rfc7644", "guardMode": "watch", "guardShare": "10", "guardLeast": "20"}
    given |= {"automaticProvisioning": "on", "automaticDeprovisioning": "on"}
    kept = fresh.api.get("/settings").json()
    assert root.post(path, **given, requestsDays="5").status_code == 303
    assert fresh.api.get("/settings").json() == {**kept, "requestsDays": 5}


def test_an_old_page_does_not_set_back_what_somebody_else_has_changed(root, fresh):
    path = f"/w/{fresh.name}/settings"
    given = {"contract": "rfc7644", "guardMode": "watch", "guardShare": "10", "guardLeast": "20"}
    given |= {"automaticProvisioning": "on", "automaticDeprovisioning": "on", "requestsDays": "5"}
    stamp = root.stamp(path)
    fresh.api.patch("/settings", json={"changesDays": 30})
    kept = fresh.api.get("/settings").json()
    review = root.post(path, **given, seen=stamp)
    assert review.status_code == 409
    assert "Somebody else has changed the settings" in review.text
    assert fresh.api.get("/settings").json() == kept
    rows = re.findall(r'<th data-label="Setting">([^<]*)<', review.text)
    assert rows == ["Keep request logs", "Keep changes"]
    # The review was of the current settings, so confirming it sets them, unless they change again.
    fresh.api.patch("/settings", json={"uniqueGroupNames": True})
    reviewed = {"seen": re.search(r'name="seen" value="([^"]*)"', review.text)[1], "reviewed": "on"}
    again = root.post(path, **given, **reviewed)
    assert (again.status_code, "Unique group names" in again.text) == (409, True)
    reviewed["seen"] = re.search(r'name="seen" value="([^"]*)"', again.text)[1]
    assert root.post(path, **given, **reviewed).status_code == 303
    assert fresh.api.get("/settings").json()["changesDays"] is None


def test_an_error_keeps_the_stamp_of_the_form(root, fresh):
    path = f"/w/{fresh.name}/settings"
    stamp = root.stamp(path)
    fresh.api.patch("/settings", json={"uniqueGroupNames": True})
    refused = root.post(path, rateLimit="many", seen=stamp)
    assert f'name="seen" value="{stamp}"' in refused.text


def test_the_credentials_for_scim_are_reviewed_and_saved(root, fresh):
    path = f"/w/{fresh.name}/settings"
    page = root.get(path).text
    assert '<option value="any" selected>' in page
    given = {"contract": "rfc7644", "guardMode": "watch", "guardShare": "10", "guardLeast": "20"}
    given |= {"automaticProvisioning": "on", "automaticDeprovisioning": "on"}
    review = root.post(path, **given, scimCredentials="keys")
    assert re.findall(r'<th data-label="Setting">([^<]*)<', review.text) == ["Credentials for SCIM"]
    assert root.post(path, **given, scimCredentials="keys", reviewed="on").status_code == 303
    assert fresh.api.get("/settings").json()["scimCredentials"] == "keys"
    refused = root.post(path, **given, scimCredentials="oauth", reviewed="on")
    assert refused.status_code == 409
    assert "no OAuth client" in refused.text
    assert root.post(path, **given, reviewed="on", requestsDays="5").status_code == 303
    assert fresh.api.get("/settings").json()["scimCredentials"] == "keys"  # an earlier form


def test_ranges_have_descriptions_and_an_address_is_tried(root, fresh):
    path = f"/w/{fresh.name}/settings"
    form = {
        "contract": "rfc7644", "guardMode": "watch", "guardShare": "10", "guardLeast": "20",
        "automaticProvisioning": "on", "automaticDeprovisioning": "on", "scimCredentials": "any",
        "reviewed": "on",
    }  # fmt: skip
    typed = "127.0.0.0/8 This machine\n\n192.0.2.0/24 198.51.100.0/24"
    page = root.submit(path, **form, seen=root.stamp(path), ipAllowlist=typed)
    assert "Settings saved." in page.text
    entries = fresh.api.get("/settings").json()["ipAllowlistEntries"]
    assert [(entry["range"], entry["description"]) for entry in entries] == [
        ("127.0.0.0/8", "This machine"),
        ("192.0.2.0/24", ""),
        ("198.51.100.0/24", ""),
    ]
    assert "127.0.0.0/8 This machine\n192.0.2.0/24" in page.text
    tried = root.get(path, address="127.0.0.9").text
    assert "127.0.0.9 passes: 127.0.0.0/8 (This machine) contains it." in tried
    assert "would be blocked: no range contains it" in root.get(path, address="203.0.113.1").text
    assert 'id="wrong-address"' in root.get(path, address="x").text
    refused = root.submit(path, **form, seen=root.stamp(path), ipAllowlist="nowhere Office")
    assert refused.status_code == 400
    assert "nowhere Office" in refused.text


def test_the_profile_is_reviewed_with_the_settings_that_it_sets(root, fresh):
    path = f"/w/{fresh.name}/settings"
    given = {"contract": "rfc7644", "guardMode": "watch", "guardShare": "10", "guardLeast": "20"}
    given |= {"automaticProvisioning": "on", "automaticDeprovisioning": "on", "profile": "ipsie"}
    root.get(path)
    review = root.post(path, **given)
    assert set(re.findall(r'<th data-label="Setting">([^<]*)<', review.text)) == {
        "Strict mode",
        "Default rate limit per key",
        "Unique group names",
        "Credentials for SCIM",
        "SCIM profile",
    }
    refused = root.post(path, **given, reviewed="on")
    assert refused.status_code == 409
    assert "private_key_jwt" in refused.text
    connection = fresh.api.post("/connections", json={"name": "IdP"}).json()["id"]
    client = {"name": "c", "auth": "private_key_jwt", "jwks": KEYS}
    fresh.api.post(f"/connections/{connection}/oauth-clients", json=client)
    assert root.post(path, **given, reviewed="on").status_code == 303
    assert fresh.api.get("/settings").json()["profile"] == "ipsie"
    page = root.get(path).text
    assert '<option value="ipsie" selected>' in page
    contradiction = root.post(path, **given, reviewed="on")
    assert contradiction.status_code == 409
    assert "the profile ipsie requires true" in contradiction.text
