"""Compiles conditions on memberships, which no document contains.

`members` of a group are one step away, in the table `members`. `groups` of a user may be any number
of steps away. For them the SQL starts at the groups that match and walks down to the users (a
recursive query), because few groups match and most users are in none.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeGuard

from muster.scim.filter.predicate import All, Each, Field, Has, Negation, Predicate, Some, Test
from muster.storage.ids import key_of
from muster.storage.port.members import GROUP
from muster.storage.port.resources import Query
from muster.storage.query.binder import Binder

Text = Callable[[str, tuple[str, ...], Binder], str]
Compare = Callable[[str, Test, Binder], str]
_ANY = All(())
_CALLED = (("displayName",), ("name", "formatted"), ("userName",))
"""The paths of a resource's display name in the search form, as `display_of` chooses it."""


class MembershipConditions:
    """Compiles conditions on one computed attribute, `members` or `groups`.

    Args:
        text: The compiler's function that reads a text from JSON.
        compare: The compiler's function that compares a value.
    """

    def __init__(self, workspace: int, computed: str, text: Text, compare: Compare) -> None:
        self._workspace = workspace
        self._by_step = computed == "members"
        self._text = text
        self._compare = compare

    def condition(self, term: Test | Has | Each, bind: Binder) -> str:
        """Return a term as a condition on the row `s`."""
        inner = _of_element(term)
        if not self._by_step:
            return f's."key" IN ({self._below(inner, bind)})'
        return f'EXISTS (SELECT 1 {self._members(inner, bind)} AND m.group_key = s."key")'

    def keys(self, term: Test | Has | Each) -> Callable[[Binder], str] | None:
        """Return the SELECT of exactly the matching keys; None if no index finds them."""
        inner = _of_element(term)
        if not self._by_step:
            return lambda bind: self._users_below(inner, bind)
        if _pinned(inner) is None:
            return None
        return lambda bind: f'SELECT m.group_key AS "key" {self._members(inner, bind)}'

    def _members(self, inner: Predicate, bind: Binder) -> str:
        """Return the FROM and WHERE of the memberships `m` whose member matches."""
        workspace = bind(self._workspace)
        joined = (
            f'members m JOIN resources e ON e.workspace = {workspace} AND e."key" = m.member_key'
        )
        kind = "CASE e.type WHEN 'Group' THEN 'group' ELSE 'user' END"
        pinned = _pinned(inner)
        only = "" if pinned is None else f" AND m.member_key = {bind(key_of(pinned) or 0)}"
        search, condition = self._matching(inner, kind, workspace, bind)
        return f"FROM {joined}{search} WHERE m.workspace = {workspace}{only} AND {condition}"

    def _users_below(self, inner: Predicate, bind: Binder) -> str:
        below = self._below(inner, bind)
        workspace = bind(self._workspace)
        return f'SELECT r."key" FROM resources r WHERE r.workspace = {workspace} AND r.type = \'User\' AND r."key" IN ({below})'

    def _below(self, inner: Predicate, bind: Binder) -> str:
        """Return the SELECT of the keys of all direct and indirect members of matching groups."""
        workspace = bind(self._workspace)
        # The simple form: without `type`, the path to a member does not matter, so UNION removes
        # duplicates as it walks. With `type`, each row keeps the group where its walk started,
        # because a member may be direct in one matching group and indirect in another.
        if "type" not in _names(inner):
            return f"""WITH RECURSIVE down("key") AS (
                SELECT m.member_key FROM members m WHERE m.workspace = {workspace} AND m.group_key IN ({self._roots(inner, bind)})
                UNION SELECT m.member_key FROM down d JOIN members m ON m.workspace = {workspace} AND m.group_key = d."key"
            ) SELECT "key" FROM down"""
        direct = (
            f"EXISTS (SELECT 1 FROM members x WHERE x.workspace = {workspace}"
            ' AND x.group_key = d.root AND x.member_key = d."key")'
        )
        kind = f"CASE WHEN {direct} THEN 'direct' ELSE 'indirect' END"
        roots = self._roots(_without_type_terms(inner), bind)
        search, condition = self._matching(inner, kind, workspace, bind)
        return f"""WITH RECURSIVE down(root, "key") AS (
            SELECT m.group_key, m.member_key FROM members m WHERE m.workspace = {workspace} AND m.group_key IN ({roots})
            UNION SELECT d.root, m.member_key FROM down d JOIN members m ON m.workspace = {workspace} AND m.group_key = d."key"
        ) SELECT d."key" FROM down d JOIN resources e ON e.workspace = {workspace} AND e."key" = d.root{search}
        WHERE {condition}"""

    def _roots(self, inner: Predicate, bind: Binder) -> str:
        """Return the SELECT of the keys of the groups that match."""
        workspace = bind(self._workspace)
        if isinstance(inner, Test) and inner.field.keys == ("display",) and inner.operator == "eq":
            scope = f"workspace = {workspace} AND type = '{GROUP}' AND attribute = 'displayName'"
            return f'SELECT "key" FROM lookups WHERE {scope} AND value = {bind(inner.operand)}'
        pinned = _pinned(inner)
        only = "" if pinned is None else f' AND e."key" = {bind(key_of(pinned) or 0)}'
        search, condition = self._matching(inner, "NULL", workspace, bind)
        groups = f"resources e{search} WHERE e.workspace = {workspace} AND e.type = '{GROUP}'"
        return f'SELECT e."key" FROM {groups}{only} AND {condition}'

    def _matching(
        self, inner: Predicate, kind: str, workspace: str, bind: Binder
    ) -> tuple[str, str]:
        """Return the JOIN that a condition on the resource `e` needs, and the condition."""
        search = ""
        if "display" in _names(inner):
            search = f' JOIN searchable b ON b.workspace = {workspace} AND b."key" = e."key"'
        return search, self._element(inner, kind, bind)

    def _element(self, term: Predicate, kind: str, bind: Binder) -> str:
        match term:
            case All(terms):
                return (
                    f"({' AND '.join(self._element(item, kind, bind) for item in terms)})"
                    if terms
                    else "TRUE"
                )
            case Some(terms):
                return (
                    f"({' OR '.join(self._alternative(item, kind, bind) for item in terms)})"
                    if terms
                    else "FALSE"
                )
            case Negation(inner):
                return f"(NOT {self._element(inner, kind, bind)})"
            case Has(field):
                return f"coalesce({self._value(field, kind, bind)} <> '', FALSE)"
            case Test(field):
                return self._compare(self._value(field, kind, bind), term, bind)
        raise ValueError(f"{term} does not compare an element")

    def _alternative(self, term: Predicate, kind: str, bind: Binder) -> str:
        """Return a term as an operand of OR, without parentheses around AND, which cost depth."""
        condition = self._element(term, kind, bind)
        return condition[1:-1] if isinstance(term, All) and term.terms else condition

    def _value(self, field: Field, kind: str, bind: Binder) -> str:
        match field.keys[0]:
            case "value":
                return "e.id"
            case "type":
                return kind
            case _:
                return f"coalesce({', '.join(self._called(keys, bind) for keys in _CALLED)})"

    def _called(self, keys: tuple[str, ...], bind: Binder) -> str:
        return f"nullif({self._text('b.body', keys, bind)}, '')"


def _of_element(term: Test | Has | Each) -> Predicate:
    """Return the condition of a term on one element."""
    if isinstance(term, Each):
        return term.term
    if term.field.sub is None:
        return _ANY
    return replace(term, field=replace(term.field, keys=(term.field.sub,), each=False, sub=None))


def _pinned(inner: Predicate) -> str | None:
    """Return the id that an element must have to match; None if others may match."""
    terms = inner.terms if isinstance(inner, All) else (inner,)
    return next((str(term.operand) for term in terms if _is_id(term)), None)


def _is_id(term: Predicate) -> TypeGuard[Test]:
    return isinstance(term, Test) and term.field.keys == ("value",) and term.operator == "eq"


def _without_type_terms(inner: Predicate) -> Predicate:
    """Drop the terms that test `type`, giving a weaker condition.

    Groups do not store the `type` of a membership; these terms are checked on the joined row.
    """
    terms = inner.terms if isinstance(inner, All) else (inner,)
    kept = tuple(term for term in terms if "type" not in _names(term))
    return kept[0] if len(kept) == 1 else All(kept)


def _names(inner: Predicate) -> frozenset[str]:
    """Return the names of the sub-attributes that a condition compares."""
    match inner:
        case All(terms) | Some(terms):
            return frozenset().union(*(_names(term) for term in terms))
        case Negation(term):
            return _names(term)
        case Test(field) | Has(field):
            return frozenset(field.keys)
    return frozenset()


def pinned_member(query: Query) -> str | None:
    """Return the member's id if a query asks only for the groups of one member, from the start."""
    term = query.predicate
    if (
        query.resource_type.computed != "members"
        or query.offset
        or not isinstance(term, Test | Each)
    ):
        return None
    inner = _of_element(term) if term.field.keys == ("members",) else _ANY
    return str(inner.operand) if _is_id(inner) else None
