"""Compiles a query to SQL.

The most selective term of the filter that the look-ups can answer becomes the seek: a SELECT of the
keys that may match. All other terms are checked on the search form of those rows. Without a seek,
every row of the type is checked.

If there is no seek, a search that sorts by an indexed attribute walks the look-ups in their order, so
that a page needs no sort. Resources without the attribute have no look-up; they form a second arm of
the plan, after the first (ascending) or before it (descending).

Every value and path is a bound parameter ($1, $2, …). `Functions` has the SQL that differs between
engines.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from muster.scim.filter.predicate import (
    All,
    Each,
    Field,
    Has,
    Negation,
    Predicate,
    Some,
    Test,
    conditions,
)
from muster.scim.indexing import DOMAIN, FALSE, index_of
from muster.scim.values import Json, fold
from muster.storage.ids import key_of
from muster.storage.port.engine import Statement
from muster.storage.port.resources import Position, Query
from muster.storage.query.binder import Binder
from muster.storage.query.flatten import flat
from muster.storage.query.memberships import MembershipConditions

_SIGNS = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_LAST = "\U0010ffff"
TEXT, NUMBER, BOOLEAN = "text", "number", "boolean"
_KINDS = {"boolean": BOOLEAN, "integer": NUMBER, "decimal": NUMBER}


class Functions(Protocol):
    """The JSON and text functions of an engine.

    Arguments of type str are SQL. `kind` is TEXT, NUMBER or BOOLEAN.
    """

    def path(self, keys: tuple[str | int, ...]) -> Json:
        """Return the parameter value for a path into JSON."""

    def operand(self, value: Json) -> Json:
        """Return the parameter value that a scalar is compared with."""

    def value(self, json: str, path: str, kind: str) -> str:
        """Return the scalar at a path; NULL if the path is absent."""

    def scalar(self, element: str, kind: str) -> str:
        """Return an element as a scalar."""

    def object(self, json: str, path: str) -> str:
        """Return the object at a path as JSON; NULL if the path is absent."""

    def elements(self, json: str, path: str, alias: str) -> tuple[str, str]:
        """Return a FROM term for the elements of an array, and the name of an element."""

    def members(self, json: str, path: str, alias: str) -> tuple[str, str]:
        """Return a FROM term for the values of an object, and the name of a value."""

    def documents(self, keys: str, workspace: str) -> str:
        """Return the SELECT of a page from its keys, in their order.

        Its one row has the number of documents, the documents joined by commas, the ids joined by
        commas, and whether any of them may be in a group.
        """

    def contains(self, text: str, part: str) -> str: ...

    def ends_with(self, text: str, part: str) -> str: ...

    def starts_with(self, text: str, part: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Seek:
    """A set of keys that contains every match of a term.

    Attributes:
        keys: Returns the SELECT of the keys, and binds its parameters.
        exact: Whether the set contains nothing but matches.
        rank: How many keys to expect: ONE, FEW, RANGE or MANY.
        size: The measured number of keys, if it was measured.
    """

    keys: Callable[[Binder], str]
    exact: bool
    rank: int
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """A run of the answer: its rows in order, and their count.

    LIMIT and OFFSET of the page are its last parameters.
    """

    page: Statement
    count: Statement


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """The statements of an answer: the arms in order, and the sum of their counts.

    Attributes:
        seek: The seek that drives the query, if one does.
        total: Reads the running count of the type, if the query matches all of it.
        bounded: Whether only the rows of the page, and those before it, are read.
        checks: How many values of each row's search form are examined.
    """

    arms: tuple[Arm, ...]
    seek: Seek | None
    total: Statement | None
    bounded: bool
    checks: int = 0


ONE, FEW, RANGE, MANY = 0, 1, 2, 3
Measure = Callable[[Seek], Awaitable[int]]


class Compiler:
    """Compiles one query."""

    def __init__(self, query: Query, functions: Functions) -> None:
        self.query = query
        self.functions = functions
        self.index = index_of(query.resource_type)
        self.aliases = 0
        computed = query.resource_type.computed
        self.related = (
            None
            if computed is None
            else MembershipConditions(query.workspace, computed, self._text, self._compare)
        )

    async def plan(self, measure: Measure) -> QueryPlan:
        """Return the plan.

        Args:
            measure: Counts the keys of a seek, up to a bound; called only to choose among several.
        """
        terms = self._terms()
        seek, rest = await self._drive(terms, measure)
        sort = self.query.sort
        checks = sum(map(conditions, rest)) + (sort is not None)
        if sort is None or seek is not None or sort.name not in self.index.fields:
            return QueryPlan(
                (self._arm(seek, rest),),
                seek,
                self._total(terms),
                not terms and sort is None,
                checks,
            )
        return QueryPlan(
            self._walk(sort, rest),
            seek,
            self._total(terms),
            not terms and _never_missing(sort),
            checks,
        )

    def _total(self, terms: "tuple[Term, ...]") -> Statement | None:
        if terms:
            return None
        bind = Binder()
        return bind.statement(f"SELECT (SELECT total FROM counts WHERE {self._scope(bind)})")

    def _terms(self) -> tuple["Predicate | _Domain", ...]:
        predicate, domain = self.query.predicate, self.query.domain
        terms: tuple[Predicate | _Domain, ...] = ()
        if predicate is not None:
            predicate = flat(predicate)
            terms = predicate.terms if isinstance(predicate, All) else (predicate,)
        return terms if domain is None else (*terms, _Domain(fold(domain.strip())))

    async def _drive(
        self, terms: "tuple[Term, ...]", measure: Measure
    ) -> "tuple[Seek | None, list[Term]]":
        """Choose the most selective seek, and return it with the terms still to be checked.

        Candidates of rank MANY are used only if there are no others. If none finds at most one
        row, the candidates are measured, because ranks are guesses.
        """
        candidates = [(seek, term) for term in terms if (seek := self.seek(term)) is not None]
        if not candidates:
            return None, list(terms)
        narrow = [candidate for candidate in candidates if candidate[0].rank < MANY]
        candidates = narrow or candidates
        if len(candidates) > 1 and min(seek.rank for seek, _ in candidates) > ONE:
            measured = [
                (replace(seek, size=await measure(seek)), term) for seek, term in candidates
            ]
            best = min(measured, key=lambda candidate: (candidate[0].size or 0, candidate[0].rank))
        else:
            best = min(candidates, key=lambda candidate: candidate[0].rank)
        chosen, driver = best
        return chosen, [term for term in terms if term is not driver or not chosen.exact]

    def seek(self, term: "Term") -> Seek | None:
        """Return the seek of a term; None if the look-ups cannot answer it."""
        match term:
            case Test(field) | Has(field) | Each(field) if (
                related := self._related_to(field)
            ) is not None:
                keys = related.keys(term)
                rank = FEW if field.keys == ("members",) else MANY
                return None if keys is None else Seek(keys, True, rank)
            case _Domain(value):
                return self._lookup_seek(DOMAIN, lambda bind: f"value = {bind(value)}", FEW)
            case Test(field, "eq", False) if field.name in self.index.denied:
                return self._lookup_seek(field.name, lambda bind: f"value = {bind(FALSE)}", RANGE)
            case Test(field, operator, operand) if isinstance(operand, str):
                return self._test_seek(field.name, operator, operand)
            case Has(field) if field.name in self.index.fields:
                return self._lookup_seek(field.name, lambda _: "value > ''", MANY)
            case Each(_, inner):
                return self._each_seek(inner)
            case All(terms):
                return _inexact([self.seek(item) for item in terms])
            case Some(terms) if terms:
                return _union([self.seek(item) for item in terms])
        return None

    def _related_to(self, field: Field) -> MembershipConditions | None:
        """Return the compiler for a computed attribute; None for attributes of documents."""
        return self.related if field.keys == (self.query.resource_type.computed,) else None

    def _test_seek(self, name: str, operator: str, operand: str) -> Seek | None:
        if name == "id" and operator == "eq":
            return Seek(lambda bind: self._id_keys(bind, operand), True, ONE)
        if name not in self.index.fields:
            return None
        if operator in _SIGNS:
            rank = RANGE if operator != "eq" else ONE if name in self.index.unique else FEW
            return self._lookup_seek(
                name, lambda bind: f"value {_SIGNS[operator]} {bind(operand)}", rank
            )
        if operator == "sw":
            return self._lookup_seek(
                name,
                lambda bind: f"value >= {bind(operand)} AND value < {bind(_after(operand))}",
                RANGE,
            )
        function = self.functions.contains if operator == "co" else self.functions.ends_with
        return self._lookup_seek(name, lambda bind: function("value", bind(operand)), MANY)

    def _id_keys(self, bind: Binder, resource_id: str) -> str:
        return (
            f'SELECT "key" FROM resources WHERE "key" = {bind(key_of(resource_id) or 0)} AND {self._scope(bind)}'
            f" AND id = {bind(resource_id)}"
        )

    def _each_seek(self, inner: Predicate) -> Seek | None:
        """Return the seek of a value path: the best of its comparisons, inexact.

        Look-ups do not record which element a value belongs to, so the path is checked as well.
        """
        seeks = [
            self.seek(term)
            for term in (inner.terms if isinstance(inner, All) else (inner,))
            if isinstance(term, Test)
        ]
        return _inexact(seeks)

    def _lookup_seek(self, name: str, condition: Callable[[Binder], str], rank: int) -> Seek:
        table = self._table(name)
        field = self.index.fields.get(name)
        distinct = "DISTINCT " if rank > FEW and field is not None and field.each else ""

        def keys(bind: Binder) -> str:
            scope = f"{self._scope(bind)} AND attribute = {bind(name)}"
            return f'SELECT {distinct}"key" FROM {table} WHERE {scope} AND {condition(bind)}'

        return Seek(keys, True, rank)

    def _table(self, name: str) -> str:
        return "unique_values" if name in self.index.unique else "lookups"

    def _scope(self, bind: Binder, alias: str = "") -> str:
        """Return the condition that restricts a table to the workspace and the type."""
        workspace, type_name = self.query.workspace, self.query.resource_type.name
        return f"{alias}workspace = {bind(workspace)} AND {alias}type = {bind(type_name)}"

    def _arm(self, seek: Seek | None, rest: "list[Term]") -> Arm:
        """Return the arm with all matches, from the seek or from all rows of the type."""

        def source(bind: Binder, paging: bool) -> str:
            by_body = bool(rest) or self.query.sort is not None
            table = "searchable" if by_body else "resources"
            conditions = []
            if seek is not None and not by_body:
                found = f"FROM ({seek.keys(bind)}) s"
            elif seek is not None:
                found = (
                    f"FROM ({seek.keys(bind)}) k JOIN {table} s ON {self._joined('s', 'k', bind)}"
                )
            else:
                found = f"FROM {table} s"
                conditions.append(self._scope(bind, "s."))
            conditions.extend(self.check(term, bind) for term in rest)
            if paging and self.query.after is not None:
                conditions.append(self._beyond(self.query.after, bind))
            return f"{found} WHERE {' AND '.join(conditions)}" if conditions else found

        return self._arm_of(source, 's."key"', self._body_order)

    def _walk(self, sort: Field, rest: "list[Term]") -> tuple[Arm, ...]:
        """Return the arms in the order of an indexed attribute.

        One reads the look-ups; the other has the rows without the attribute. A page that starts
        after a position needs only the arms that are not behind it.
        """
        after, descending = self.query.after, self.query.descending
        arms = []
        if after is None or after.value is not None or descending:
            arms.append(self._present_arm(sort, rest))
        if not _never_missing(sort) and (after is None or after.value is None or not descending):
            arms.insert(0 if descending else len(arms), self._missing_arm(sort, rest))
        return tuple(arms)

    def _present_arm(self, sort: Field, rest: "list[Term]") -> Arm:
        table = self._table(sort.name)

        def source(bind: Binder, paging: bool) -> str:
            joined = f" JOIN searchable s ON {self._joined('s', 'l', bind)}" if rest else ""
            conditions = [self._scope(bind, "l."), f"l.attribute = {bind(sort.name)}"]
            if table == "lookups":
                conditions.append('l."first"')
            conditions.extend(self.check(term, bind) for term in rest)
            if paging and self.query.after is not None and self.query.after.value is not None:
                conditions.append(self._beyond_entry(self.query.after, bind))
            return f"FROM {table} l{joined} WHERE {' AND '.join(conditions)}"

        direction = " DESC" if self.query.descending else ""
        return self._arm_of(source, 'l."key"', lambda _: f'l.value{direction}, l."key"')

    def _missing_arm(self, sort: Field, rest: "list[Term]") -> Arm:
        def source(bind: Binder, paging: bool) -> str:
            missing = f"{self._value('s.body', _sort_path(sort), bind, TEXT)} IS NULL"
            conditions = [
                self._scope(bind, "s."),
                missing,
                *(self.check(term, bind) for term in rest),
            ]
            if paging and self.query.after is not None and self.query.after.value is None:
                conditions.append(f's."key" > {bind(self.query.after.key)}')
            return f"FROM searchable s WHERE {' AND '.join(conditions)}"

        return self._arm_of(source, 's."key"', lambda _: 's."key"')

    def _joined(self, alias: str, to: str, bind: Binder) -> str:
        return f'{alias}."key" = {to}."key" AND {alias}.workspace = {bind(self.query.workspace)}'

    def _beyond_entry(self, after: Position, bind: Binder) -> str:
        """Return the condition for look-ups after a position, in a form that the index serves."""
        value, key = bind(after.value), bind(after.key)
        if self.query.descending:
            return f'l.value <= {value} AND (l.value < {value} OR l."key" > {key})'
        return f'(l.value, l."key") > ({value}, {key})'

    def _beyond(self, after: Position, bind: Binder) -> str:
        """Return the condition for rows after a position, in the order of `_body_order`."""
        sort = self.query.sort
        later = f's."key" > {bind(after.key)}'
        if sort is None:
            return later
        value = self._value("s.body", _sort_path(sort), bind, _kind(sort))
        if after.value is None:
            return (
                f"(({value} IS NULL AND {later}) OR {value} IS NOT NULL)"
                if self.query.descending
                else f"({value} IS NULL AND {later})"
            )
        operand = bind(self.functions.operand(after.value))
        same = f"({value} = {operand} AND {later})"
        return (
            f"({value} < {operand} OR {same})"
            if self.query.descending
            else f"({value} IS NULL OR {value} > {operand} OR {same})"
        )

    def _arm_of(
        self, source: Callable[[Binder, bool], str], key: str, order: Callable[[Binder], str]
    ) -> Arm:
        """Build an arm. It selects the keys first, so that rows skipped by OFFSET are not read."""
        counting, paging = Binder(), Binder()
        count = counting.statement(f"SELECT count(*) {source(counting, False)}")
        keys = f'(SELECT {key} AS "key" {source(paging, True)} ORDER BY {order(paging)} <page>)'
        return Arm(
            paging.paged(self.functions.documents(keys, paging(self.query.workspace))), count
        )

    def _body_order(self, bind: Binder) -> str:
        """Return the ORDER BY terms (RFC 7644 section 3.4.2.3).

        Missing values come last when ascending and first when descending; ties are ordered by id.
        """
        sort = self.query.sort
        if sort is None:
            return 's."key"'
        value = self._value("s.body", _sort_path(sort), bind, _kind(sort))
        if self.query.descending:
            return f'{value} IS NOT NULL, {value} DESC, s."key"'
        return f'{value} IS NULL, {value}, s."key"'

    def check(self, term: "Term", bind: Binder, json: str = "s.body") -> str:
        """Return a term as a condition on the search form.

        It is true or false, never NULL, so that NOT and OR agree with `evaluate.py`.
        """
        match term:
            case Test(field) | Has(field) | Each(field) if (
                related := self._related_to(field)
            ) is not None:
                return related.condition(term, bind)
            case All(terms):
                return (
                    f"({' AND '.join(self.check(item, bind, json) for item in terms)})"
                    if terms
                    else "TRUE"
                )
            case Some(terms):
                return (
                    f"({' OR '.join(self._alternative(item, bind, json) for item in terms)})"
                    if terms
                    else "FALSE"
                )
            case Negation(inner):
                return f"(NOT {self.check(inner, bind, json)})"
            case Each(field, inner) if not field.each:
                part = self.functions.object(json, bind(self.functions.path(field.keys)))
                return f"({part} IS NOT NULL AND {self.check(inner, bind, part)})"
            case Each(field, inner):
                return self._exists(
                    field.keys, json, bind, lambda element: self.check(inner, bind, element)
                )
            case Has(field):
                return self._present(field, json, bind)
            case Test():
                return self._test(term, json, bind)
            case _Domain(value):
                conditions = f'{self._scope(bind)} AND attribute = {bind(DOMAIN)} AND value = {bind(value)} AND "key" = s."key"'
                return f"EXISTS (SELECT 1 FROM lookups WHERE {conditions})"

    def _alternative(self, term: "Term", bind: Binder, json: str) -> str:
        """Return a term as an operand of OR, without parentheses around AND.

        Parentheses cost depth, which SQLite's parser limits.
        """
        condition = self.check(term, bind, json)
        return condition[1:-1] if isinstance(term, All) and term.terms else condition

    def _test(self, test: Test, json: str, bind: Binder) -> str:
        field = test.field
        if field.each:
            return self._some_value(
                field, json, bind, _kind(field), lambda value: self._compare(value, test, bind)
            )
        return self._compare(self._value(json, field.keys, bind, _kind(field)), test, bind)

    def _compare(self, value: str, test: Test, bind: Binder) -> str:
        operand = bind(self.functions.operand(test.operand))
        functions = self.functions
        match test.operator:
            case "co":
                condition = functions.contains(value, operand)
            case "sw":
                condition = functions.starts_with(value, operand)
            case "ew":
                condition = functions.ends_with(value, operand)
            case operator:
                condition = f"{value} {_SIGNS[operator]} {operand}"
        return f"coalesce({condition}, FALSE)"

    def _value(self, json: str, keys: tuple[str | int, ...], bind: Binder, kind: str) -> str:
        return self.functions.value(json, bind(self.functions.path(keys)), kind)

    def _text(self, json: str, keys: tuple[str, ...], bind: Binder) -> str:
        return self._value(json, keys, bind, TEXT)

    def _some_value(
        self, field: Field, json: str, bind: Binder, kind: str, condition: Callable[[str], str]
    ) -> str:
        """Return the condition that some value of the elements at a field matches.

        A sub-attribute may itself have several values.
        """

        def within(element: str) -> str:
            if field.sub is None or not field.attribute.multi_valued:
                return condition(self._inside(field, element, bind, kind))
            return self._exists(
                (field.sub,),
                element,
                bind,
                lambda value: condition(self.functions.scalar(value, kind)),
            )

        return self._exists(field.keys, json, bind, within)

    def _inside(self, field: Field, element: str, bind: Binder, kind: str) -> str:
        if field.sub is None:
            return self.functions.scalar(element, kind)
        return self._value(element, (field.sub,), bind, kind)

    def _exists(
        self, keys: tuple[str, ...], json: str, bind: Binder, condition: Callable[[str], str]
    ) -> str:
        self.aliases += 1
        source, element = self.functions.elements(
            json, bind(self.functions.path(keys)), f"e{self.aliases}"
        )
        return f"EXISTS (SELECT 1 FROM {source} WHERE {condition(element)})"

    def _some_member(self, keys: tuple[str, ...], json: str, bind: Binder) -> str:
        """Return the condition that the complex value at `keys` has any value."""
        self.aliases += 1
        source, member = self.functions.members(
            json, bind(self.functions.path(keys)), f"e{self.aliases}"
        )
        return (
            f"EXISTS (SELECT 1 FROM {source} WHERE {_filled(self.functions.scalar(member, TEXT))})"
        )

    def _present(self, field: Field, json: str, bind: Binder) -> str:
        if field.each and field.sub is None and field.attribute.is_complex:
            return self._exists(
                field.keys, json, bind, lambda element: self._some_member((), element, bind)
            )
        if field.each:
            return self._some_value(field, json, bind, TEXT, _filled)
        if field.attribute.is_complex:
            return self._some_member(field.keys, json, bind)
        return _filled(self._value(json, field.keys, bind, TEXT))


@dataclass(frozen=True, slots=True)
class _Domain:
    """Matches resources with a mail address at exactly this domain."""

    value: str


Term = Predicate | _Domain


def _kind(field: Field) -> str:
    return _KINDS.get(field.attribute.type, TEXT)


def _filled(value: str) -> str:
    return f"coalesce({value} <> '', FALSE)"


def _never_missing(field: Field) -> bool:
    return (field.attribute.required and not field.each) or field.name == "meta.lastModified"


def _sort_path(field: Field) -> tuple[str | int, ...]:
    """Return the path of the value to sort by; the search form has the primary element first."""
    if not field.each:
        return field.keys
    return (*field.keys, 0) if field.sub is None else (*field.keys, 0, field.sub)


def _inexact(seeks: list[Seek | None]) -> Seek | None:
    """Return the most selective seek of a conjunction; it may contain more than the matches."""
    best = min(
        (seek for seek in seeks if seek is not None), key=lambda seek: seek.rank, default=None
    )
    return None if best is None else Seek(best.keys, False, best.rank)


def _union(seeks: list[Seek | None]) -> Seek | None:
    """Return the union of the seeks of a disjunction; None if a term has no seek."""
    found = [seek for seek in seeks if seek is not None]
    if len(found) < len(seeks):
        return None
    rank = max(FEW, *(seek.rank for seek in found))
    return Seek(
        lambda bind: " UNION ".join(seek.keys(bind) for seek in found),
        all(seek.exact for seek in found),
        rank,
    )


def _after(prefix: str) -> str:
    """Return the least string that is greater than all strings with a prefix."""
    for position in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[position])  # surrogates (U+D800 to U+DFFF) are skipped: no text has them
        if code < 0x10FFFF:
            return prefix[:position] + chr(0xE000 if code == 0xD7FF else code + 1)
    return _LAST * 64
