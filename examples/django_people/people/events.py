"""Applies the changes that muster reports, from webhooks and from the feed."""

import logging
from typing import Any

import httpx
from django.contrib.auth.models import User
from django.db import transaction

from people.models import FeedPosition, Person
from people.sessions import end_sessions

_log = logging.getLogger(__name__)


def apply_event(event: dict[str, Any]) -> None:
    """Apply an event. Events of groups, of the guard and tests are ignored."""
    if event["type"].startswith("user."):
        user = None if event["type"] == "user.deleted" else event["resource"]
        apply(event["resourceId"], event["version"], user)


@transaction.atomic
def apply(muster_id: str, version: int, user: dict[str, Any] | None) -> None:
    """Bring a person to a state that muster reports, unless a newer one is known.

    Args:
        muster_id: The id of the user in muster.
        version: The version of the user in that state.
        user: The SCIM user; None if it is deleted.
    """
    person = Person.objects.select_for_update().filter(muster_id=muster_id).first()
    if person is None:
        account = User(username=muster_id, is_active=False)
        account.set_unusable_password()
        account.save()
        person = Person(muster_id=muster_id, user=account)
    elif (version, user is None) < (person.version, person.gone):
        return
    person.version, person.gone = version, user is None
    person.user_name = user["userName"] if user else ""
    person.save()
    _update_account(person.user, user)


def _update_account(account: User, user: dict[str, Any] | None) -> None:
    """Let a person in or out, and take over their name."""
    active = user is not None and user.get("active", True)
    name = user.get("displayName", user["userName"]) if user else ""
    if active != account.is_active:
        _log.info("%s has %s", name or account.first_name, "joined" if active else "left")
    account.is_active, account.first_name = active, name[:150]
    account.save()
    if not active:
        end_sessions(account)


def catch_up(muster: httpx.Client) -> None:
    """Apply everything that has happened since the last time."""
    position = FeedPosition.objects.first() or FeedPosition(cursor="")
    while True:
        if not position.cursor:
            position.cursor = _read_everyone(muster)
        query = {"cursor": position.cursor, "limit": 500}
        answer = muster.get("/api/v1/changes", params=query)
        if answer.status_code == 410:  # the feed does not go back that far
            position.cursor = ""
            continue
        page = answer.raise_for_status().json()
        for event in page["items"]:
            apply_event(event)
        position.cursor = page["nextCursor"]
        position.save()
        if not page["more"]:
            return


def _read_everyone(muster: httpx.Client) -> str:
    """Read all users. Returns the position in the feed to continue from."""
    end = muster.get("/api/v1/changes", params={"cursor": "end"}).raise_for_status().json()
    missing = dict(Person.objects.filter(gone=False).values_list("muster_id", "version"))
    cursor = ""
    while cursor is not None:
        answer = muster.get("/scim/v2/Users", params={"cursor": cursor, "count": 500})
        page = answer.raise_for_status().json()
        for user in page["Resources"]:
            apply(user["id"], int(user["meta"]["version"].strip('W/"')), user)
            missing.pop(user["id"], None)
        cursor = page.get("nextCursor")
    for muster_id, version in missing.items():
        apply(muster_id, version, None)
    return str(end["nextCursor"])
