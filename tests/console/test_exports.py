"""Every export leaves an entry in the audit log."""

import pytest

from tests.support.waiting import until


def exports(fresh):
    rows = fresh.api.get("/audit?limit=1000").json()["rows"]
    return [row for row in rows if row["action"] == "export"]


@pytest.mark.parametrize(
    ("path", "asked", "name", "rows"),
    [
        ("/users/export.csv", {"active": "no"}, "users", 1),
        ("/users/export.csv", {}, "users", 3),
        ("/groups/export.csv", {}, "groups", 0),
        ("/audit/export.csv", {"type": "User", "action": "create"}, "audit log", 3),
        ("/audit/export.jsonl", {"type": "User", "action": "create"}, "audit log", 3),
    ],
)
def test_an_export_is_recorded_with_its_rows_and_filter(root, fresh, path, asked, name, rows):
    for active in (True, False, True):
        fresh.user(active=active)
    assert root.get(f"/w/{fresh.name}{path}", **asked).status_code == 200
    (found,) = until(lambda: exports(fresh))
    document = found["document"]
    assert (found["type"], found["resource"], document["rows"]) == ("Export", name, rows)
    assert "complete" not in document
    assert {key: document["filter"][key] for key in asked} == asked
    assert found["actor"].startswith("admin:")
    assert "Exported" in root.get(f"/w/{fresh.name}/audit").text


def test_a_refused_export_is_not_recorded(root, fresh):
    assert root.get(f"/w/{fresh.name}/users/export.csv", filter="nonsense").status_code == 400
    assert exports(fresh) == []
