"""`muster doctor`: what clients send, and what was refused."""

from tests.people import person
from tests.tenant import Tenant


def test_what_it_says(server):
    with Tenant(server) as tenant:
        assert "nothing" in server.muster("doctor", "--workspace", tenant.name).stdout
        user = tenant.user()
        for value in ("True", "False"):
            body = {"Operations": [{"op": "Replace", "path": "active", "value": value}]}
            tenant.scim.patch(f"/Users/{user['id']}", json=body)
        tenant.scim.post("/Users", json=person(user["userName"]))
        tenant.recorded(3)
        said = server.muster("doctor", "--workspace", tenant.name).stdout
    assert '"True" or "False" for a boolean\t2 times\ttaken as the boolean' in said
    assert "createUser 409\t1 times\tAnother has this value already" in said
