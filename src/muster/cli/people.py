"""Made-up users, the same for the same seed: for `muster demo` and the benchmark."""

import asyncio
import json
import multiprocessing
import os
import random
import unicodedata
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import resources

from muster.base import clock
from muster.base.clock import timestamp
from muster.base.progress import Progress, silent
from muster.directory.versions import make_put
from muster.scim.dialects import Dialect
from muster.scim.document import Document, read
from muster.scim.schema.model import ENTERPRISE_USER, USER, registry
from muster.storage.ids import IdSource
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.resources import Put, Query, Resources

_BATCH = 1000
_AHEAD = 6
_NAMES = json.loads(resources.files("muster.cli").joinpath("people_names.json").read_text("utf-8"))
_DEPARTMENTS = (
    "Engineering",
    "Sales",
    "Finance",
    "Legal",
    "Marketing",
    "People",
    "Support",
    "Operations",
    "Research",
    "Design",
)
_TITLES = (
    "Engineer",
    "Manager",
    "Analyst",
    "Director",
    "Specialist",
    "Lead",
    "Associate",
    "Consultant",
    "Architect",
    "Partner",
)
_PLACES = (
    ("Berlin", "DE", "Europe/Berlin", "de-DE"),
    ("Lagos", "NG", "Africa/Lagos", "en-NG"),
    ("São Paulo", "BR", "America/Sao_Paulo", "pt-BR"),
    ("Tokyo", "JP", "Asia/Tokyo", "ja-JP"),
    ("New York", "US", "America/New_York", "en-US"),
    ("Paris", "FR", "Europe/Paris", "fr-FR"),
    ("Bengaluru", "IN", "Asia/Kolkata", "en-IN"),
    ("Stockholm", "SE", "Europe/Stockholm", "sv-SE"),
)
_DOMAINS = ("example.com", "example.org", "example.net", "corp.example", "subsidiary.example")


async def fill(
    storage: Resources, workspace: Workspace, users: int, seed: int, progress: Progress = silent
) -> None:
    """Add made-up users to a workspace, numbered after those that it has.

    Other processes make the users while this one writes them.

    Args:
        storage: The database, started.
        workspace: The workspace to fill.
        users: The number of users to add.
        seed: The same seed makes the same users.
        progress: Called with the number of users that have been written.
    """
    total = (await storage.find(Query(workspace.id, registry().types["/Users"], limit=0))).total
    first = total or 0
    starts = range(first, first + users, _BATCH)
    now = clock.now()
    millis = int(now.timestamp() * 1000) - len(starts)  # a millisecond per batch keeps ids apart
    cores = max(1, (os.cpu_count() or 2) - 1)
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as makers:
        ranges = [
            (start, min(start + _BATCH, first + users), seed, millis + n)
            for n, start in enumerate(starts)
        ]
        waiting = deque(makers.submit(make_batch, *arguments) for arguments in ranges[:_AHEAD])
        for arguments in [*ranges[_AHEAD:], *[None] * len(waiting)]:
            batch = await asyncio.wrap_future(waiting.popleft())
            if arguments is not None:
                waiting.append(makers.submit(make_batch, *arguments))
            await storage.load(
                workspace.id, "User", batch, ChangeOrigin("demo", "demo", timestamp(now))
            )
            progress(len(batch))


def make_batch(first: int, end: int, seed: int, millis: int) -> list[Put]:
    """Make the users with these numbers, ready to be stored.

    Args:
        first: The number of the first user.
        end: The number after the last user.
        seed: The same seed makes the same users.
        millis: When they were created, in milliseconds since 1970.
    """
    resource_type = registry().types["/Users"]
    new_id, dialect = IdSource(), Dialect(strict=True)
    chance = random.Random(f"{seed} {first}")  # noqa: S311 (made-up people, no secrets)
    created = timestamp(datetime.fromtimestamp(millis / 1000, UTC))
    documents = (
        read(person(number, chance), resource_type, dialect) for number in range(first, end)
    )
    return [
        make_put(document, resource_type, new_id(millis), 1, created, created)
        for document in documents
    ]


def person(number: int, chance: random.Random) -> Document:
    """A made-up user of about 1.2 KB; the number makes its userName unique."""
    given, family = chance.choice(_NAMES["given"]), chance.choice(_NAMES["family"])
    city, country, timezone, locale = chance.choice(_PLACES)
    plain = (
        unicodedata.normalize("NFKD", f"{given}.{family}")
        .replace("'", "")
        .encode("ascii", "ignore")
        .decode()
        .lower()
    )
    address = f"{plain}.{number}@{chance.choice(_DOMAINS)}"
    department = chance.choice(_DEPARTMENTS)
    hired = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=chance.randrange(4000))
    return {
        "schemas": [USER, ENTERPRISE_USER],
        "externalId": f"ext-{number:08d}",
        "userName": address,
        "name": {"formatted": f"{given} {family}", "familyName": family, "givenName": given},
        "displayName": f"{given} {family}",
        "nickName": given,
        "title": f"{chance.choice(_TITLES)}, {department}",
        "userType": chance.choice(("Employee", "Employee", "Employee", "Contractor")),
        "preferredLanguage": locale,
        "locale": locale,
        "timezone": timezone,
        "active": chance.random() > 0.05,
        "emails": [
            {"value": address, "type": "work", "primary": True},
            {"value": f"{plain}.{number}@home.example", "type": "home"},
        ],
        "phoneNumbers": [{"value": f"+1-555-{chance.randrange(10**7):07d}", "type": "work"}],
        "addresses": [
            {
                "streetAddress": f"{chance.randrange(200)} Main Street",
                "locality": city,
                "country": country,
                "type": "work",
            }
        ],
        "roles": [{"value": chance.choice(("viewer", "editor", "owner"))}],
        ENTERPRISE_USER: {
            "employeeNumber": f"{100000 + number}",
            "costCenter": f"{chance.randrange(9000) + 1000}",
            "organization": f"since {hired:%Y}",
            "division": country,
            "department": department,
        },
    }
