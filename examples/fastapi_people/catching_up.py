"""Applies the changes that muster reports, from webhooks and from the feed."""

import logging
from typing import Any

import httpx

from people import People

_log = logging.getLogger("uvicorn.error")


def apply_event(people: People, event: dict[str, Any]) -> None:
    """Apply an event. Events of groups, of the guard and tests are ignored."""
    if not event["type"].startswith("user."):
        return
    user = None if event["type"] == "user.deleted" else event["resource"]
    happened = people.apply(event["resourceId"], event["version"], user)
    if happened:
        name = event["resource"].get("displayName", event["resource"]["userName"])
        _log.info("%s has %s", name, happened)


def catch_up(people: People, muster: httpx.Client) -> None:
    """Apply everything that has happened since the last time."""
    cursor = people.cursor()
    while True:
        if cursor is None:
            cursor = _read_everyone(people, muster)
        answer = muster.get("/api/v1/changes", params={"cursor": cursor, "limit": 500})
        if answer.status_code == 410:  # the feed does not go back that far
            cursor = None
            continue
        page = answer.raise_for_status().json()
        for event in page["items"]:
            apply_event(people, event)
        cursor = page["nextCursor"]
        people.keep_cursor(cursor)
        if not page["more"]:
            return


def _read_everyone(people: People, muster: httpx.Client) -> str:
    """Read all users. Returns the position in the feed to continue from."""
    end = muster.get("/api/v1/changes", params={"cursor": "end"}).raise_for_status().json()
    missing = people.known()
    cursor = ""
    while cursor is not None:
        answer = muster.get("/scim/v2/Users", params={"cursor": cursor, "count": 500})
        page = answer.raise_for_status().json()
        for user in page["Resources"]:
            version = int(user["meta"]["version"].strip('W/"'))
            people.apply(user["id"], version, user)
            missing.pop(user["id"], None)
        cursor = page.get("nextCursor")
    for person, version in missing.items():
        people.apply(person, version, None)
    return str(end["nextCursor"])
