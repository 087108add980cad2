"""The people whom recorded requests are about."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from muster.directory.caller import Caller
from muster.directory.documents import parse, parse_all
from muster.directory.service import Directory, Search
from muster.scim.errors import ScimError
from muster.scim.schema.model import ResourceType
from muster.storage.port.engine import Storage
from muster.storage.records.requests import RecordedRequest

_NAMES = ("userName", "displayName", "name.familyName", "name.givenName", "emails.value")
_MOST_PEOPLE = 50


async def ids_of_person(directory: Directory, caller: Caller, text: str) -> list[str]:
    """Return the ids of the users of whom a name or an e-mail address starts with a text."""
    filter_text = " or ".join(f"{name} sw {json.dumps(text)}" for name in _NAMES)
    search = Search(filter_text, count=_MOST_PEOPLE, by_cursor=True, counted=1)
    try:
        page = await directory.find(caller, caller.registry.types["/Users"], search)
    except ScimError:
        return []  # a text that no filter can hold names nobody
    return [str(document["id"]) for document in parse_all(page.documents)]


async def subjects(
    storage: Storage,
    workspace: int,
    types: Mapping[str, ResourceType],
    requests: Iterable[RecordedRequest],
) -> dict[int, str]:
    """Return the name of the user or group that each request is about, by its number.

    A refused creation is about the userName in its body. Requests about nobody are left out.
    """
    requests = list(requests)
    wanted = {
        kept.resource: kind.name
        for kept in requests
        if kept.resource and (kind := types.get(f"/{kept.path.strip('/').partition('/')[0]}"))
    }
    names = await asyncio.gather(
        *(_stored_name(storage, workspace, kind, id) for id, kind in wanted.items())
    )
    by_id = dict(zip(wanted, names, strict=True))
    found = ((kept.number, by_id.get(kept.resource) or _sent_name(kept)) for kept in requests)
    return {number: name for number, name in found if name}


async def _stored_name(storage: Storage, workspace: int, kind: str, resource_id: str) -> str:
    """Return the name of a resource, also of a deleted one; empty if it never existed."""
    stored = await storage.get(workspace, kind, resource_id)
    if stored is not None:
        return _name(parse(stored.document))
    changes = await storage.history(workspace, resource_id, None, 1)
    return _name(parse(changes[0].before or changes[0].document)) if changes else ""


def _sent_name(kept: RecordedRequest) -> str:
    if kept.method != "POST":
        return ""
    try:
        body = orjson.loads(kept.body)
    except orjson.JSONDecodeError:
        return ""
    return _name(body) if isinstance(body, dict) else ""


def _name(document: Mapping[str, Any]) -> str:
    """Return the userName or else the displayName, in any spelling of the attribute."""
    folded = {name.lower(): value for name, value in document.items()}
    names = (folded.get("username"), folded.get("displayname"))
    return next((name for name in names if isinstance(name, str) and name), "")
