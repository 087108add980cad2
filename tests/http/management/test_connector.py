"""/api/v1/open-id-connector."""

from muster.access.permissions import AUDIT, SCIM, SETTINGS
from tests.support.identity_provider import setting
from tests.support.tenant import problem


def test_a_connector_is_set_up_shown_without_its_secret_and_deleted(fresh, provider):
    assert "there is no Open ID Connector" in problem(fresh.api.get("/open-id-connector"), 404)
    given = setting(provider, SCIM)
    made = fresh.api.put("/open-id-connector", json=given)
    assert made.status_code == 200, made.text
    shown = {name: value for name, value in given.items() if name != "clientSecret"}
    assert made.json() == {**shown, "trustEmail": False}
    assert fresh.api.get("/open-id-connector").json() == made.json()
    other = fresh.api.put(
        "/open-id-connector", json={**shown, "title": "Other", "trustEmail": True}
    )
    assert other.json() == {**shown, "title": "Other", "trustEmail": True}
    assert fresh.api.delete("/open-id-connector").status_code == 204
    problem(fresh.api.get("/open-id-connector"), 404)
    problem(fresh.api.delete("/open-id-connector"), 404)
    rows = fresh.api.get("/audit", params={"limit": 500}).json()["items"]
    actions = [row["action"] for row in rows if "onnector" in row["type"]]
    assert len(actions) == 3
    assert not any("s3cret-words" in str(row) for row in rows)


def test_invalid_connector_settings_are_rejected(fresh, provider):
    def refused(status, said, **others):
        answer = fresh.api.put("/open-id-connector", json=setting(provider) | others)
        assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text

    refused(400, "issuer", issuer="nonsense")
    refused(400, "issuer", issuer="ftp://x.example")
    refused(400, "issuer", issuer=f"{provider}/nothing")
    refused(400, "identifies itself", issuer=provider.replace("localhost", "127.0.0.1") + "/")
    refused(400, "clientSecret", clientSecret="")
    refused(400, "allowedDomains", allowedDomains=[])
    refused(400, "allowedDomains", allowedDomains=["*.example"])
    refused(400, "permissions", permissions=["Fly"])
    refused(400, "unknown field", secret="x")
    assert fresh.api.get("/open-id-connector").status_code == 404
    assert (
        fresh.api.put("/open-id-connector", json=setting(provider, SCIM, SETTINGS)).status_code
        == 200
    )
    kept = {**setting(provider, SCIM, SETTINGS, title="Other"), "clientSecret": ""}
    assert fresh.api.put("/open-id-connector", json=kept).json()["title"] == "Other"
    with fresh.client(fresh.key("--permission", SCIM), "/api/v1") as lesser:
        for answer in (
            lesser.put("/open-id-connector", json=setting(provider, SCIM)),
            lesser.delete("/open-id-connector"),
        ):
            assert (answer.status_code, SETTINGS in answer.json()["detail"]) == (403, True)
    fresh.api.delete("/open-id-connector")
    with fresh.client(fresh.key("--permission", SCIM), "/api/v1") as lesser:
        assert lesser.put("/open-id-connector", json=setting(provider, AUDIT)).status_code == 403
