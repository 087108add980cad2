"""Compiles a query to SQL.

The result of a query is a page of rows in order, and a count. They are compiled in three steps:

1. **Terms.** The filter is flattened (`flatten.py`) and split at its top-level AND. The parameter
   `domain` is one more term.
2. **Seek.** Some terms can be answered by an index: a condition on an indexed attribute by
   `lookups` or `unique_values`, an id by the primary key, a membership by `members`. Such a term
   gives a *seek*, the SELECT of a set of keys that contains every match. The most selective seek
   drives the query; if none exists, all rows of the type do.
3. **Checks.** All other terms become conditions on the search form of the driven rows. A seek is
   *exact* if it contains nothing but matches of its term; then this term is not checked again.

The choice among seeks is by rank first (at most one row, few, a range, many). Only if several seeks
compete and none finds at most one row, their sizes are measured, up to a bound: a rank cannot tell
that a status is common in one workspace and rare in another.

Sorting has two forms. If a seek drives, its rows are sorted by the value in the search form. If
none does and the attribute is indexed, the look-ups are read in their own order, which is the order
of the result; that is a *walk*. Resources without the attribute have no look-up, so a walk is up to
two statements (*arms*): the rows with a value, and the rows without, which come last when ascending
(RFC 7644 section 3.4.2.3).

Why not one statement with LEFT JOIN and ORDER BY: both engines would sort all rows for each page.
An arm reads the index up to the end of the page and stops.

*Outlines* (`outlines.py`) answer some questions for which there is no index. The engine plans once
without them; if the plan would read many rows and they can help (`wanted`), it asks them and plans
again with their *hints*. The candidates of a text become a seek, and so do the resources created
since a time if they are few.

Every value and every path into a document is bound as a numbered parameter. The engines differ only
in the names of functions, which `Functions` supplies. The SQL never yields NULL for a condition, so
it can be negated, and a property test compares it with `scim/filter/evaluate.py`.
"""

from collections.abc import Awaitable, Callable, Iterable
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
from muster.storage.query.outlines import (
    Hints,
    OutlineQuestion,
    covered,
    is_created_since,
    texts_of,
)

_SQL_OPERATORS = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_LAST_CHARACTER = "\U0010ffff"
TEXT, NUMBER, BOOLEAN = "text", "number", "boolean"
"""The SQL types of values in the search form."""
_KINDS = {"boolean": BOOLEAN, "integer": NUMBER, "decimal": NUMBER}


class Functions(Protocol):
    """The JSON and text functions of an engine.

    Every str argument is SQL; `kind` is TEXT, NUMBER or BOOLEAN.
    """

    def path(self, keys: tuple[str | int, ...]) -> Json:
        """Return the parameter for a path into JSON."""

    def operand(self, value: Json) -> Json:
        """Return the parameter for a scalar that is compared."""

    def value(self, json: str, path: str, kind: str) -> str:
        """Return SQL for the scalar at a path; it is NULL if the path is absent."""

    def scalar(self, element: str, kind: str) -> str:
        """Return SQL for an array element as a scalar."""

    def object(self, json: str, path: str) -> str:
        """Return SQL for the object at a path as JSON; it is NULL if the path is absent."""

    def elements(self, json: str, path: str, alias: str) -> tuple[str, str]:
        """Return a FROM term over the elements of an array, and SQL for one element."""

    def members(self, json: str, path: str, alias: str) -> tuple[str, str]:
        """Return a FROM term over the values of an object, and SQL for one value."""

    def keys(self, keys: Iterable[int]) -> Json:
        """Return the parameter for keys."""

    def each_key(self, keys: str) -> str:
        """Return the SELECT of keys from their parameter."""

    def documents(self, keys: str, workspace: str) -> str:
        """Return the SELECT that reads the documents of some keys, in their order.

        Its one row has the count, the documents and the ids (each separated by commas), and whether
        any of the resources may be in a group.
        """

    def contains(self, text: str, part: str) -> str:
        """Return the condition that a text contains another."""

    def ends_with(self, text: str, part: str) -> str:
        """Return the condition that a text ends with another."""

    def starts_with(self, text: str, part: str) -> str:
        """Return the condition that a text starts with another."""


@dataclass(frozen=True, slots=True)
class Seek:
    """A set of keys that contains every match of a term.

    Attributes:
        keys: Returns the SELECT of the keys, and binds its parameters.
        exact: The set contains nothing but matches.
        rank: ONE, FEW, RANGE or MANY: the expected number of keys.
        size: The measured number of keys, up to a bound; None if it was not measured.
    """

    keys: Callable[[Binder], str]
    exact: bool
    rank: int
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """A part of the result, in order.

    Attributes:
        page: Reads rows of this part; LIMIT and OFFSET follow as parameters.
        count: Counts all rows of this part.
    """

    page: Statement
    count: Statement


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """The statements that answer a query.

    Attributes:
        arms: Their rows in sequence are the result, and their counts add up to the total.
        seek: The seek that drives the query, or None.
        total: The running count of the type, if it is the total.
        bounded: Only the rows of the page and of the pages before it are read.
        checks: The number of values examined in the document of each driven row.
        matches: The number of all matches, up to one more than QUICK_ROWS; None if unknown.
    """

    arms: tuple[Arm, ...]
    seek: Seek | None
    total: Statement | None
    bounded: bool
    checks: int = 0
    matches: int | None = None


ONE, FEW, RANGE, MANY = 0, 1, 2, 3
"""The ranks of seeks: at most one key, few, a range of values, or possibly most of the type."""
Measure = Callable[[Seek], Awaitable[int]]
"""Counts the keys of a seek, up to a bound."""
QUICK_ROWS = 1000
"""The most rows that are read without waiting for a turn."""
_SORTED = 20_000
"""The most rows of a seek from outlines that are sorted by their search forms."""


class Compiler:
    """Compiles one query.

    Attributes:
        hints: What outlines tell about the query; None if they were not asked.
    """

    def __init__(self, query: Query, functions: Functions) -> None:
        self.query = query
        self.functions = functions
        self.index = index_of(query.resource_type)
        self.aliases = 0
        self.hints: Hints | None = None
        self.terms = self._terms()
        computed = query.resource_type.computed
        self.memberships = (
            None
            if computed is None
            else MembershipConditions(query.workspace, computed, self._text, self._compare)
        )

    async def plan(self, measure: Measure) -> QueryPlan:
        """Compile the query.

        Args:
            measure: Called only if several seeks compete.
        """
        terms = self.terms
        seek, rest = await self._choose_seek(terms, measure)
        sort = self.query.sort
        checks = sum(map(conditions, rest)) + (sort is not None)
        # A seek's rows are few enough to be sorted. Without one, an indexed attribute is walked.
        if sort is None or seek is not None or not self._can_walk():
            matches = None
            if seek is not None and self._counts_matches(seek, rest):
                seek = await _measured(seek, measure)
                matches = seek.size
            return QueryPlan(
                (self._arm(seek, rest),),
                seek,
                self._total(terms),
                not terms and sort is None,
                checks,
                matches,
            )
        bounded = not terms and (_never_missing(sort) or self._lacking() is not None)
        return QueryPlan(self._walk(sort, rest), seek, self._total(terms), bounded, checks)

    def wanted(self, plan: QueryPlan) -> OutlineQuestion:
        """Return what outlines may tell about the query that its plan does not know."""
        seek, sort = plan.seek, self.query.sort
        if seek is not None and (
            seek.rank == ONE or (seek.size is not None and seek.size <= QUICK_ROWS)
        ):
            return OutlineQuestion()
        covers = covered(self.query.resource_type)
        texts = ((texts_of(term, covers), term) for term in self.terms)
        found, looking = next(((found, term) for found, term in texts if found), ((), None))
        created = [term for term in self.terms if isinstance(term, Test) and is_created_since(term)]
        lacking = ""
        if seek is None and sort is not None and self._can_walk() and self.query.descending:
            lacking = "" if _never_missing(sort) or sort.name not in covers.sorts else sort.name
        term = None if isinstance(looking, _Domain) else looking
        return OutlineQuestion(term, found, created[0] if created else None, lacking)

    def _counts_matches(self, seek: Seek, rest: "list[Term]") -> bool:
        """Tell whether the size of a seek is the number of matches, and is all that is asked for.

        A bounded count needs no snapshot of its own.
        """
        return seek.exact and seek.rank == RANGE and not rest and self.query.counted is not None

    def _can_walk(self) -> bool:
        return self.query.sort is not None and self.query.sort.name in self.index.fields

    def _lacking(self) -> frozenset[int] | None:
        """Return the keys of all resources that may lack the value to sort by, if known."""
        return None if self.hints is None else self.hints.lacking

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

    async def _choose_seek(
        self, terms: "tuple[Term, ...]", measure: Measure
    ) -> "tuple[Seek | None, list[Term]]":
        """Choose the seek that drives the query.

        Returns:
            The seek or None, and the terms to check on each of its rows.
        """
        candidates = [
            (seek, term)
            for term in terms
            if (seek := self._hinted(term) or self._unhinted(term)) is not None
        ]
        if not candidates:
            return None, list(terms)
        # A seek of rank MANY may read most of the type, so it never competes with a narrower one.
        # Among the others, a seek that finds at most one row wins without being measured.
        narrow = [candidate for candidate in candidates if candidate[0].rank < MANY]
        candidates = narrow or candidates
        if len(candidates) > 1 and min(seek.rank for seek, _ in candidates) > ONE:
            measured = [(await _measured(seek, measure), term) for seek, term in candidates]
            best = min(measured, key=lambda candidate: (candidate[0].size or 0, candidate[0].rank))
        else:
            best = min(candidates, key=lambda candidate: candidate[0].rank)
        chosen, driver = best
        return chosen, [term for term in terms if term is not driver or not chosen.exact]

    def _hinted(self, term: "Term") -> Seek | None:
        """Return the seek of a term that outlines have answered, or None."""
        hints = self.hints
        if hints is None:
            return None
        if term is hints.wanted.term and (keys := hints.candidates) is not None:
            return Seek(
                lambda bind: self._listed(bind, keys), exact=False, rank=RANGE, size=len(keys)
            )
        # Without a sort, all rows from that key on are read in order (`_arm`).
        if term is hints.wanted.created and hints.since is not None and hints.since_size <= _SORTED:
            return Seek(self._recent_keys, exact=False, rank=RANGE, size=hints.since_size)
        return None

    def _unhinted(self, term: "Term") -> Seek | None:
        """Return the seek of a term from an index.

        A text that very many resources contain has none if the sort is walked: the page and the
        bounded count are complete after a part of them.
        """
        hints = self.hints
        if hints is not None and term is hints.wanted.term and hints.common and self._can_walk():
            return None if self.query.counted is not None else self.seek(term)
        return self.seek(term)

    def _listed(self, bind: Binder, keys: Iterable[int]) -> str:
        return self.functions.each_key(bind(self.functions.keys(keys)))

    def _recent_keys(self, bind: Binder) -> str:
        since = 0 if self.hints is None else self.hints.since
        return f'SELECT "key" FROM searchable WHERE {self._scope(bind)} AND "key" >= {bind(since)}'

    def seek(self, term: "Term") -> Seek | None:
        """Return the seek of a term, or None if no index can answer it."""
        match term:
            case Test(field) | Has(field) | Each(field) if (
                memberships := self._memberships_of(field)
            ) is not None:
                keys = memberships.keys(term)
                rank = FEW if field.keys == ("members",) else MANY
                return None if keys is None else Seek(keys, exact=True, rank=rank)
            case _Domain(value):
                return self._lookup_seek(DOMAIN, lambda bind: f"value = {bind(value)}", FEW)
            # Only the false values of such an attribute (`active`) are indexed: they are rare.
            case Test(field, "eq", False) if field.name in self.index.denied:
                return self._lookup_seek(field.name, lambda bind: f"value = {bind(FALSE)}", RANGE)
            case Test(field, operator, operand) if isinstance(operand, str):
                return self._test_seek(field.name, operator, operand)
            case Has(field) if field.name in self.index.fields:
                return self._lookup_seek(field.name, lambda _: "value > ''", MANY)
            case Each(_, inner):
                return self._each_seek(inner)
            case All(terms):
                return _most_selective([self.seek(item) for item in terms])
            # Negations have no seek: their matches are most of the type.
            case Some(terms) if terms:
                return _union([self.seek(item) for item in terms])
        return None

    def _memberships_of(self, field: Field) -> MembershipConditions | None:
        """Return the compiler for an attribute that documents do not contain."""
        return self.memberships if field.keys == (self.query.resource_type.computed,) else None

    def _test_seek(self, name: str, operator: str, operand: str) -> Seek | None:
        if name == "id" and operator == "eq":
            return Seek(lambda bind: self._id_keys(bind, operand), exact=True, rank=ONE)
        if name not in self.index.fields:
            return None
        if operator in _SQL_OPERATORS:
            rank = RANGE if operator != "eq" else ONE if name in self.index.unique else FEW
            return self._lookup_seek(
                name, lambda bind: f"value {_SQL_OPERATORS[operator]} {bind(operand)}", rank
            )
        if operator == "sw":
            return self._lookup_seek(
                name,
                lambda bind: f"value >= {bind(operand)} AND value < {bind(_prefix_end(operand))}",
                RANGE,
            )
        function = self.functions.contains if operator == "co" else self.functions.ends_with
        return self._lookup_seek(name, lambda bind: function("value", bind(operand)), MANY)

    def _id_keys(self, bind: Binder, resource_id: str) -> str:
        return (
            f'SELECT "key" FROM resources WHERE "key" = {bind(key_of(resource_id) or 0)}'
            f" AND {self._scope(bind)}"
            f" AND id = {bind(resource_id)}"
        )

    def _each_seek(self, inner: Predicate) -> Seek | None:
        """Return the seek of a value path, from a test of an indexed sub-attribute.

        The seek is not exact: the comparison may hold for one element and the rest of the value
        path for another.
        """
        seeks = [
            self.seek(term)
            for term in (inner.terms if isinstance(inner, All) else (inner,))
            if isinstance(term, Test)
        ]
        return _most_selective(seeks)

    def _lookup_seek(self, name: str, condition: Callable[[Binder], str], rank: int) -> Seek:
        table = self._table(name)
        field = self.index.fields.get(name)
        # A resource with several values may have several entries in a range. Equal entries cannot
        # repeat, because the primary key of the table contains the value and the key.
        distinct = "DISTINCT " if rank > FEW and field is not None and field.each else ""

        def keys(bind: Binder) -> str:
            scope = f"{self._scope(bind)} AND attribute = {bind(name)}"
            return f'SELECT {distinct}"key" FROM {table} WHERE {scope} AND {condition(bind)}'

        return Seek(keys, exact=True, rank=rank)

    def _table(self, name: str) -> str:
        return "unique_values" if name in self.index.unique else "lookups"

    def _scope(self, bind: Binder, alias: str = "") -> str:
        """Return the condition that restricts a table to the workspace and the type."""
        workspace, type_name = self.query.workspace, self.query.resource_type.name
        return f"{alias}workspace = {bind(workspace)} AND {alias}type = {bind(type_name)}"

    def _arm(self, seek: Seek | None, rest: "list[Term]") -> Arm:
        """Return the arm of all matches, driven by the seek or by all rows of the type."""

        def source(bind: Binder, paging: bool) -> str:
            # Without checks and sorting the keys suffice, so the search forms are not joined.
            by_body = bool(rest) or (paging and self.query.sort is not None)
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
                if self.hints is not None and self.hints.since is not None:
                    conditions.append(f's."key" >= {bind(self.hints.since)}')
            conditions.extend(self.check(term, bind) for term in rest)
            if paging and self.query.after is not None:
                conditions.append(self._after_position(self.query.after, bind))
            return f"{found} WHERE {' AND '.join(conditions)}" if conditions else found

        return self._arm_of(source, 's."key"', self._body_order)

    def _walk(self, sort: Field, rest: "list[Term]") -> tuple[Arm, ...]:
        """Return the arms that read an indexed attribute in its own order.

        An arm that lies completely before the position to continue from is left out.
        """
        # Ascending: values, then missing. Descending: missing, then values. `after.value` tells in
        # which arm the position lies: None means among the missing ones.
        after, descending = self.query.after, self.query.descending
        arms = []
        if after is None or after.value is not None or descending:
            arms.append(self._present_arm(sort, rest))
        none_lack = _never_missing(sort) or (descending and self._lacking() == frozenset())
        if not none_lack and (after is None or after.value is None or not descending):
            arms.insert(0 if descending else len(arms), self._missing_arm(sort, rest))
        return tuple(arms)

    def _present_arm(self, sort: Field, rest: "list[Term]") -> Arm:
        table = self._table(sort.name)

        def source(bind: Binder, paging: bool) -> str:
            joined = f" JOIN searchable s ON {self._joined('s', 'l', bind)}" if rest else ""
            conditions = [self._scope(bind, "l."), f"l.attribute = {bind(sort.name)}"]
            if table == "lookups":
                # A multi-valued attribute sorts by its primary or first element only.
                conditions.append('l."first"')
            conditions.extend(self.check(term, bind) for term in rest)
            if paging and self.query.after is not None and self.query.after.value is not None:
                conditions.append(self._after_entry(self.query.after, bind))
            return f"FROM {table} l{joined} WHERE {' AND '.join(conditions)}"

        direction = " DESC" if self.query.descending else ""
        return self._arm_of(source, 'l."key"', lambda _: f'l.value{direction}, l."key"')

    def _missing_arm(self, sort: Field, rest: "list[Term]") -> Arm:
        def source(bind: Binder, paging: bool) -> str:
            lacking = self._lacking()
            if lacking is not None:
                some = f"({self._listed(bind, lacking)}) lacking JOIN searchable s"
                some += ' ON s."key" = lacking."key"'
            else:
                # Usually no resource lacks the value. Two numbers tell that without reading them.
                entries = (
                    f"SELECT count(*) FROM lookups WHERE {self._scope(bind)}"
                    f' AND attribute = {bind(sort.name)} AND "first"'
                )
                resources = f"SELECT total FROM counts WHERE {self._scope(bind)}"
                some = f"(SELECT 1 AS some WHERE ({entries}) < ({resources})) lacking"
                some += " CROSS JOIN searchable s"
            missing = f"{self._value('s.body', _sort_path(sort), bind, TEXT)} IS NULL"
            conditions = [
                self._scope(bind, "s."),
                missing,
                *(self.check(term, bind) for term in rest),
            ]
            if paging and self.query.after is not None and self.query.after.value is None:
                conditions.append(f's."key" > {bind(self.query.after.key)}')
            return f"FROM {some} WHERE {' AND '.join(conditions)}"

        return self._arm_of(source, 's."key"', lambda _: 's."key"')

    def _joined(self, alias: str, to: str, bind: Binder) -> str:
        return f'{alias}."key" = {to}."key" AND {alias}.workspace = {bind(self.query.workspace)}'

    def _after_entry(self, after: Position, bind: Binder) -> str:
        """Return the condition for look-ups after a position.

        The ascending order is a row comparison, which both engines serve from an index range.
        Descending, values decrease while keys increase, so it takes two conditions: the first
        bounds the index range, the second drops the keys already read.
        """
        value, key = bind(after.value), bind(after.key)
        if self.query.descending:
            return f'l.value <= {value} AND (l.value < {value} OR l."key" > {key})'
        return f'(l.value, l."key") > ({value}, {key})'

    def _after_position(self, after: Position, bind: Binder) -> str:
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

    def _arm_of(self, source: "_Source", key: str, order: Callable[[Binder], str]) -> Arm:
        """Return the arm of a source of keys.

        The keys are chosen in a subquery and the documents joined to them, so that rows skipped by
        OFFSET are not read.
        """
        counting, paging = Binder(), Binder()
        matches = source(counting, paging=False)
        if self.query.counted is not None:
            matches = f"FROM (SELECT 1 {matches} LIMIT {counting(self.query.counted)}) n"
        count = counting.statement(f"SELECT count(*) {matches}")
        keys = (
            f'(SELECT {key} AS "key" {source(paging, paging=True)} ORDER BY {order(paging)} <page>)'
        )
        return Arm(
            paging.paged(self.functions.documents(keys, paging(self.query.workspace))), count
        )

    def _body_order(self, bind: Binder) -> str:
        """Return the ORDER BY terms for sorting by the search form.

        Missing values come last when ascending and first when descending; ties are ordered by id
        (RFC 7644 section 3.4.2.3).
        """
        sort = self.query.sort
        if sort is None:
            return 's."key"'
        value = self._value("s.body", _sort_path(sort), bind, _kind(sort))
        if self.query.descending:
            return f'{value} IS NOT NULL, {value} DESC, s."key"'
        return f'{value} IS NULL, {value}, s."key"'

    def check(self, term: "Term", bind: Binder, json: str = "s.body") -> str:
        """Return a term as a condition on the search form: true or false, never NULL."""
        match term:
            case Test(field) | Has(field) | Each(field) if (
                memberships := self._memberships_of(field)
            ) is not None:
                return memberships.condition(term, bind)
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
                conditions = (
                    f"{self._scope(bind)} AND attribute = {bind(DOMAIN)}"
                    f' AND value = {bind(value)} AND "key" = s."key"'
                )
                return f"EXISTS (SELECT 1 FROM lookups WHERE {conditions})"

    def _alternative(self, term: "Term", bind: Binder, json: str) -> str:
        """Return a term as an operand of OR.

        AND binds more tightly, so its parentheses are dropped: each pair costs depth in SQLite's
        parser (`flatten.py`).
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
                condition = f"{value} {_SQL_OPERATORS[operator]} {operand}"
        # An absent value gives NULL, which NOT would keep; FALSE becomes true, as the RFC demands.
        return f"coalesce({condition}, FALSE)"

    def _value(self, json: str, keys: tuple[str | int, ...], bind: Binder, kind: str) -> str:
        return self.functions.value(json, bind(self.functions.path(keys)), kind)

    def _text(self, json: str, keys: tuple[str, ...], bind: Binder) -> str:
        return self._value(json, keys, bind, TEXT)

    def _some_value(
        self, field: Field, json: str, bind: Binder, kind: str, condition: Callable[[str], str]
    ) -> str:
        """Return the condition that some value of a multi-valued field meets a condition.

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
        """Return the condition that a complex value has some non-empty sub-attribute."""
        self.aliases += 1
        source, member = self.functions.members(
            json, bind(self.functions.path(keys)), f"e{self.aliases}"
        )
        return (
            f"EXISTS (SELECT 1 FROM {source}"
            f" WHERE {_non_empty(self.functions.scalar(member, TEXT))})"
        )

    def _present(self, field: Field, json: str, bind: Binder) -> str:
        if field.each and field.sub is None and field.attribute.is_complex:
            return self._exists(
                field.keys, json, bind, lambda element: self._some_member((), element, bind)
            )
        if field.each:
            return self._some_value(field, json, bind, TEXT, _non_empty)
        if field.attribute.is_complex:
            return self._some_member(field.keys, json, bind)
        return _non_empty(self._value(json, field.keys, bind, TEXT))


class _Source(Protocol):
    """Returns the FROM and WHERE of an arm; with `paging`, from the position on."""

    def __call__(self, bind: Binder, paging: bool) -> str: ...


@dataclass(frozen=True, slots=True)
class _Domain:
    """The resource has an e-mail address at exactly this domain."""

    value: str


Term = Predicate | _Domain


def _kind(field: Field) -> str:
    return _KINDS.get(field.attribute.type, TEXT)


def _non_empty(value: str) -> str:
    """Return the condition that a value is present: neither absent nor the empty text."""
    return f"coalesce({value} <> '', FALSE)"


def _never_missing(field: Field) -> bool:
    """Tell whether every resource has a value, so that a walk needs no second arm."""
    return (field.attribute.required and not field.each) or field.name == "meta.lastModified"


def _sort_path(field: Field) -> tuple[str | int, ...]:
    """Return the path of the sort value; the primary element comes first."""
    if not field.each:
        return field.keys
    return (*field.keys, 0) if field.sub is None else (*field.keys, 0, field.sub)


async def _measured(seek: Seek, measure: Measure) -> Seek:
    """Return a seek with its size."""
    return seek if seek.size is not None else replace(seek, size=await measure(seek))


def _most_selective(seeks: list[Seek | None]) -> Seek | None:
    """Return the most selective seek for a conjunction, marked as inexact.

    Any one of them contains every match of the whole conjunction, and usually more.
    """
    best = min(
        (seek for seek in seeks if seek is not None), key=lambda seek: seek.rank, default=None
    )
    return None if best is None else Seek(best.keys, exact=False, rank=best.rank)


def _union(seeks: list[Seek | None]) -> Seek | None:
    """Return the union of seeks for a disjunction; None if an alternative has none."""
    found = [seek for seek in seeks if seek is not None]
    if len(found) < len(seeks):
        return None
    # UNION drops the keys that several alternatives find, so each match is counted once.
    rank = max(FEW, *(seek.rank for seek in found))
    return Seek(
        lambda bind: " UNION ".join(seek.keys(bind) for seek in found),
        all(seek.exact for seek in found),
        rank,
    )


def _prefix_end(prefix: str) -> str:
    """Return the least text that is greater than every text with a prefix.

    The last character is incremented. Surrogates (U+D800 to U+DFFF) cannot be encoded and are
    skipped, and characters that cannot be incremented are dropped.
    """
    for position in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[position])
        if code < 0x10FFFF:
            return prefix[:position] + chr(0xE000 if code == 0xD7FF else code + 1)
    return _LAST_CHARACTER * 64
