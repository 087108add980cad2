"""Handles everything that has happened in all workspaces since the last run."""

from pathlib import Path
from typing import Any

from customers import send

CURSOR = Path("cursor.txt")


def handle(event: dict[str, Any]) -> None:
    """Do the work of your product for one event."""
    resource = event["resource"]
    name = resource.get("userName") or resource.get("displayName")
    print(f"{event['workspace']}: {event['type']} {name}")


def follow() -> None:
    """Handle the events after the stored position."""
    cursor = CURSOR.read_text() if CURSOR.exists() else ""
    while True:
        page = send("GET", "/changes", params={"cursor": cursor, "limit": 500})
        for event in page["items"]:
            handle(event)
        cursor = page["nextCursor"]
        CURSOR.write_text(cursor)
        if not page["more"]:
            return


if __name__ == "__main__":
    follow()
