"""permissions.md: every permission, what it opens, and the standard roles."""

from collections.abc import Iterable, Iterator, Sequence

from muster.access.permissions import ADMIN, ADMIN_NOTE, NOTES, PERMISSIONS, READ, SCIM, allows
from muster.console.navigation import GROUPS, MenuPage, current, page_at
from muster.console.roles import CHOICES
from muster.console.web import PageRoute
from muster.http.management.router import API_ROOT
from muster.http.wire.base_url import SCIM_ROOT
from tools.reference import parts
from tools.reference.markdown import code, page, paragraph, table

_INTRO = f"""# Permissions

A permission opens endpoints to API keys and pages to administrators of the console. It holds in one
workspace: an API key belongs to one, and an administrator can have other permissions in each. A
request without the permission is answered 403, and the error names the permission.

Nobody can grant a permission that they do not have: a key that creates keys, roles or invitations
gives its own permissions at most, and it can change, rotate and revoke only keys that have no
others.

A key is created with permissions or with a role. `muster keys create` without `--permission` gives
the role `{ADMIN}`; `POST {API_ROOT}/keys` without `permissions` and `role` gives
`{SCIM}`, which is all that an identity provider needs."""

_SCIM_PATHS = {
    READ: (
        (f"GET {SCIM_ROOT}/…", "resources and discovery"),
        (f"POST {SCIM_ROOT}/.search", "also within a type, such as `/Users/.search`"),
    ),
    SCIM: ((f"POST, PUT, PATCH, DELETE {SCIM_ROOT}/…", "resources and `/Bulk`"),),
}
"""The endpoints of SCIM by permission; muster.http.scim.resources.needed_permission decides."""

_PLATFORM = """## Platform keys

A platform key has no permissions to choose from: it opens every endpoint of the
[platform API](platform.md), and nothing else. No permission of a workspace opens the platform API.
Owners create platform keys on the page Platform keys, or with
`muster keys create --platform --name NAME`."""


def permissions_page() -> str:
    """Return the page."""
    rows = [(name, NOTES[name], _included(name)) for name in PERMISSIONS]
    return page(
        _INTRO,
        table(("permission", "what it allows", "includes"), rows),
        _roles(),
        *(f"## {name}\n\n{_section(name)}" for name in (*PERMISSIONS, ADMIN)),
        _PLATFORM,
    )


def _included(name: str) -> str:
    return ", ".join(other for other in PERMISSIONS if other != name and allows((name,), other))


def _roles() -> str:
    choices = [
        (choice.title, choice.note, ", ".join(choice.permissions)) for choice in CHOICES.values()
    ]
    text = paragraph(
        "An administrator is invited with one of these roles, or with permissions of your choice."
        " A role holds in one workspace or in all of them; an owner of all workspaces also"
        " administers the installation."
    )
    keys = paragraph(
        f"An API key has permissions of its own, the built-in role `{ADMIN}`, which has every"
        " permission, or a custom role: a named set of permissions that a workspace defines, at"
        f" `{API_ROOT}/roles` or on the page Roles. A change to a custom role takes effect at the"
        " next request of each key that has it."
    )
    heads = ("role", "what it allows", "permissions")
    return page("## Standard roles", text, table(heads, choices), keys)


def _section(name: str) -> str:
    """Return what a permission opens."""
    note = NOTES.get(name, ADMIN_NOTE)
    endpoints = [*_scim_rows(name), *_endpoint_rows(name)]
    opened = ", ".join(_pages(name))
    pages = f"Pages of the console: {opened}." if opened else ""
    partly = ", ".join(_partly(name))
    forms = f"Actions on pages that other permissions open: {partly}." if partly else ""
    listed = table(("endpoint", "note"), endpoints) if endpoints else ""
    return page(paragraph(note), listed, paragraph(pages), paragraph(forms))


def _scim_rows(name: str) -> Iterator[Sequence[str]]:
    for endpoint, note in _SCIM_PATHS.get(name, ()):
        yield code(endpoint), note


def _endpoint_rows(name: str) -> Iterator[Sequence[str]]:
    """Yield the endpoints that need a permission, those of one path together."""
    found: dict[tuple[str, str], list[str]] = {}
    for route in parts.management():
        if name in route.permissions:
            others = " and ".join(code(other) for other in route.permissions if other != name)
            found.setdefault((route.path, others), []).append(route.method)
    for (path, others), methods in found.items():
        note = f"needs {others} too" if others else ""
        yield code(f"{', '.join(methods)} {API_ROOT}{path}"), note


def _entry(route: PageRoute) -> MenuPage | None:
    return page_at(current(route.path))


def _menu() -> Iterable[MenuPage]:
    return (entry for group in GROUPS for entry in group.pages)


def _pages(name: str) -> Iterator[str]:
    """Yield the titles of the pages in the sidebar that a permission opens."""
    return (entry.title for entry in _menu() if entry.permission == name)


def _partly(name: str) -> Iterator[str]:
    """Yield the titles of the pages on which some actions need a permission besides the page's."""
    for entry in _menu():
        needed = {
            permission
            for route in parts.console()
            if _entry(route) == entry
            for permission in (route.permission, *route.also)
        }
        if name in needed and entry.permission != name:
            yield entry.title
