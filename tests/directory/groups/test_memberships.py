"""Computed attributes are inserted into the bytes of stored documents."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from muster.directory.groups.memberships import (
    each_with_groups,
    member,
    member_element,
    split,
    tag_of,
    with_groups,
)
from muster.directory.versions import make_put
from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.etag import etag
from muster.scim.schema.model import registry
from muster.storage.ids import IdSource
from muster.storage.port.members import Groups, Member
from muster.storage.port.resources import Stored
from tests.support.strategies import users

USERS = registry().types["/Users"]
GROUPS = Groups(b'{"value":"g","display":"G"}', "abc123")
TIME = "2026-01-01T00:00:00.000Z"
_ids = IdSource()


def stored(user, groups=None):
    made = make_put(read(user, USERS, Dialect()), USERS, _ids(1), 3, TIME, TIME).stored
    return Stored(made.id, made.version, made.document, groups)


def parsed(document):
    return orjson.loads(document.replace(b"\x01", b""))


@given(users())
def test_groups_and_their_digest_are_the_only_change_to_a_document(user):
    plain = stored(user)
    assert with_groups(plain) is plain
    assert tag_of(plain) == "3"
    grouped = Stored(plain.id, plain.version, plain.document, GROUPS)
    assert tag_of(grouped) == "3-abc123"
    answer, before = parsed(with_groups(grouped).document), parsed(plain.document)
    assert answer.pop("groups") == [{"value": "g", "display": "G"}]
    assert answer["meta"].pop("version") == etag(tag_of(grouped))
    assert before["meta"].pop("version") == etag("3")
    assert answer == before


@given(st.lists(st.tuples(users(), st.booleans()), max_size=4))
def test_a_page_splits_into_its_documents_and_each_gets_its_own_groups(drawn):
    found = [stored(user) for user, _ in drawn]
    page = b",".join(each.document for each in found)
    assert list(split(page)) == [(each.id, each.document) for each in found]
    memberships = {
        each.id: GROUPS for each, (_, is_grouped) in zip(found, drawn, strict=True) if is_grouped
    }
    assert each_with_groups(page, memberships) == b",".join(
        with_groups(Stored(each.id, 3, each.document, memberships.get(each.id))).document
        for each in found
    )


@given(st.one_of(st.none(), st.text()), st.sampled_from(("User", "Group")))
def test_a_member_is_an_element_with_a_reference(display, kind):
    found = Member(1, "m", kind, display)
    element = {"value": "m", "type": kind, **({} if display is None else {"display": display})}
    assert member_element(found) == element
    assert parsed(member(found)) == {**element, "$ref": f"/{kind}s/m"}
