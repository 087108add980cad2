"""Delivers events to webhooks: in order, with retries, one process at a time."""

import asyncio
import contextlib
import hmac
import logging
import time
from dataclasses import dataclass, replace

import orjson
from standardwebhooks.webhooks import Webhook as Signer

from muster.access.audit_notes import Administrator
from muster.access.origins import CredentialOrigins
from muster.base import clock
from muster.base.clock import timestamp
from muster.directory.history.events import Event, events
from muster.events.reach import changes_after, latest, names_of, workspace_of
from muster.events.webhooks.endpoints import GAVE_UP, Webhook, Webhooks
from muster.events.webhooks.sender import Sender, SendResult
from muster.scim.errors import ScimError
from muster.storage.background import log_and_continue
from muster.storage.port.accounts import Workspace
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Storage
from muster.storage.port.errors import StorageError
from muster.storage.records.leases import Leases
from muster.storage.records.webhooks import Delivery, State, WebhookStates

PAUSES = (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600)
"""The seconds between consecutive attempts; the last value repeats."""
GIVEN_UP_AFTER = 3 * 24 * 3600
"""The seconds without a successful delivery after which a webhook is disabled."""
TEST = "webhook.test"
"""The type of the events that administrators send to try a webhook."""
_LOOK_SECONDS = 5.0
_ASK_SECONDS = 0.5
_HELD_SECONDS = 60
_ROWS = 50
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a webhook.

    Attributes:
        id: The same for all attempts at one event.
        type: The type of the event.
        sequence: The sequence number of the change; 0 for a test.
        part: The number of the event among those of the change.
        body: The JSON that is sent and signed.
    """

    id: str
    type: str
    sequence: int
    part: int
    body: bytes


class Deliverer:
    """Runs a delivery task for each webhook whose lease this process holds.

    Attributes:
        base: The URL that ends in /scim/v2, for references in events; empty if not configured.
    """

    def __init__(
        self,
        storage: Storage,
        webhooks: Webhooks,
        states: WebhookStates,
        sender: Sender,
        leases: Leases,
        base: str = "",
    ) -> None:
        self._storage = storage
        self._webhooks = webhooks
        self._states = states
        self._sender = sender
        self._leases = leases
        self._origins = CredentialOrigins(storage)
        self.base = base
        self._tasks: dict[tuple[int, str], asyncio.Task[None]] = {}
        self._held_until: dict[tuple[int, str], float] = {}

    async def run(self) -> None:
        """Start and stop delivery tasks as webhooks change, until cancelled."""
        epoch = -1
        looked = 0.0
        while True:
            moment = time.monotonic()
            with log_and_continue("find webhooks to deliver"):
                if self._storage.epoch() != epoch or moment - looked > _HELD_SECONDS / 2:
                    epoch, looked = self._storage.epoch(), moment
                    await self._look()
            await asyncio.sleep(_ASK_SECONDS)

    async def close(self) -> None:
        """Stop all tasks and release their leases, so that another process can continue."""
        for task in self._tasks.values():
            task.cancel()
        for (workspace, webhook_id), task in self._tasks.items():
            with contextlib.suppress(asyncio.CancelledError):
                await task
            with contextlib.suppress(StorageError):
                await self._leases.release(workspace, _lease(webhook_id))
        await self._sender.close()

    async def _look(self) -> None:
        """Start tasks for the enabled webhooks and cancel the others."""
        wanted = await self._webhooks.enabled()
        for key in self._tasks.keys() - wanted:
            self._tasks.pop(key).cancel()
        for key in wanted:
            if key not in self._tasks or self._tasks[key].done():
                workspace = await workspace_of(self._storage, key[0])
                if workspace is not None:
                    self._tasks[key] = asyncio.create_task(self._serve(workspace, key[1]))

    async def _serve(self, workspace: Workspace, webhook_id: str) -> None:
        """Deliver events to one webhook while this process holds its lease."""
        while True:
            try:
                held = await self._hold(workspace.id, webhook_id) > 0
                state = await self._states.state(workspace.id, webhook_id) if held else None
                if state is None or state.due > clock.milliseconds():
                    wait = (
                        _LOOK_SECONDS
                        if state is None
                        else min(_LOOK_SECONDS, (state.due - clock.milliseconds()) / 1000)
                    )
                    await asyncio.sleep(max(_ASK_SECONDS, wait))
                    continue
                webhook = await self._webhooks.get(workspace.id, webhook_id)
                if webhook.disabled is not None:
                    return
                if not await self._step(workspace, webhook, state):
                    await asyncio.sleep(_ASK_SECONDS)
            except ScimError:
                return  # the webhook was removed
            except StorageError as error:
                _log.warning("webhook %s: %s", webhook_id, error)
                await asyncio.sleep(_LOOK_SECONDS)

    async def _hold(self, workspace_id: int, webhook_id: str) -> float:
        """Take or renew the lease of a webhook.

        Returns:
            The remaining seconds of the lease; 0 if another process holds it.
        """
        key = (workspace_id, webhook_id)
        asked = time.monotonic()
        if self._held_until.get(key, 0.0) - asked < _HELD_SECONDS / 2:
            self._held_until.pop(key, None)
            if not await self._leases.take(workspace_id, _lease(webhook_id), _HELD_SECONDS):
                return 0.0
            self._held_until[key] = asked + _HELD_SECONDS
        return max(0.0, self._held_until[key] - time.monotonic())

    async def _advance(self, webhook: Webhook, before: State, after: State) -> bool:
        """Store the new position of a webhook.

        Returns:
            False if this process has lost the lease and must stop delivering.
        """
        lease = (_lease(webhook.id), self._leases.owner)
        held = await self._hold(webhook.workspace, webhook.id) > 0
        if held and await self._states.advance(webhook.workspace, webhook.id, before, after, lease):
            return True
        self._held_until.pop((webhook.workspace, webhook.id), None)
        return False

    async def _step(self, workspace: Workspace, webhook: Webhook, state: State) -> bool:
        """Deliver the pending events, up to the first failure.

        Two processes never deliver to a webhook at once: every request ends before the lease does,
        and a process that was suspended meanwhile cannot store its position and stops.

        Returns:
            Whether any change was pending.
        """
        if await latest(self._storage, workspace.id) <= state.position:
            return False
        begun = time.monotonic()
        for change in await changes_after(self._storage, workspace.id, state.position, _ROWS):
            for part, event in enumerate(events(change, self.base)):
                if part < state.part or not webhook.wants(event.type):
                    continue
                answer = await self._deliver_held(webhook, event, part, state.attempts + 1)
                if answer is None:
                    return True
                if not answer.arrived:
                    await self._failed(workspace, webhook, replace(state, part=part), state, answer)
                    return True
                after = State(state.position, part + 1)
                if not await self._advance(webhook, state, after):
                    return True
                state = after
            after = State(change.sequence)
            if not await self._advance(webhook, state, after):
                return True
            state = after
            if time.monotonic() - begun > _HELD_SECONDS / 4:
                break
        return True

    async def _deliver_held(
        self, webhook: Webhook, event: Event, part: int, attempt: int
    ) -> SendResult | None:
        """Deliver one event within the lease; None if the lease is lost or ends too soon."""
        left = await self._hold(webhook.workspace, webhook.id)
        if left <= 0:
            return None
        try:
            async with asyncio.timeout(left):
                return await self.deliver(webhook, event, part, attempt)
        except TimeoutError:
            return None

    async def _failed(
        self, workspace: Workspace, webhook: Webhook, at: State, before: State, answer: SendResult
    ) -> None:
        moment = clock.milliseconds()
        since = before.failing_since or moment
        pause = PAUSES[min(before.attempts, len(PAUSES) - 1)]
        after = State(at.position, at.part, before.attempts + 1, moment + pause * 1000, since)
        if not await self._advance(webhook, before, after):
            return
        if moment - since > GIVEN_UP_AFTER * 1000:
            why = (
                f"{GAVE_UP} for {GIVEN_UP_AFTER // 3600} hours:"
                f" {answer.error or f'status {answer.status}'}"
            )
            origin = ChangeOrigin("webhooks", "", timestamp())
            await self._webhooks.disable(Administrator(workspace, origin, ()), webhook, why)

    async def deliver(self, webhook: Webhook, event: Event, part: int, attempt: int) -> SendResult:
        """Deliver one event and log the attempt."""
        return await self._send(webhook, await self._message(webhook, event, part), attempt)

    async def test(self, webhook: Webhook) -> SendResult:
        """Send a message of the type webhook.test, which no change causes, and log the attempt."""
        return await self._send(webhook, await self._test_message(webhook, timestamp()), 1)

    async def event(self, workspace: int, sequence: int, part: int) -> Event | None:
        """Return an event of a change; None if the change is no longer stored."""
        for change in await changes_after(self._storage, workspace, sequence - 1, 1):
            for number, event in enumerate(events(change, self.base)):
                if change.sequence == sequence and number == part:
                    return event
        return None

    async def sent(self, webhook: Webhook, delivery: Delivery) -> Message | None:
        """Return the message of a logged attempt; None if its change is no longer stored."""
        if delivery.event == TEST:
            return await self._test_message(webhook, delivery.time)
        event = await self.event(webhook.workspace, delivery.sequence, delivery.part)
        return None if event is None else await self._message(webhook, event, delivery.part)

    async def resend(self, webhook: Webhook, delivery: Delivery) -> SendResult | None:
        """Send the event of a logged attempt again; None if its change is no longer stored."""
        if delivery.event == TEST:
            return await self.test(webhook)
        message = await self.sent(webhook, delivery)
        return None if message is None else await self._send(webhook, message, 1)

    async def _message(self, webhook: Webhook, event: Event, part: int) -> Message:
        change = event.change
        origins = await self._origins.of(change.workspace or webhook.workspace)
        data = event.to_json(origins.of_actor(event.actor))
        if change.workspace:
            names = await names_of(self._storage, {change.workspace})
            data = {"workspace": names.get(change.workspace, ""), **data}
        body = {"type": event.type, "timestamp": change.origin.time, "data": data}
        at = (change.sequence, change.origin.time, part)
        message_id = _message_id(await self._storage.signing_secret(), webhook, *at)
        return Message(message_id, event.type, change.sequence, part, orjson.dumps(body))

    async def _test_message(self, webhook: Webhook, time: str) -> Message:
        data = {"type": TEST, "time": time, "webhook": webhook.id}
        body = orjson.dumps({"type": TEST, "timestamp": time, "data": data})
        message_id = _message_id(await self._storage.signing_secret(), webhook, 0, time, 0)
        return Message(message_id, TEST, 0, 0, body)

    async def _send(self, webhook: Webhook, message: Message, attempt: int) -> SendResult:
        """POST a message, signed with each current secret, and log the attempt."""
        moment = clock.now()
        signatures = [
            Signer(secret).sign(message.id, moment, message.body.decode())
            for secret in await self._webhooks.secrets(webhook)
        ]
        headers: dict[bytes | str, bytes | str] = {
            "content-type": "application/json",
            "user-agent": "muster-webhooks",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        answer = await self._sender.post(webhook.url, headers, message.body)
        ended = (attempt, answer.status, answer.error, answer.milliseconds)
        sent = (message.sequence, message.part, message.type, timestamp(moment))
        delivery = Delivery(clock.microseconds(), *sent, *ended)
        await self._states.log(webhook.workspace, webhook.id, delivery)
        return answer


def _lease(webhook_id: str) -> str:
    return f"webhook {webhook_id}"


def _message_id(secret: bytes, webhook: Webhook, sequence: int, time: str, part: int) -> str:
    """Return an id that is the same for all attempts at one event and unique to it.

    It is a MAC of the sequence number of the change. The number itself would reveal the volume of
    changes in other workspaces.
    """
    named = f"{webhook.workspace} {webhook.id} {sequence} {time} {part}"
    return f"msg_{webhook.id}_{hmac.digest(secret, named.encode(), 'sha256').hex()[:32]}"
