"""Audit log entries for actions of administrators."""

import orjson

from muster.storage.port.changes import Note


def test_a_note_names_the_administrator_and_is_stored_with_its_details(bench, administrator):
    note = administrator.note("Role", "auditor", "update", permissions=["a"], before=None)
    detail = {"permissions": ["a"], "before": None}
    workspace = administrator.workspace.id
    assert note == Note(
        workspace, administrator.origin, "Role", "auditor", "update", orjson.dumps(detail)
    )
    bench.run(bench.storage.record([note]))
    (change,) = bench.run(bench.storage.changes(workspace, 0, 10))
    assert (change.version, change.origin, orjson.loads(change.document)) == (
        0,
        administrator.origin,
        detail,
    )
