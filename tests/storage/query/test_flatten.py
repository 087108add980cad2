"""A condition that nests little means the same as the one that it was made from."""

from hypothesis import given

from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.filter.evaluate import matches
from muster.scim.filter.predicate import All, Each, Negation, Some, Test, bind, field_at
from muster.scim.schema.model import registry
from muster.storage.query.flatten import flat
from tests.support.strategies import filters, users

USERS = registry().types["/Users"]


@given(filters(), users())
def test_it_matches_the_same_users(tree, user):
    predicate = bind(tree, USERS, Dialect())
    document = read(user, USERS, Dialect())
    assert matches(flat(predicate), document) == matches(predicate, document)


def nodes(predicate):
    """A condition and all conditions in it."""
    yield predicate
    match predicate:
        case Negation(term) | Each(_, term):
            yield from nodes(term)
        case All(terms) | Some(terms):
            for term in terms:
                yield from nodes(term)


@given(filters())
def test_only_single_terms_are_negated_and_no_kind_nests_in_itself(tree):
    for node in nodes(flat(bind(tree, USERS, Dialect()))):
        match node:
            case Negation(term):
                assert not isinstance(term, Negation | All | Some)
            case All(terms) | Some(terms):
                assert not any(type(term) is type(node) for term in terms)
                assert len(terms) != 1


@given(filters())
def test_it_is_made_once(tree):
    once = flat(bind(tree, USERS, Dialect()))
    assert flat(once) == once


def term(name):
    return Test(field_at(USERS, name), "eq", "x")


A, B, C, D = map(term, ("userName", "displayName", "title", "nickName"))


def test_a_negation_moves_inwards_and_two_of_them_disappear():
    assert flat(Negation(All((A, Negation(B))))) == Some((Negation(A), B))
    assert flat(Negation(Some((A, B)))) == All((Negation(A), Negation(B)))
    assert flat(Negation(Negation(A))) == A


def test_a_negation_of_a_value_path_stays_outside():
    path = Each(field_at(USERS, "emails"), Negation(All((A, B))))
    assert flat(Negation(path)) == Negation(
        Each(field_at(USERS, "emails"), Some((Negation(A), Negation(B))))
    )


def test_the_deepest_term_comes_first_only_if_it_is_deep():
    shallow = All((A, Some((B, C))))
    assert flat(shallow) == shallow
    deep = D
    for _ in range(3):
        deep = All((A, Some((B, deep))))
    assert flat(All((A, Some((B, deep))))).terms == (flat(Some((B, deep))), A)
