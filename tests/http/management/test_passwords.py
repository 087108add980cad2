"""/api/v1/passwords."""

from tests.support.people import group, person, replace
from tests.support.tenant import problem


def test_passwords_are_replaced_and_verified(tenant):
    user = tenant.user(password="first secret")

    def valid(password, user_name=user["userName"]):
        answer = tenant.api.post(
            "/passwords/verify", json={"userName": user_name, "password": password}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    tenant.scim.post("/Groups", json=group(None, user))
    assert valid("first secret") == {"valid": True, "user": user["id"]}
    assert valid("first secret", user["userName"].upper())["valid"]
    assert valid("other") == valid("first secret", 'no "one"\\') == {"valid": False, "user": None}
    path = f"/Users/{user['id']}"
    changed = tenant.scim.patch(path, json=replace("password", "second secret"))
    assert changed.status_code == 200
    assert "password" not in changed.json()
    assert not valid("first secret")["valid"]
    assert valid("second secret")["valid"]
    tenant.scim.put(path, json=person(user["userName"], password="third secret"))
    assert valid("third secret")["valid"]
    tenant.scim.put(path, json=person(user["userName"], active=False))
    assert not valid("third secret")["valid"]
    for wrong in (
        {},
        {"userName": "x"},
        {"userName": "x", "password": 7},
        {"userName": "x", "password": "y" * 1001},
    ):
        problem(tenant.api.post("/passwords/verify", json=wrong), 400)


def test_passwords_are_not_tried_without_end(tenant):
    user = tenant.user(password="t0p secret word")
    tries = [
        tenant.api.post("/passwords/verify", json={"userName": user["userName"], "password": "x"})
        for _ in range(12)
    ]
    assert [answer.status_code for answer in tries] == [200] * 10 + [429] * 2
    assert int(tries[-1].headers["retry-after"]) > 0
    assert b"t0p secret word" not in tenant.server.stored()
