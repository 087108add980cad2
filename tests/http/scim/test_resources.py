"""SCIM endpoints of a resource type, and /Me."""

from muster.access.permissions import SCIM
from tests.support.people import error_of, person, replace
from tests.support.tenant import problem


def test_me_is_the_user_whom_the_key_speaks_for(fresh):
    user = fresh.user()
    problem(fresh.api.post("/keys", json={"name": "me", "user": "nobody"}), 404)
    token = fresh.api.post(
        "/keys", json={"name": "me", "permissions": [SCIM], "user": user["id"]}
    ).json()["token"]
    with fresh.client(token, "/scim/v2") as me:
        shown = me.get("/Me")
        assert shown.json() == user
        assert shown.headers["etag"] == user["meta"]["version"]
        assert me.patch("/Me", json=replace("nickName", "Babs")).json()["nickName"] == "Babs"
        assert me.put("/Me", json=person(user["userName"])).status_code == 200
        assert list(me.get("/Me?attributes=userName").json()) == ["schemas", "id", "userName"]
        error_of(me.post("/Me", json=person()), 405)
        assert me.delete("/Me").status_code == 204
        error_of(me.get("/Me"), 404)
    error_of(fresh.scim.get("/Me"), 501)
