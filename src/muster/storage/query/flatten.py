"""Rewrites a condition so that its SQL nests little, however deeply the filter nests.

SQLite before 3.46 parses an expression with a stack of 100 entries, and fails with "parser stack
overflow" beyond that. The parser pushes entries for everything to the left of an open parenthesis:
`a OR b AND (c` holds six. A filter may nest 40 levels, and each level would cost two to five
entries.

The condition is therefore rewritten in three ways. None changes its value, since no condition is
ever NULL:

1. Negations move inwards to single terms (De Morgan), and double negations vanish.
2. A conjunction within a conjunction, or a disjunction within a disjunction, becomes part of it.
3. The deepest term comes first, so that only its opening parenthesis waits on the stack.
"""

from muster.scim.filter.predicate import All, Each, Negation, Predicate, Some

_SHALLOW = 4
"""Conditions that nest no deeper than this keep the order of their terms."""


def flat(predicate: Predicate) -> Predicate:
    """Return an equivalent condition, with negations at single terms and the deepest term first."""
    return _flat(predicate, negated=False)


def _flat(predicate: Predicate, *, negated: bool) -> Predicate:
    match predicate:
        case Negation(term):
            return _flat(term, negated=not negated)
        case All(terms) | Some(terms):
            kind = All if isinstance(predicate, All) != negated else Some
            return _joined(kind, [_flat(term, negated=negated) for term in terms])
        case Each(field, term):
            predicate = Each(field, _flat(term, negated=False))
    return Negation(predicate) if negated else predicate


def _joined(kind: type[All] | type[Some], terms: list[Predicate]) -> Predicate:
    """Return the conjunction or disjunction of terms, with terms of the same kind merged."""
    merged: list[Predicate] = []
    for term in terms:
        merged.extend(term.terms if isinstance(term, kind) else [term])
    if len(merged) == 1:
        return merged[0]
    if any(_depth(term) > _SHALLOW for term in merged):
        merged.sort(key=_depth, reverse=True)
    return kind(tuple(merged))


def _depth(predicate: Predicate) -> int:
    """Return the number of levels that a condition nests."""
    match predicate:
        case Negation(term) | Each(_, term):
            return 1 + _depth(term)
        case All(terms) | Some(terms):
            return 1 + max(map(_depth, terms), default=0)
    return 0
