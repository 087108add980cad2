"""Events derived from changes: their types, and the attributes that changed."""

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from muster.directory.history.events import changed_paths, changed_values, event_types, events
from muster.scim.schema.model import ENTERPRISE_USER, Registry, registry
from muster.storage.port.changes import Change, ChangeOrigin
from muster.storage.port.members import MemberDelta

values = st.recursive(
    st.one_of(st.booleans(), st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
flat = st.dictionaries(st.sampled_from(["title", "active", "emails", "name"]), values, max_size=4)
documents = st.builds(
    lambda core, extension: {**core, ENTERPRISE_USER: extension} if extension else core,
    flat,
    st.dictionaries(st.sampled_from(["department", "manager"]), values, max_size=2),
)


ORIGIN, DELTA = ChangeOrigin("key:k", "r", "2026-01-01T00:00:00.000Z"), MemberDelta(("1",), ("2",))


def _flattened(document):
    inner = document.get(ENTERPRISE_USER, {})
    core = {name: value for name, value in document.items() if name != ENTERPRISE_USER}
    return core | {f"{ENTERPRISE_USER}:{name}": value for name, value in inner.items()}


@given(documents, documents)
def test_changed_values_lists_every_changed_attribute_also_of_extensions(before, after):
    one, other = _flattened(before), _flattened(after)
    told = {path: (was, now) for path, was, now in changed_values(before, after)}
    assert told == {
        path: (one.get(path), other.get(path))
        for path in one | other
        if one.get(path) != other.get(path)
    }
    assert list(told) == changed_paths(before, after)


def test_event_types_lists_exactly_the_types_that_occur():
    types = event_types(registry())
    assert len(types) == len(set(types)) == 11
    told = set()
    states = (b"{}", b'{"active":false}', b'{"active":true}')
    for noun, members, action in itertools.product(
        ("User", "Group"), (None, DELTA), ("create", "update", "delete", "hold", "let")
    ):
        for before, after in itertools.product((None, *states), states):
            version = 0 if action in ("hold", "let") else 1
            change = Change(
                1,
                ORIGIN,
                noun,
                "1",
                action,
                version,
                after,
                members if noun == "Group" else None,
                before,
            )
            told |= {event.type for event in events(change)}
    assert told == set(types)
    badge = replace(registry().types["/Groups"], name="Badge")
    assert event_types(Registry({"/Badges": badge}, {})) == [
        "badge.created",
        "badge.updated",
        "badge.deleted",
        "guard.held",
    ]
