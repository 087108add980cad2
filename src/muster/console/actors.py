"""Names of actors as people read them, and lists of resource ids for messages."""

from collections.abc import Mapping, Sequence

_LISTED = 20
_OTHERS = {
    "visitor": "A visitor",
    "command": "The command line",
    "demo": "Sample data",
}
_DELETED = {"key": "key", "oauth": "OAuth client", "trust": "federated trust"}
"""The kinds of credentials, whose names are unknown once they are deleted."""


def actor_in_words(actor: str, names: Mapping[str, str]) -> str:
    """Return an actor as people read it: a credential's name or an administrator's address.

    Args:
        actor: The actor of a change, such as key:ID, admin:EMAIL or openid:WORKSPACE:EMAIL.
        names: The names of credentials by their actors.
    """
    if actor in names:
        return names[actor]
    kind, _, rest = actor.partition(":")
    if kind == "admin":
        return rest
    if kind == "openid":
        return f"{rest.partition(':')[2] or rest} (SSO)"
    if kind in _DELETED:
        return f"{_DELETED[kind]} {rest[:8]}"
    return _OTHERS.get(actor, actor)


def listed(ids: Sequence[str]) -> str:
    """Join the first ids with commas, followed by the number of the remaining ones."""
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + more
