"""Names of actors as people read them, and lists of resource ids for messages."""

from collections.abc import Mapping, Sequence

from muster.storage.port.accounts import Accounts

_LISTED = 20
_OTHERS = {
    "visitor": "A visitor",
    "command": "The command line",
    "demo": "Sample data",
}


async def names_of(accounts: Accounts, workspace: int) -> dict[str, str]:
    """Return the display name of each API key of a workspace, by its actor.

    Administrators have no entry: `actor_in_words` reads their address from their actor.
    """
    return {f"key:{key.id}": f'key "{key.name}"' for key in await accounts.keys(workspace)}


def actor_in_words(actor: str, names: Mapping[str, str]) -> str:
    """Return an actor as people read it: the name of a key, or an administrator's address.

    Args:
        actor: The actor of a change, such as key:ID, admin:EMAIL or openid:WORKSPACE:EMAIL.
        names: The names of keys by their actor, as `names_of` returns them.
    """
    if actor in names:
        return names[actor]
    kind, _, rest = actor.partition(":")
    if kind == "admin":
        return rest
    if kind == "openid":
        return f"{rest.partition(':')[2] or rest} (SSO)"
    if kind == "key":
        return f"key {rest[:8]}"
    return _OTHERS.get(actor, actor)


def listed(ids: Sequence[str]) -> str:
    """Join the first ids with commas, followed by the number of the remaining ones."""
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + more
