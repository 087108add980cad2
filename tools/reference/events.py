"""events.md: every type of event with a message that a running service sends."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from muster.directory.history.events import describe, event_types, events
from muster.events.webhooks.deliverer import GIVEN_UP_AFTER, PAUSES, TEST, Deliverer
from muster.events.webhooks.sender import Sender, SendResult
from muster.http.wire.base_url import SCIM_ROOT
from muster.scim.patch import PATCH_OP
from muster.scim.schema.model import ENTERPRISE_USER, GROUP, USER, registry
from tools.reference import shapes
from tools.reference.markdown import json_block, page, paragraph, table
from tools.reference.running import BASE, Json, Running, Stable, run, running

_PERSON: Json = {
    "schemas": [USER, ENTERPRISE_USER],
    "externalId": "00u1abcd",
    "userName": "bjensen@example.com",
    "name": {"givenName": "Barbara", "familyName": "Jensen"},
    "displayName": "Barbara Jensen",
    "active": True,
    "emails": [{"value": "bjensen@example.com", "type": "work", "primary": True}],
    ENTERPRISE_USER: {"department": "Tour Operations"},
}
_TITLES = {
    "user": "Users",
    "group": "Groups",
    "guard": "The guard",
}

_INTRO = """# Events

An event is one thing that happened to one user or group. There are two ways to get all of them:
[the feed](management-events.md#feed), which a program reads from any position, and
[webhooks](management-events.md#webhooks), which muster calls. Both have the same events, in the
order of the changes, and neither leaves one out.

The messages on this page were made by a running service; only the ids and times were replaced. The
OpenAPI document describes them too, under `webhooks`.

A resource type of a workspace's own has events of its own: a type `Device` has `device.created`,
`device.updated` and `device.deleted`. `GET /api/v1/webhooks/event-types` lists the types of a
workspace."""

_HEADERS = """## Headers of a message

Messages are signed as [Standard Webhooks](https://www.standardwebhooks.com) describe, so its
libraries verify them.

```text
{headers}
```

- `webhook-id` is the same for each attempt at one event. Store it to recognise an event that comes
  again.
- `webhook-timestamp` is the time of the attempt, in seconds since 1970.
- `webhook-signature` has one or more signatures, separated by spaces: one for each secret that is
  valid, since a rotation can leave the former secret valid for some days."""

_FEED = """## The same event in the feed

The feed has `data` of a message as an item of a list, with an `id` of its own. The id is the same
each time the event is read."""

_PLATFORM = """## The same event across all workspaces

The feed of the platform, and webhooks of the platform, name the workspace of each event."""


class _Recorder(Sender):
    """Keeps messages instead of sending them."""

    def __init__(self) -> None:
        super().__init__(private=False)
        self.sent: list[tuple[dict[str, str], Json]] = []

    async def post(
        self, url: str, headers: Mapping[bytes | str, bytes | str], body: bytes
    ) -> SendResult:
        """Keep a message."""
        del url
        named = {str(name): str(value) for name, value in headers.items()}
        self.sent.append((named, orjson.loads(body)))
        return SendResult(204, None, 0)


class Messages:
    """The first message of each type, and an event as the feeds have it.

    Attributes:
        by_type: The bodies of the messages by the types of their events.
        headers: The headers of the first message.
        fed: The event of the first message as the feed has it.
        fed_to_platform: The same as the feed of the platform has it.
    """

    def __init__(self) -> None:
        self.by_type: dict[str, Json] = {}
        self.headers: dict[str, str] = {}
        self.fed: Json = {}
        self.fed_to_platform: Json = {}


@functools.cache
def messages() -> Messages:
    """Return the messages that a service sends for one change of each kind."""
    made: Messages = run(_collect())
    return made


async def _collect() -> Messages:
    async with running() as service:
        webhook = await service.done(
            "POST", "/api/v1/webhooks", {"url": "https://app.example.com/scim-events"}
        )
        await _change_everything(service)
        made = await _messages(service, str(webhook["id"]))
        feed = await service.done("GET", "/api/v1/changes")
        created = [item for item in feed["items"] if item["type"] == "user.created"]
        stable = Stable()
        made.by_type = {name: stable.value(body) for name, body in made.by_type.items()}
        made.fed = stable.value(created[0])
        made.headers = stable.value(made.headers)
        made.headers["webhook-signature"] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        first, *others = made.fed.items()
        made.fed_to_platform = dict([first, ("workspace", "default"), *others])
        return made


def _patch(*operations: Json) -> Json:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


async def _change_everything(service: Running) -> None:
    """Make changes that have an event of each type."""
    users, groups = f"{SCIM_ROOT}/Users", f"{SCIM_ROOT}/Groups"
    user = (await service.done("POST", users, _PERSON))["id"]
    other = {**_PERSON, "userName": "akim@example.com", "externalId": "00u2abcd"}
    leaver = (await service.done("POST", users, other))["id"]
    title = {"op": "replace", "path": "title", "value": "Tour Guide"}
    await service.done("PATCH", f"{users}/{user}", _patch(title))
    for active in (False, True):
        switched = {"op": "replace", "path": "active", "value": active}
        await service.done("PATCH", f"{users}/{user}", _patch(switched))
    made = {"schemas": [GROUP], "externalId": "00g1abcd", "displayName": "Tour Guides"}
    group = (await service.done("POST", groups, made))["id"]
    renamed = {"op": "replace", "path": "displayName", "value": "Tour Guides of Europe"}
    await service.done("PATCH", f"{groups}/{group}", _patch(renamed))
    added = {"op": "add", "path": "members", "value": [{"value": user}]}
    await service.done("PATCH", f"{groups}/{group}", _patch(added))
    removed = {"op": "remove", "path": f'members[value eq "{user}"]'}
    await service.done("PATCH", f"{groups}/{group}", _patch(removed))
    await service.done("DELETE", f"{groups}/{group}")
    await service.done("DELETE", f"{users}/{user}")
    limits = {"guardMode": "hold", "guardShare": 0, "guardLeast": 0}
    await service.done("PATCH", "/api/v1/settings", limits)
    held = await service.ask("DELETE", f"{users}/{leaver}")
    assert held.status_code == 403, held.text


async def _messages(service: Running, webhook_id: str) -> Messages:
    """Return the messages to a webhook, as the service would send them."""
    parts, storage = service.muster.services, service.muster.storage
    recorder = _Recorder()
    deliverer = Deliverer(
        *(storage, parts.webhooks, parts.webhook_states, recorder, parts.leases),
        base=BASE + SCIM_ROOT,
    )
    webhook = await parts.webhooks.get(service.workspace, webhook_id)
    for change in await storage.changes(service.workspace, 0, 1000, with_before=True):
        for part, event in enumerate(events(change, BASE + SCIM_ROOT)):
            await deliverer.deliver(webhook, event, part, 1)
    await deliverer.test(webhook)
    made = Messages()
    made.headers = recorder.sent[0][0]
    for _, body in recorder.sent:
        made.by_type.setdefault(body["type"], body)
    return made


def events_page() -> str:
    """Return the page.

    Raises:
        KeyError: The changes above have no event of some type.
    """
    found = messages()
    types = event_types(registry())
    rows = [(f"[`{name}`](#{name.replace('.', '')})", describe(name)) for name in types]
    headers = "\n".join(f"{name}: {value}" for name, value in found.headers.items())
    sections = [_sections(noun, found.by_type) for noun in _TITLES]
    test = page(f"## `{TEST}`", _test_text(), json_block(found.by_type[TEST]))
    return page(
        _INTRO,
        "## Types\n\n" + table(("type", "when"), rows),
        _fields("## Fields of a message", "WebhookMessage"),
        _HEADERS.format(headers=headers),
        _deliveries(),
        *sections,
        test,
        page(_FEED, json_block(found.fed)),
        page(_PLATFORM, json_block(found.fed_to_platform)),
    )


def _sections(noun: str, by_type: Mapping[str, Any]) -> str:
    return page(f"## {_TITLES[noun]}", *_messages_of(noun, by_type))


def _messages_of(noun: str, by_type: Mapping[str, Any]) -> Iterator[str]:
    for name in event_types(registry()):
        if name.partition(".")[0] == noun:
            yield page(f"### `{name}`", describe(name), json_block(by_type[name]))


def _fields(heading: str, model: str) -> str:
    schema = shapes.document()["components"]["schemas"][f"management.{model}"]
    rows = shapes.rows(list(shapes.fields(schema)), requests=False)
    return page(heading, table(("field", "type", "limits", "description"), rows))


def _test_text() -> str:
    return paragraph(
        "A message without an event, which `POST /api/v1/webhooks/{id}/test` and a button of the"
        " console send."
    )


def _deliveries() -> str:
    *pauses, last = map(_duration, PAUSES)
    return page(
        "## Deliveries",
        paragraph(
            "Messages of one webhook are sent one after another, in the order of the changes. An"
            " answer with a 2xx status within 15 seconds confirms a message. Otherwise it is sent"
            f" again after {', '.join(pauses)}, and then every {last}; the messages behind it"
            f" wait. After {GIVEN_UP_AFTER // 86400} days without success the webhook is disabled,"
            " and the overview says so. Enabling it continues where it stopped."
        ),
    )


def _duration(seconds: int) -> str:
    for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "at once"
