"""Erasing a deleted person removes every row about them, and the audit log still verifies."""

import json
import re

import pytest

from muster.upkeep import erasure
from tests.support.people import group, replace
from tests.support.tenant import Tenant
from tests.support.waiting import until
from tests.upkeep.test_audit_verification import tampered
from tests.upkeep.test_trimmer import rows, trim, verified

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def erase(tenant, resource, *arguments, check=True):
    return tenant.server.muster(
        "erase", resource["id"], "--workspace", tenant.name, *arguments, check=check
    )


def somebody(tenant, name):
    """A user with three changes, a group and a deletion."""
    address = f"{name}@example.com"
    user = tenant.user(userName=address, emails=[{"value": address, "type": "work"}])
    tenant.scim.patch(f"/Users/{user['id']}", json=replace("title", name))
    tenant.scim.post("/Groups", json=group(f"Crew of {user['id']}", user))
    tenant.scim.delete(f"/Users/{user['id']}")
    return user


def texts(tenant):
    """All that the audit log, the feed and the request log show."""
    return [
        tenant.api.get("/audit", params={"limit": 1000}).text,
        tenant.api.get("/changes", params={"limit": 1000}).text,
        *(
            tenant.api.get(f"/requests/{row['number']}").text
            for row in tenant.api.get("/requests", params={"limit": 500}).json()["items"]
        ),
    ]


def test_nothing_of_an_erased_person_is_left_and_others_are(server, fresh):
    other = fresh.user(title="stays")
    eve = somebody(fresh, "eve.mori")
    fresh.scim.get("/Users", params={"filter": 'userName eq "eve.mori@example.com" and title gt'})
    refused = fresh.scim.post("/Users", json={"userName": eve["userName"], "active": "perhaps"})
    assert refused.status_code == 400
    assert until(lambda: sum("eve.mori" in text for text in texts(fresh)) > 5)
    rehearsed = erase(fresh, eve, "--rehearse").stdout
    assert rehearsed.startswith("3 changes and ")
    assert sum("eve.mori" in text for text in texts(fresh)) > 5
    done = erase(fresh, eve).stdout
    assert done.startswith("3 changes and ")
    assert done.endswith(" erased\n")
    assert [text for text in texts(fresh) if "eve.mori" in text] == []
    assert fresh.api.get(f"/history/{eve['id']}").json()["items"] == []
    assert (
        fresh.api.get(f"/history/{other['id']}").json()["items"][0]["resource"]["title"] == "stays"
    )
    assert verified(server).endswith("0 breaks\n")
    assert "nothing is recorded" in erase(fresh, eve, check=False).stderr


def test_requests_are_erased_by_all_names_that_a_person_had(fresh, monkeypatch):
    """Also by the latest of a person with more changes, and names, than one statement takes."""
    monkeypatch.setattr(erasure, "_CHUNK", 2)
    monkeypatch.setattr(erasure, "_NAMED", 2)
    user, stem = fresh.user(), "much.renamed"
    names = [f"{stem}.{number}@example.com" for number in range(5)]
    operations = [
        {"method": "PATCH", "path": f"/Users/{user['id']}", "data": replace("userName", name)}
        for name in names
    ]
    answer = fresh.scim.post("/Bulk", json={"schemas": [BULK], "Operations": operations})
    assert {item["status"] for item in answer.json()["Operations"]} == {"200"}
    for name in (names[0], names[-1]):
        refused = fresh.scim.post("/Users", json={"userName": name, "active": "perhaps"})
        assert refused.status_code == 400
    other = fresh.scim.post("/Users", json={"userName": f"{names[-1]}.uk", "active": "perhaps"})
    assert other.status_code == 400
    fresh.scim.delete(f"/Users/{user['id']}")
    fresh.recorded(6)
    assert erase(fresh, user, "--rehearse").stdout.endswith(" 5 requests would be erased\n")
    assert erase(fresh, user).stdout.endswith(" 5 requests erased\n")
    [kept] = fresh.api.get("/requests").json()["items"]
    assert f"{names[-1]}.uk" in fresh.api.get(f"/requests/{kept['number']}").text


def test_the_feed_tells_of_the_deletion_once_more(fresh):
    cursor = fresh.api.get("/changes", params={"cursor": "end"}).json()["nextCursor"]
    ann = somebody(fresh, "ann")
    erase(fresh, ann)
    events = fresh.api.get("/changes", params={"cursor": cursor}).json()["items"]
    of_ann = [event for event in events if event["resourceId"] == ann["id"]]
    assert [(event["type"], event["resource"]) for event in of_ann] == [
        ("user.deleted", {"id": ann["id"]})
    ]
    [note] = [row for row in rows(fresh) if row["action"] == "forget"]
    assert (note["actor"], note["type"], note["resource"]) == ("command", "User", ann["id"])


def test_the_note_of_an_erasure_shows_hashes_and_no_sequence_numbers(fresh):
    """The numbers count the changes of all workspaces."""
    before = rows(fresh)[-1]["hash"]
    ann = somebody(fresh, "ann")
    erase(fresh, ann)
    [note] = [row for row in rows(fresh) if row["action"] == "forget"]
    chain = note["document"]["rows"]
    assert chain[0][0] == before
    assert all(re.fullmatch("[0-9a-f]{64}", value) for row in chain for value in row)


def test_chains_hold_over_neighbours_that_are_erased_one_by_one_and_trimmed(server, fresh):
    people = [fresh.user(title=f"t{n}") for n in range(5)]
    for user in people[1:4]:
        fresh.scim.delete(f"/Users/{user['id']}")
    for user in (people[2], people[1], people[3]):
        erase(fresh, user)
        assert verified(server).endswith("0 breaks\n")
    trim(fresh)
    assert verified(server).endswith("0 breaks\n")
    fresh.scim.delete(f"/Users/{people[0]['id']}")
    erase(fresh, people[0])
    assert verified(server).endswith("0 breaks\n")


def test_a_row_that_is_removed_beside_an_erased_one_breaks_the_chain(server):
    with Tenant(server) as one:
        _, ben, cyd, _ = one.user(), one.user(), one.user(), one.user()
        one.scim.delete(f"/Users/{cyd['id']}")
        erase(one, cyd)
        assert verified(server).endswith("0 breaks\n")
        tampered(
            server, "DELETE FROM changes WHERE workspace = $1 AND id = $2", one.name, ben["id"]
        )
        broken = server.muster("audit", "verify", check=False)
        assert broken.stdout.startswith(f"{one.name}: the chain breaks at change")
        tampered(server, "DELETE FROM changes WHERE workspace = $1", one.name)


def test_who_exists_is_unknown_or_is_awaited_by_a_webhook_is_not_erased(fresh):
    ann = fresh.user()
    assert "still exists" in erase(fresh, ann, check=False).stderr
    unknown = {"id": ann["id"][:-1] + ("0" if ann["id"][-1] != "0" else "1")}
    assert "nothing is recorded" in erase(fresh, unknown, check=False).stderr
    assert "is not the id" in erase(fresh, {"id": "x"}, check=False).stderr
    hook = fresh.api.post("/webhooks", json={"url": "http://127.0.0.1:9/"}).json()["id"]
    fresh.scim.delete(f"/Users/{ann['id']}")
    refused = erase(fresh, ann, check=False)
    assert (refused.returncode, "webhook" in refused.stderr) == (1, True)
    fresh.api.patch(f"/webhooks/{hook}", json={"enabled": False})
    assert json.loads(erase(fresh, ann, "--json").stdout)["changes"] == 2


@pytest.mark.parametrize("name", ["a", "50%_o\\ff"])
def test_a_name_matches_whole_values_alone(fresh, name):
    user = fresh.user(userName=name)
    other = fresh.user(userName=f"{name}b", title=f"Not {name}")
    fresh.scim.delete(f"/Users/{user['id']}")
    assert until(lambda: len(fresh.api.get("/requests").json()["items"]) >= 3)
    erase(fresh, user)
    kept = fresh.api.get("/requests").json()["items"]
    assert [(row["operation"], row["resource"]) for row in kept] == [("createUser", other["id"])]
