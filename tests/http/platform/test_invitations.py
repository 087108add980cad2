"""Invitations to a workspace over the platform API."""

from urllib.parse import urlsplit

from muster.access.permissions import SCIM
from tests.console.browsing import Visitor
from tests.support.people import name
from tests.support.tenant import problem


def test_an_invited_administrator_opens_the_workspace_and_no_other(platform, server):
    called, other = platform.workspace(), platform.workspace()
    made = platform.api.post(f"/workspaces/{called}/invitations", json={"name": "Ada"})
    found = made.json()
    assert (found["permissions"], found["invitedBy"]) == (["Admin"], platform.key.name)
    listed = platform.api.get(f"/workspaces/{called}/invitations").json()["items"]
    assert listed == [{key: value for key, value in found.items() if key != "url"}]
    assert platform.api.get(f"/workspaces/{other}/invitations").json()["items"] == []
    visitor = Visitor(server).accept(found["url"], name("ada"))
    assert visitor.get(f"/w/{called}/keys").status_code == 200
    assert visitor.get(f"/w/{other}/keys").status_code == 404
    visitor.close()
    assert platform.api.get(f"/workspaces/{called}/invitations").json()["items"] == []
    problem(platform.api.delete(f"/workspaces/{called}/invitations/{found['id']}"), 404)


def test_an_invitation_is_revoked_in_its_own_workspace_alone(platform):
    called, other = platform.workspace(), platform.workspace()
    body = {"permissions": [SCIM], "expiresInDays": 1}
    made = platform.api.post(f"/workspaces/{called}/invitations", json=body)
    path = f"invitations/{made.json()['id']}"
    assert urlsplit(made.headers["location"]).path.endswith(path)
    problem(platform.api.delete(f"/workspaces/{other}/{path}"), 404)
    assert platform.api.delete(f"/workspaces/{called}/{path}").status_code == 204
    assert platform.api.get(f"/workspaces/{called}/invitations").json()["items"] == []
