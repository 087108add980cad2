"""If-Match and If-None-Match, for resources with and without groups."""

import pytest

from muster.directory.groups.memberships import tag_of
from muster.http.scim.conditions import Conditions
from muster.http.wire.message import MAX_HEADER, Request
from muster.scim.errors import ScimError
from muster.storage.port.members import Groups
from muster.storage.port.resources import Stored

PLAIN = Stored("id", 3, b"")
GROUPED = Stored("id", 3, b"", Groups(b"{}", "abc"))


def conditions(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Conditions(Request("GET", "/", "", named.get, None, "", "http", "host"))


def status(work, *arguments):
    """The status of the error that work raises, or its result."""
    try:
        return work(*arguments)
    except ScimError as error:
        return error.status


MATCHING = ['W/"3"', '"3"', "3", "*", 'W/"1", W/"3"', ' W/"3" ']
OTHERS = ['W/"2"', "", 'W/"33"', '"3-abc"']


@pytest.mark.parametrize("tags", MATCHING)
def test_a_write_goes_ahead_if_the_version_matches(tags):
    assert conditions(if_match=tags).check_write(PLAIN) is None
    assert status(conditions(if_none_match=tags).check_write, PLAIN) == 412


@pytest.mark.parametrize("tags", OTHERS)
def test_a_write_is_refused_if_the_version_is_another(tags):
    assert status(conditions(if_match=tags).check_write, PLAIN) == 412
    assert conditions(if_none_match=tags).check_write(PLAIN) is None


def test_a_refusal_names_the_current_version():
    with pytest.raises(ScimError, match='W/"3-abc"'):
        conditions(if_match='W/"3"').check_write(GROUPED)
    assert conditions(if_match='W/"3-abc"').check_write(GROUPED) is None


def test_without_headers_everything_goes_ahead():
    assert conditions().check_write(PLAIN) is None
    assert conditions().check_create() is None
    assert conditions().not_modified(tag_of(PLAIN)) is False


@pytest.mark.parametrize("tags", MATCHING)
def test_a_read_of_a_known_version_is_not_modified(tags):
    assert conditions(if_none_match=tags).not_modified(tag_of(PLAIN)) is True
    assert conditions(if_match=tags).not_modified(tag_of(PLAIN)) is False


@pytest.mark.parametrize("tags", OTHERS)
def test_a_read_of_another_version_is_answered(tags):
    assert conditions(if_none_match=tags).not_modified(tag_of(PLAIN)) is False
    assert status(conditions(if_match=tags).not_modified, tag_of(PLAIN)) == 412


def test_a_new_resource_matches_no_version():
    assert status(conditions(if_match="*").check_create) == 412
    assert conditions(if_none_match="*").check_create() is None


@pytest.mark.parametrize("header", ["if_match", "if_none_match"])
def test_a_header_has_at_most_so_many_bytes(header):
    longest = ",".join(['"1"'] * (MAX_HEADER // 4))
    conditions(**{header: longest})
    with pytest.raises(ScimError) as caught:
        conditions(**{header: longest + "," * 5})
    assert caught.value.status == 431
