"""Rewrites a condition so that its SQL nests little, however deep the filter.

SQLite before 3.46 parses an expression with a stack of 100 entries, and answers "parser stack
overflow" beyond that. The parser pushes entries for everything to the left of an open parenthesis:
`a OR b AND (c` holds six. A filter may nest 40 levels, each of which would cost two to five
entries. So the condition is rewritten in three ways. None changes its value, since no condition is
ever NULL:

1. Negations move inwards to single terms (De Morgan), and double negations disappear.
2. A conjunction within a conjunction becomes part of it, and likewise a disjunction.
3. The deepest term comes first, so that only its opening parenthesis waits on the stack.
"""

from muster.scim.filter.predicate import All, Each, Negation, Predicate, Some

_SHALLOW = 4
"""Conditions that nest no deeper keep the order of their terms, which clients may have chosen."""


def flat(predicate: Predicate) -> Predicate:
    """Return an equivalent condition that nests little."""
    return _flat(predicate, negated=False)


def _flat(predicate: Predicate, *, negated: bool) -> Predicate:
    """Rewrite a condition, which is negated if `negated` is set."""
    match predicate:
        case Negation(term):
            return _flat(term, negated=not negated)
        case All(terms) | Some(terms):
            # not (a and b) = not a or not b: a negation swaps the kind and passes to each term.
            kind = All if isinstance(predicate, All) != negated else Some
            return _joined(kind, [_flat(term, negated=negated) for term in terms])
        case Each(field, term):
            # "Some element meets the term": a negation must stay outside, since moving it inwards
            # would turn "some" into "every".
            predicate = Each(field, _flat(term, negated=False))
    return Negation(predicate) if negated else predicate


def _joined(kind: type[All] | type[Some], terms: list[Predicate]) -> Predicate:
    """Return the conjunction or disjunction of terms, merging those of the same kind."""
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
