"""The query of a list of users or groups: everything that the URL of the page says."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from muster.base.clock import timestamp
from muster.console.resources import name_filter
from muster.console.web import Visit
from muster.directory.history.past import parse_time
from muster.directory.service import Search
from muster.scim.errors import invalid_value
from muster.scim.schema.labels import title_of
from muster.scim.schema.model import ResourceType

_PREFIX, _CONTAINS = "sw", "co"
_FIRST_COLUMNS = {
    "users": ("userName", "displayName", "emails", "active", "meta.lastModified"),
    "groups": ("displayName", "externalId", "meta.lastModified"),
}
_HIDDEN_COLUMNS = frozenset({"schemas", "id", "meta", "members", "groups", "password"})
_TITLES = {
    "userName": "Username",
    "displayName": "Name",
    "name": "Full name",
    "emails": "E-mail",
    "active": "Status",
    "externalId": "External ID",
    "meta.created": "Created",
    "meta.lastModified": "Updated",
}
_SORTS = frozenset({"userName", "displayName", "externalId", "meta.lastModified", "meta.created"})
_TRAIL = 10
"""The most pages that "Previous" goes back to."""
_MOST_COLUMNS = 20


class Column(NamedTuple):
    """A column of a list.

    Attributes:
        path: The path of its attribute.
        title: Its heading.
        sorts: Whether the list can be sorted by it.
    """

    path: str
    title: str
    sorts: bool


class Chip(NamedTuple):
    """A condition that is in force, and the query parameter that a click on it removes."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parameters of a list.

    Attributes:
        plural: users or groups.
        q: The text to search for.
        match: sw for names that start with the text, co for those that contain it.
        active: yes or no for users of that status; empty for all.
        group: The id of a group whose members are listed; empty for all.
        since: The earliest time of the last change, as it was typed; empty for any.
        filter: A SCIM filter; empty for none.
        sort: The path to sort by; empty for the order of creation.
        descending: Whether the order is reversed.
        columns: The paths of the columns.
        cursor: The place of the page; empty for the first.
        first: The number of its first row, from 1.
        trail: The cursors of the pages before it, the latest last; empty for the first page.
    """

    plural: str
    q: str = ""
    match: str = _PREFIX
    active: str = ""
    group: str = ""
    since: str = ""
    filter: str = ""
    sort: str = ""
    descending: bool = False
    columns: tuple[str, ...] = ()
    cursor: str = ""
    first: int = 1
    trail: tuple[str, ...] = ()

    def conditions(self) -> str | None:
        """Return the filter that the parameters mean together; None for everything.

        Raises:
            ScimError: invalidValue if the time is malformed.
        """
        found = []
        if self.q and not self.domain():
            found.append(name_filter(self.plural, self.q, self.match))
        if self.active:
            found.append(f"active eq {'true' if self.active == 'yes' else 'false'}")
        if self.group:
            found.append(f"groups.value eq {json.dumps(self.group)}")
        if self.since:
            time = timestamp(parse_time(self.since, "since"))
            found.append(f'meta.lastModified ge "{time}"')
        if self.filter:
            found.append(self.filter)
        if len(found) < 2:
            return found[0] if found else None
        return " and ".join(f"({text})" for text in found)

    def domain(self) -> str | None:
        """Return the e-mail domain to search for, if the text is one such as @example.com."""
        alone = not (self.active or self.group or self.since or self.filter)
        if self.plural != "users" or not alone or not self.q.startswith("@"):
            return None
        return self.q[1:].strip() or None

    def search(self, count: int) -> Search:
        """Return the search of the directory.

        Raises:
            ScimError: invalidValue if a parameter is malformed.
        """
        found = Search(
            self.conditions(), self.domain(), self.sort or None, self.descending, count=count
        )
        found.by_cursor = True
        return found

    def parameters(self) -> dict[str, str]:
        """Return the query parameters without the place of the page."""
        return {
            "q": self.q,
            "match": self.match if self.match != _PREFIX else "",
            "active": self.active,
            "group": self.group,
            "since": self.since,
            "filter": self.filter,
            "sort": self.sort,
            "order": "desc" if self.descending else "",
            "columns": ",".join(self.columns)
            if self.columns != _FIRST_COLUMNS[self.plural]
            else "",
        }

    def chips(self, group: str) -> list[Chip]:
        """Return the conditions in force besides the text.

        Args:
            group: The name of the group whose members are listed.
        """
        found = []
        if self.active:
            found.append(Chip("Active" if self.active == "yes" else "Inactive", "active"))
        if self.group:
            found.append(Chip(f"In group {group}", "group"))
        if self.since:
            found.append(Chip(f"Changed since {self.since}", "since"))
        if self.filter:
            found.append(Chip(f"Filter: {self.filter}", "filter"))
        return found

    def following(self, cursor: str, rows: int) -> dict[str, Any]:
        """Return the parameters of the next page."""
        trail = (*self.trail, self.cursor or "-")[-_TRAIL:]
        place = {"cursor": cursor, "first": self.first + rows, "trail": " ".join(trail)}
        return {**self.parameters(), **place}

    def previous(self, count: int) -> dict[str, Any] | None:
        """Return the parameters of the page before; None for the first page."""
        if not self.trail:
            return None
        last = self.trail[-1]
        if last == "-":
            return dict(self.parameters())
        place = {
            "cursor": last,
            "first": max(1, self.first - count),
            "trail": " ".join(self.trail[:-1]),
        }
        return {**self.parameters(), **place}

    def sorted_by(self, path: str) -> dict[str, str]:
        """Return the parameters of the list sorted by a column, reversed if it is already."""
        again = self.sort == path and not self.descending
        return {**self.parameters(), "sort": path, "order": "desc" if again else ""}

    def without(self, name: str) -> dict[str, str]:
        """Return the parameters without one of them."""
        return {**self.parameters(), name: ""}


def read_query(visit: Visit, plural: str, kind: ResourceType) -> ListQuery:
    """Read the parameters of a list.

    Raises:
        ScimError: invalidValue if one of them is malformed.
    """
    known = {column.path for column in columns_of(plural, kind)}
    asked = [*visit.fields.get("columns", []), *visit.fields.get("column", [])]
    wanted = [path for text in asked for path in text.split(",") if path in known]
    first = visit.text("first", "1")
    sort = visit.text("sort")
    # "name" and "changed" were the sorts of earlier versions; they are kept in bookmarks.
    sort = {"name": "displayName", "changed": "meta.lastModified"}.get(sort, sort)
    if not (first.isascii() and first.isdecimal()) or len(first) > 12:
        raise invalid_value("first: expected a number")
    return ListQuery(
        plural,
        visit.text("q"),
        _CONTAINS if visit.text("match") == _CONTAINS else _PREFIX,
        visit.text("active") if visit.text("active") in ("yes", "no") else "",
        visit.text("group"),
        visit.text("since"),
        visit.text("filter"),
        sort if sort in _SORTS else "",
        visit.text("order") == "desc" or visit.text("sort") == "changed",
        tuple(dict.fromkeys(wanted))[:_MOST_COLUMNS] or _FIRST_COLUMNS[plural],
        visit.text("cursor"),
        max(1, int(first)),
        tuple(visit.text("trail").split())[-_TRAIL:],
    )


def columns_of(plural: str, kind: ResourceType) -> list[Column]:
    """Return the columns that a list can have: the attributes of the type with simple values."""
    paths = [*_FIRST_COLUMNS[plural], "externalId", "meta.created"]
    paths += [
        attribute.name
        for attribute in kind.core.attributes.values()
        if attribute.name not in _HIDDEN_COLUMNS and not attribute.secret
    ]
    for schema in kind.extensions.values():
        paths += [
            f"{schema.id}:{attribute.name}"
            for attribute in schema.attributes.values()
            if not attribute.secret
        ]
    return [
        Column(path, _TITLES.get(path) or title_of(path.rpartition(":")[2]), path in _SORTS)
        for path in dict.fromkeys(paths)
    ]


def cell(document: dict[str, Any], path: str) -> str:
    """Return the text of an attribute in a list and in its export.

    A multi-valued attribute shows its primary element, or else its first.
    """
    urn, _, name = path.rpartition(":")
    holder: Any = document.get(urn, {}) if urn else document
    for part in name.split("."):
        holder = holder.get(part) if isinstance(holder, dict) else None
    return _text(holder)


def _text(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        primary = next((item for item in value if _is_primary(item)), None)
        return _text(primary if primary is not None else value[0] if value else None)
    if isinstance(value, dict):
        named = ("formatted", "display", "displayName", "value")
        return next((_text(value[key]) for key in named if value.get(key)), "") or " ".join(
            _text(value[key]) for key in ("givenName", "familyName") if value.get(key)
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _is_primary(item: Any) -> bool:
    return isinstance(item, dict) and item.get("primary") is True
