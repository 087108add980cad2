"""audit-actions.md: every action in the audit logs, held against the calls that record them."""

import ast
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import muster
from tools.reference.markdown import code, page, table

_SOURCE = Path(muster.__file__).parent
_WORKSPACE, _INSTALLATION, _BOTH = "workspace", "installation", "both"
_KEY = "a key with the permission, or an administrator"
_ADMINISTRATOR = "an administrator"
_CLIENT = "the client's key"
_PLATFORM = "an owner, a platform key, or the command line"


class Action(NamedTuple):
    """An action in an audit log.

    Attributes:
        type: The type of its object.
        action: Its name.
        meaning: What happened.
        who: Who does it.
        log: The log that has it: that of the workspace, of the installation, or both.
    """

    type: str
    action: str
    meaning: str
    who: str
    log: str = _WORKSPACE


_INTRO = """# Audit actions

A workspace has an audit log: at `GET /api/v1/audit`, on the page Audit log, and in its exports as
CSV and JSON Lines. The installation has one too, at `GET /api/v1/platform/audit` and on the page
Installation: it records what belongs to no workspace.

The actor of a row is one of these:

| actor | who |
|---|---|
| `key:ID` | an API key |
| `oauth:ID` | an OAuth client |
| `trust:ID` | a token of a trusted issuer |
| `platform:ID` | a platform key |
| `admin:ADDRESS` | an administrator of the console |
| `openid:WORKSPACE:ADDRESS` | an administrator who signed in with OpenID Connect; `*` for the \
installation's provider |
| `setup:ID` | the holder of a set-up link |
| `visitor` | somebody who has not signed in |
| `command` | the command line |
| `import`, `demo` | `muster import` and `muster demo` |
| `webhooks`, `indexer`, `upkeep` | background jobs |

A row has the document of the resource, or particulars of the action such as its settings before and
after; secrets are never part of it. `version` is 0 for every row that is not a change of a
resource."""

_RESOURCES = (
    Action("User", "create", "A user was created.", _CLIENT),
    Action("User", "update", "Attributes of a user changed.", _CLIENT),
    Action("User", "delete", "A user was deleted.", _CLIENT),
    Action("Group", "create", "A group was created.", _CLIENT),
    Action("Group", "update", "Attributes or members of a group changed.", _CLIENT),
    Action("Group", "delete", "A group was deleted.", _CLIENT),
)
"""Changes of resources; a resource type of a workspace's own has the same three actions."""
ACTIONS: Sequence[Action] = (
    Action(*("User", "hold", "The guard held a change for review; the client got 403."), _CLIENT),
    Action("User", "let", "A held change was carried out.", _KEY),
    Action("User", "keep", "A held change was discarded; the user stays as they are.", _KEY),
    Action(
        "User",
        "refuse",
        "A change was refused by a switch of the workspace or by the guard.",
        _CLIENT,
    ),
    Action(
        "User",
        "override",
        "A change passed the guard, a switch or an exclusive owner, as the caller asked.",
        _KEY,
    ),
    Action("User", "protect", "A user was protected from deprovisioning.", _KEY),
    Action("User", "unprotect", "The protection of a user ended.", _KEY),
    Action("Workspace", "undo", "Changes of a key were undone.", _KEY),
    Action("Workspace", "refuse", "An undo or a restoration was refused by the guard.", _KEY),
    Action(
        "Workspace",
        "override",
        "An undo, a restoration or an import passed the guard or a switch, as the caller asked.",
        "a key, an administrator, or the command line",
    ),
    Action("Workspace", "wipe", "Every resource was deleted.", _KEY),
    Action("Workspace", "create", "A workspace was created.", _PLATFORM, _INSTALLATION),
    Action("Workspace", "rename", "A workspace got another name.", _PLATFORM, _BOTH),
    Action("Workspace", "update", "The display name of a workspace changed.", _PLATFORM, _BOTH),
    Action(
        *("Workspace", "suspend", "A workspace was suspended: its clients get 503."),
        *(_PLATFORM, _BOTH),
    ),
    Action("Workspace", "resume", "A suspended workspace was resumed.", _PLATFORM, _BOTH),
    Action(
        *("Workspace", "delete", "A workspace was deleted; its data is kept for 7 days."),
        *(_PLATFORM, _BOTH),
    ),
    Action("Workspace", "restore", "A deleted workspace was restored.", _PLATFORM, _BOTH),
    Action(
        *("Workspace", "erased", "The data of a deleted workspace was erased."),
        *("a background job", _INSTALLATION),
    ),
    Action("Settings", "update", "Settings of the workspace changed.", _KEY),
    Action(
        *("Brand", "update", "The brand of the pages of set-up links changed."),
        *("an owner", _INSTALLATION),
    ),
    Action(
        *("Secrets", "reset", "Secrets whose key is lost were reset."),
        *("the command line", _INSTALLATION),
    ),
    Action("ApiKey", "create", "An API key was created.", _KEY),
    Action("ApiKey", "update", "The name, limit or expiry of a key changed.", _KEY),
    Action("ApiKey", "rotate", "A key was replaced by a new one.", _KEY),
    Action("ApiKey", "revoke", "A key was revoked.", _KEY),
    Action("ApiKey", "refuse", "The IP allowlist refused a request of a key.", _CLIENT),
    Action("OAuthClient", "create", "An OAuth client was created.", _KEY),
    Action("OAuthClient", "rotate", "An OAuth client got a new secret.", _KEY),
    Action("OAuthClient", "delete", "An OAuth client was deleted.", _KEY),
    Action("Trust", "create", "Tokens of another issuer are trusted.", _KEY),
    Action("Trust", "delete", "Tokens of another issuer are trusted no longer.", _KEY),
    Action("Connection", "create", "A connection was created.", _KEY),
    Action("Connection", "update", "The name or settings of a connection changed.", _KEY),
    Action(
        *("Connection", "pause", "A connection was paused: its requests get 503."),
        "a key, an administrator, or the guard",
    ),
    Action("Connection", "resume", "A paused connection was resumed.", _KEY),
    Action("Connection", "delete", "A connection was deleted and its keys revoked.", _KEY),
    Action("SetupLink", "create", "A set-up link was created.", _KEY),
    Action("SetupLink", "revoke", "A set-up link was revoked.", _KEY),
    Action("SetupLink", "open", "A set-up link was opened for the first time.", "its holder"),
    Action("SetupLink", "step", "A step of the set-up was reached.", "its holder"),
    Action("SetupLink", "finish", "The set-up was finished.", "its holder"),
    Action("Role", "create", "A role was created.", _KEY),
    Action("Role", "update", "The permissions of a role changed.", _KEY),
    Action("Role", "rename", "A role got another name.", _KEY),
    Action("Role", "delete", "A role was deleted.", _KEY),
    Action("RoleMapping", "create", "A role mapping was created.", _KEY),
    Action("RoleMapping", "delete", "A role mapping was deleted.", _KEY),
    Action("Schema", "create", "A schema was created.", _KEY),
    Action("Schema", "update", "A schema changed.", _KEY),
    Action("Schema", "delete", "A schema was deleted.", _KEY),
    Action("Schema", "index", "The indexes of a schema were built.", "a background job"),
    Action("ResourceType", "create", "A resource type was created.", _KEY),
    Action("ResourceType", "update", "A resource type changed.", _KEY),
    Action("ResourceType", "delete", "A resource type was deleted.", _KEY),
    Action("Webhook", "create", "A webhook was created.", _KEY),
    Action("Webhook", "update", "A webhook changed.", _KEY),
    Action("Webhook", "rotate", "A webhook got a new secret.", _KEY),
    Action("Webhook", "delete", "A webhook was deleted.", _KEY),
    Action("Webhook", "test", "A test message was sent.", _KEY),
    Action("Webhook", "redeliver", "Events were sent again.", _KEY),
    Action(
        *("Webhook", "disable", "A webhook was disabled after three days without success."),
        "a background job",
    ),
    Action("Finding", "resolve", "A finding of the doctor was marked as resolved.", _KEY),
    Action("Finding", "reopen", "A resolved finding was opened again.", _KEY),
    Action("Import", "import", "An import from CSV started.", _ADMINISTRATOR),
    Action("Import", "imported", "An import from CSV ended.", "a background job"),
    Action("Export", "export", "A list was exported from the console.", _ADMINISTRATOR),
    Action(
        "Changes", "trim", "Changes older than their retention were deleted.", "a background job"
    ),
    Action(
        *("OpenIdConnector", "update", "The Open ID Connector was set up or changed."),
        *(_KEY, _BOTH),
    ),
    Action("OpenIdConnector", "delete", "The Open ID Connector was removed.", _KEY, _BOTH),
    Action(
        *("Administrator", "create", "An administrator was created or accepted an invitation."),
        *("the command line, or the invited person", _INSTALLATION),
    ),
    Action(
        "Administrator",
        "update",
        "The name, password, second factor or passkeys of an administrator changed.",
        "the administrator, an owner, or the command line",
        _INSTALLATION,
    ),
    Action(
        *("Administrator", "delete", "An administrator was removed."),
        *("an owner, or the command line", _INSTALLATION),
    ),
    Action(
        *("Administrator", "sign-in", "An administrator signed in."),
        *("the administrator", _INSTALLATION),
    ),
    Action(
        *("Administrator", "sign-in-failed", "A sign-in failed: wrong password or code."),
        *("a visitor", _INSTALLATION),
    ),
    Action(
        *("Administrator", "sign-out", "An administrator signed out."),
        *("the administrator", _INSTALLATION),
    ),
    Action(
        *("Invitation", "create", "An administrator was invited."),
        *("an administrator, a platform key, or the command line", _INSTALLATION),
    ),
    Action(
        *("Invitation", "accept", "An invitation was accepted."),
        *("the invited person", _INSTALLATION),
    ),
    Action(
        *("Invitation", "revoke", "An invitation was revoked."),
        *("an administrator, a platform key, or the command line", _INSTALLATION),
    ),
    Action(
        *("SignInPolicy", "update", "The rule about second factors changed."),
        *("an owner", _INSTALLATION),
    ),
    Action(
        *("PlatformKey", "create", "A platform key was created."),
        *("an owner, or the command line", _INSTALLATION),
    ),
    Action(*("PlatformKey", "revoke", "A platform key was revoked."), *("an owner", _INSTALLATION)),
)


_OTHER_WORDS: Mapping[str, set[str]] = {
    "access/setup_links.py": {"test"},  # a step of the set-up
    "directory/history/rollback.py": {"import"},  # the source of changes
}
"""Words of modules that are called like actions, and are none."""


def audit_actions_page() -> str:
    """Return the page.

    Raises:
        ValueError: The table above lacks an action of the code, or has one that is not there.
    """
    _check(recorded())
    heads = ("type", "action", "meaning", "by")
    in_workspace = [found for found in ACTIONS if found.log != _INSTALLATION]
    in_installation = [found for found in ACTIONS if found.log != _WORKSPACE]
    return page(
        _INTRO,
        "## Changes of resources",
        "They have the version of the resource, and the connection of the key. An administrator,"
        " the\ncommand line or an import can make them too.",
        table(heads, map(_row, _RESOURCES)),
        "## Other actions in a workspace",
        table(heads, map(_row, in_workspace)),
        "## Actions in the installation",
        table(heads, map(_row, in_installation)),
    )


def _row(found: Action) -> Sequence[str]:
    return code(found.type), code(found.action), found.meaning, found.who


def _check(pairs: Mapping[str, set[tuple[str, str]]]) -> None:
    listed = {(found.type, found.action) for found in (*ACTIONS, *_RESOURCES)}
    missing = {pair for found in pairs.values() for pair in found} - listed
    if missing:
        raise ValueError(f"add to {__name__}.ACTIONS: {sorted(missing)}")
    verbs = {action for _, action in listed}
    for module, (kinds, words) in _words().items():
        named = any(kind and not action for kind, action in _calls(_modules()[module]))
        for word in words & verbs - _OTHER_WORDS.get(module, set()) if named else ():
            if not any((kind, word) in listed for kind in kinds):
                raise ValueError(f"{module} records {word!r}: add it to {__name__}.ACTIONS")
    types = {kind for kinds, _ in _words().values() for kind in kinds} | {"User", "Administrator"}
    source = "".join(path.read_text() for path in _SOURCE.rglob("*.py"))
    for found in ACTIONS:
        if found.type not in types or f'"{found.action}"' not in source:
            raise ValueError(f"nothing records {found.type} {found.action}: remove it")


def recorded() -> Mapping[str, set[tuple[str, str]]]:
    """Return the types and actions that the calls in each module name."""
    return {module: set(_pairs(tree)) for module, tree in _modules().items()}


@functools.cache
def _modules() -> Mapping[str, ast.Module]:
    return {
        str(path.relative_to(_SOURCE)): ast.parse(path.read_text())
        for path in sorted(_SOURCE.rglob("*.py"))
        if "Note(" in path.read_text() or ".note(" in path.read_text()
    }


def _texts(call: ast.Call) -> list[str | None]:
    return [
        one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else None
        for one in call.args
    ]


def _calls(tree: ast.Module) -> Iterator[tuple[str | None, str | None]]:
    """Yield the type and the action of each note, each None if it is no literal."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        given = _texts(node)
        if name == "Note" and len(given) == 6:
            yield given[2], given[4]
        elif name == "note" and len(given) == 3 and isinstance(node.args[0], ast.Constant):
            yield given[0], given[2]
        elif name == "note" and len(given) == 3 and given[1]:
            yield "Administrator", given[1]


def _pairs(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for kind, action in _calls(tree):
        if kind and action:
            yield kind, action


@functools.cache
def _words() -> Mapping[str, tuple[set[str], set[str]]]:
    """Return for each module the types that it records, and all of its short texts."""
    return {
        module: (
            {kind for kind, _ in _calls(tree) if kind},
            {
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            },
        )
        for module, tree in _modules().items()
    }
