"""Users and groups as the pages of the console share them."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.console.resources import called, kind_of, name_filter
from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.filter import grammar
from muster.scim.filter.evaluate import matches
from muster.scim.filter.predicate import bind
from muster.scim.schema.model import registry
from muster.scim.values import fold

TYPES = registry().types
_names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6
)


def visit(page):
    return SimpleNamespace(page=page, caller=SimpleNamespace(registry=registry()))


@pytest.mark.parametrize(("plural", "name"), [("users", "User"), ("groups", "Group")])
def test_the_path_of_a_page_names_the_type(plural, name):
    for page in (f"/w/acme/{plural}", f"/w/acme/{plural}/x/edit"):
        kind, found = kind_of(visit(page))
        assert (kind.name, found) == (name, plural)


@pytest.mark.parametrize("page", ["/w/acme/keys", "/w/acme/Users"])
def test_a_path_of_other_things_is_not_found(page):
    with pytest.raises(ScimError) as refused:
        kind_of(visit(page))
    assert refused.value.status == 404


def test_a_resource_is_called_by_its_names_or_its_id():
    assert called({"id": "7", "userName": "ann", "displayName": "Ann"}) == "Ann"
    assert called({"id": "7", "userName": "ann", "displayName": ""}) == "ann"
    assert called({"id": "7"}) == "7"


@given(_names, _names, st.sampled_from(("sw", "co")))
def test_a_name_filter_finds_names_by_their_beginning_or_a_part(name, text, operator):
    """Quotation marks and backslashes in the text stand for themselves."""
    document = {"id": "7", "displayName": name}
    folded = fold(name)
    expected = folded.startswith(fold(text)) if operator == "sw" else fold(text) in folded
    for plural, endpoint in (("users", "/Users"), ("groups", "/Groups")):
        found = grammar.parse(name_filter(plural, text, operator), Dialect())
        assert matches(bind(found, TYPES[endpoint], Dialect()), document) == expected
