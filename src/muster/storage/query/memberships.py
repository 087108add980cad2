"""Compiles conditions on `members` of groups and `groups` of users.

No document contains these attributes; they are computed from the table `members`. The conditions
differ in their reach:

- `members` lists direct members, so a condition is one step: rows of `members` joined to the
  member, either seeked by the member's id or checked for each group.
- `groups` includes the groups that contain a user's groups. A condition is compiled from the top
  downwards: the groups that match (usually one, found by name or id) are the roots of a recursive
  query, which collects everything below them.

The obvious way for `groups`, a condition on each user that walks upwards, reads all users and the
ancestors of each: with 100,000 users it took 4 s on PostgreSQL. Walking downwards visits only
members of matching groups and takes 20 ms.

The sub-attribute `type` of `groups` (direct or indirect) belongs to the pair of user and group, not
to the group. Roots are therefore found by a weaker condition without it, and the recursion carries
the root along, so that the full condition can be checked on each pair. UNION, not UNION ALL, ends
the recursion if groups contain each other.
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
_DISPLAY_PATHS = (("displayName",), ("name", "formatted"), ("userName",))
"""The paths of a resource's display name in the search form.

They are tried in the order of `display_of` in `directory/versions.py`.
"""


class MembershipConditions:
    """Compiles conditions on one computed attribute.

    Args:
        computed: `members` or `groups`.
        text: Compiles the text at a path of the search form.
        compare: Compiles the comparison of a value.
    """

    def __init__(self, workspace: int, computed: str, text: Text, compare: Compare) -> None:
        self._workspace = workspace
        self._direct_only = computed == "members"
        self._text = text
        self._compare = compare

    def condition(self, term: Test | Has | Each, bind: Binder) -> str:
        """Return a term as a condition on the row `s`."""
        inner = _of_element(term)
        if not self._direct_only:
            return f's."key" IN ({self._descendants(inner, bind)})'
        return f'EXISTS (SELECT 1 {self._members(inner, bind)} AND m.group_key = s."key")'

    def keys(self, term: Test | Has | Each) -> Callable[[Binder], str] | None:
        """Return the SELECT of the matching keys, or None if it would read every row.

        The keys are exact.
        """
        inner = _of_element(term)
        if not self._direct_only:
            return lambda bind: self._descendant_users(inner, bind)
        if _required_id(inner) is None:
            return None
        return lambda bind: f'SELECT m.group_key AS "key" {self._members(inner, bind)}'

    def _members(self, inner: Predicate, bind: Binder) -> str:
        """Return FROM and WHERE of the memberships `m` whose member matches."""
        workspace = bind(self._workspace)
        joined = (
            f'members m JOIN resources e ON e.workspace = {workspace} AND e."key" = m.member_key'
        )
        kind = "CASE e.type WHEN 'Group' THEN 'group' ELSE 'user' END"
        required = _required_id(inner)
        only = "" if required is None else f" AND m.member_key = {bind(key_of(required) or 0)}"
        search, condition = self._matching(inner, kind, workspace, bind)
        return f"FROM {joined}{search} WHERE m.workspace = {workspace}{only} AND {condition}"

    def _descendant_users(self, inner: Predicate, bind: Binder) -> str:
        descendants = self._descendants(inner, bind)
        workspace = bind(self._workspace)
        users = f"resources r WHERE r.workspace = {workspace} AND r.type = 'User'"
        return f'SELECT r."key" FROM {users} AND r."key" IN ({descendants})'

    def _descendants(self, inner: Predicate, bind: Binder) -> str:
        """Return the SELECT of everyone in a matching group, directly or indirectly."""
        workspace = bind(self._workspace)
        if "type" not in _sub_attributes(inner):
            roots = self._matching_groups(inner, bind)
            return f"""WITH RECURSIVE down("key") AS (
                SELECT m.member_key FROM members m
                    WHERE m.workspace = {workspace} AND m.group_key IN ({roots})
                UNION SELECT m.member_key FROM down d
                    JOIN members m ON m.workspace = {workspace} AND m.group_key = d."key"
            ) SELECT "key" FROM down"""
        # A member may be direct in one matching group and indirect in another, so each row keeps
        # the group in which its walk started.
        direct = (
            f"EXISTS (SELECT 1 FROM members x WHERE x.workspace = {workspace}"
            ' AND x.group_key = d.root AND x.member_key = d."key")'
        )
        kind = f"CASE WHEN {direct} THEN 'direct' ELSE 'indirect' END"
        roots = self._matching_groups(_without_type_terms(inner), bind)
        search, condition = self._matching(inner, kind, workspace, bind)
        return f"""WITH RECURSIVE down(root, "key") AS (
            SELECT m.group_key, m.member_key FROM members m
                WHERE m.workspace = {workspace} AND m.group_key IN ({roots})
            UNION SELECT d.root, m.member_key FROM down d
                JOIN members m ON m.workspace = {workspace} AND m.group_key = d."key"
        ) SELECT d."key" FROM down d
            JOIN resources e ON e.workspace = {workspace} AND e."key" = d.root{search}
        WHERE {condition}"""

    def _matching_groups(self, inner: Predicate, bind: Binder) -> str:
        """Return the SELECT of the groups that match."""
        workspace = bind(self._workspace)
        # A group's display is its displayName, which is indexed. All other conditions read the
        # groups of the workspace, which are few compared with its users.
        if isinstance(inner, Test) and inner.field.keys == ("display",) and inner.operator == "eq":
            scope = f"workspace = {workspace} AND type = '{GROUP}' AND attribute = 'displayName'"
            return f'SELECT "key" FROM lookups WHERE {scope} AND value = {bind(inner.operand)}'
        required = _required_id(inner)
        only = "" if required is None else f' AND e."key" = {bind(key_of(required) or 0)}'
        search, condition = self._matching(inner, "NULL", workspace, bind)
        groups = f"resources e{search} WHERE e.workspace = {workspace} AND e.type = '{GROUP}'"
        return f'SELECT e."key" FROM {groups}{only} AND {condition}'

    def _matching(
        self, inner: Predicate, kind: str, workspace: str, bind: Binder
    ) -> tuple[str, str]:
        """Return the join that the condition on the resource `e` needs, and the condition."""
        search = ""
        if "display" in _sub_attributes(inner):
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
        """Return a term as an operand of OR, without parentheses around AND."""
        condition = self._element(term, kind, bind)
        return condition[1:-1] if isinstance(term, All) and term.terms else condition

    def _value(self, field: Field, kind: str, bind: Binder) -> str:
        match field.keys[0]:
            case "value":
                return "e.id"
            case "type":
                return kind
            case _:
                displays = (self._display_at(keys, bind) for keys in _DISPLAY_PATHS)
                return f"coalesce({', '.join(displays)})"

    def _display_at(self, keys: tuple[str, ...], bind: Binder) -> str:
        return f"nullif({self._text('b.body', keys, bind)}, '')"


def _of_element(term: Test | Has | Each) -> Predicate:
    """Return the condition that a term places on some element."""
    if isinstance(term, Each):
        return term.term
    if term.field.sub is None:
        return _ANY
    return replace(term, field=replace(term.field, keys=(term.field.sub,), each=False, sub=None))


def _required_id(inner: Predicate) -> str | None:
    """Return the id that every matching element must have, or None."""
    terms = inner.terms if isinstance(inner, All) else (inner,)
    return next((str(term.operand) for term in terms if _is_id(term)), None)


def _is_id(term: Predicate) -> TypeGuard[Test]:
    return isinstance(term, Test) and term.field.keys == ("value",) and term.operator == "eq"


def _without_type_terms(inner: Predicate) -> Predicate:
    """Drop the terms that test `type`, giving a weaker condition.

    A group by itself has no `type`; these terms are checked later, on the pair of user and group.
    """
    terms = inner.terms if isinstance(inner, All) else (inner,)
    kept = tuple(term for term in terms if "type" not in _sub_attributes(term))
    return kept[0] if len(kept) == 1 else All(kept)


def _sub_attributes(inner: Predicate) -> frozenset[str]:
    """Return the sub-attributes that a condition compares."""
    match inner:
        case All(terms) | Some(terms):
            return frozenset().union(*(_sub_attributes(term) for term in terms))
        case Negation(term):
            return _sub_attributes(term)
        case Test(field) | Has(field):
            return frozenset(field.keys)
    return frozenset()


def required_member(query: Query) -> str | None:
    """Return the member id of a query for the groups of one member, or None.

    Clients send `members eq "ID"` or `members[value eq "ID"]` for each user they synchronise, so
    the engines answer its first page with one prepared statement.
    """
    term = query.predicate
    if (
        query.resource_type.computed != "members"
        or query.offset
        or not isinstance(term, Test | Each)
    ):
        return None
    inner = _of_element(term) if term.field.keys == ("members",) else _ANY
    return str(inner.operand) if _is_id(inner) else None
