"""The deliverer: one process at a time, retries, and giving up."""

import asyncio
import itertools

import pytest

from muster.access.audit_notes import Administrator
from muster.access.registries import Registries
from muster.directory.caller import Caller
from muster.directory.service import Directory
from muster.events.webhooks import deliverer
from muster.events.webhooks.deliverer import GIVEN_UP_AFTER, PAUSES, Deliverer
from muster.events.webhooks.endpoints import Webhooks
from muster.events.webhooks.sender import SendResult
from muster.scim.schema.model import USER, registry
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import StorageError
from muster.storage.records.leases import Leases
from muster.storage.records.webhooks import State, WebhookStates
from muster.storage.repair.derived import bound
from muster.storage.sqlite import SqliteStorage

NOW = "2026-01-01T00:00:00.000Z"


class Recorder:
    """A receiver that keeps its requests and answers a status."""

    def __init__(self, status):
        self.status = status
        self.got = []

    async def post(self, url, headers, body):
        self.got.append(headers["webhook-id"])
        return SendResult(self.status, None, 1)

    async def close(self):
        pass


class Here:
    """A storage with a webhook, and users made after it."""

    async def start(self, path):
        self.storage = SqliteStorage(str(path))
        await self.storage.migrate()
        await self.storage.start()
        self.workspace = await self.storage.add_workspace("w", "rfc7644", False, NOW)
        self.states = WebhookStates(self.storage)
        self.webhooks = Webhooks(self.storage, Registries(self.storage), self.states, True)
        self.by = Administrator(self.workspace, ChangeOrigin("admin", "", NOW), ())
        self.hook = await self.webhooks.create(self.by, {"url": "http://x/"}, 0)
        self.directory = Directory(self.storage)
        return self

    async def user(self, name):
        caller = Caller(self.workspace, "key:k", "r")
        return await self.directory.create(
            caller, registry().types["/Users"], {"schemas": [USER], "userName": name}
        )

    def deliverer(self, sender):
        return Deliverer(self.storage, self.webhooks, self.states, sender, Leases(self.storage))

    async def until(self, test, *running):
        tasks = [asyncio.create_task(item.run()) for item in running]
        try:
            async with asyncio.timeout(30):
                while not await test():
                    await asyncio.sleep(0.02)
        finally:
            for task in tasks:
                task.cancel()
            for item in running:
                await item.close()


@pytest.fixture
def run(tmp_path):
    def runner(work):
        async def session():
            here = await Here().start(tmp_path / "m.db")
            try:
                return await work(here)
            finally:
                await here.storage.close()

        return asyncio.run(session())

    return runner


def test_only_one_of_several_processes_delivers(run):
    async def work(here):
        sender = Recorder(200)
        for n in range(20):
            await here.user(f"u{n}")
        several = [here.deliverer(sender) for _ in range(4)]

        async def done():
            return len(sender.got) >= 20

        await here.until(done, *several)
        return sender.got

    got = run(work)
    assert len(got) == len(set(got)) == 20


def test_another_process_continues_after_a_crash(run):
    async def work(here):
        sender = Recorder(200)
        first = here.deliverer(sender)
        await here.user("a")

        async def recorded():
            state = await here.states.state(1, here.hook.id)
            return state.position == await here.storage.latest_change(here.workspace.id)

        await here.until(recorded, first)
        await here.user("b")
        await here.until(lambda: _seen(sender, 2), here.deliverer(sender))
        return sender.got, await here.states.state(1, here.hook.id)

    got, state = run(work)
    assert len(got) == len(set(got)) == 2
    assert state.attempts == 0


async def _seen(sender, number):
    return len(sender.got) >= number


def test_a_lease_belongs_to_one_process_until_it_expires(run, clock):
    async def work(here):
        one, other = Leases(here.storage), Leases(here.storage)
        taken = [
            await one.take(1, "x", 1),
            await other.take(1, "x", 1),
            await other.take(1, "y", 1),
            await one.take(1, "x", 2),
        ]
        clock.advance(seconds=1.5)
        taken.append(await other.take(1, "x", 1))
        clock.advance(seconds=0.6)
        taken += [await other.take(1, "x", 1), await one.take(1, "x", 1)]
        await other.release(1, "x")
        return [*taken, await one.take(1, "x", 1)]

    assert run(work) == [True, False, True, True, False, True, False, True]


def test_retry_pauses_grow_until_the_webhook_is_disabled(run, clock):
    async def work(here):
        await here.user("a")
        made, pauses = here.deliverer(Recorder(503)), []
        begun = clock.moment
        while (await here.webhooks.get(1, here.hook.id)).disabled is None:
            state = await here.states.state(1, here.hook.id)
            await made._step(here.workspace, here.hook, state)
            after = await here.states.state(1, here.hook.id)
            pauses.append((after.due - clock.milliseconds) // 1000)
            clock.advance(milliseconds=max(after.due - clock.milliseconds, 1))
            made._held_until.clear()  # the lease ends by the clock, and so it is taken again
        rows = await here.storage.changes(1, 0, 100)
        return (
            pauses[:-1],
            (clock.moment - begun).total_seconds(),
            rows[-1],
            (await here.webhooks.get(1, here.hook.id)).disabled,
        )

    pauses, seconds, last, why = run(work)
    assert pauses[: len(PAUSES)] == list(PAUSES)
    assert pauses[len(PAUSES) :] == [PAUSES[-1]] * (len(pauses) - len(PAUSES))
    assert GIVEN_UP_AFTER <= seconds <= GIVEN_UP_AFTER + 2 * PAUSES[-1]
    assert (last.type, last.action, last.origin.actor) == ("Webhook", "disable", "webhooks")
    assert "status 503" in why


def test_old_deliveries_are_deleted(run, monkeypatch):
    async def work(here):
        monkeypatch.setattr("muster.storage.records.webhooks.KEPT", 3)
        made = here.deliverer(Recorder(200))
        await here.user("a")
        change = (await here.storage.changes(1, 0, 9))[-1]
        from muster.directory.history.events import events

        for _ in range(6):
            await made.deliver(here.hook, next(events(change)), 0, 1)
        return await here.states.deliveries(1, here.hook.id, 100)

    assert len(run(work)) == 3


def test_a_position_never_moves_back(run):
    async def work(here):
        state = await here.states.state(1, here.hook.id)
        await here.states.begin(1, here.hook.id, 7)
        await here.states.advance(1, here.hook.id, state, State(99))
        return await here.states.state(1, here.hook.id)

    assert run(work).position == 7


class Taking(Recorder):
    """Lets another process take over during the first message, as if suspended."""

    def __init__(self, here):
        super().__init__(200)
        self.here = here

    async def post(self, url, headers, body):
        if not self.got:
            statement = bound("UPDATE leases SET owner = $1 WHERE workspace = $2", "another", 1)
            await self.here.storage.transact(1, [statement])
        return await super().post(url, headers, body)


@pytest.mark.parametrize("status", [200, 500])
def test_a_process_without_the_lease_sends_and_stores_nothing(run, status):
    async def work(here):
        for n in range(3):
            await here.user(f"u{n}")
        sender = Taking(here)
        sender.status = status
        await here.deliverer(sender)._step(
            here.workspace, here.hook, await here.states.state(1, here.hook.id)
        )
        return sender.got, await here.states.state(1, here.hook.id)

    got, after = run(work)
    assert len(got) == 1
    assert after == State(1)  # the change that made the webhook has no event, and is behind it


class Slow(Recorder):
    """Answers slowly, and counts the messages in progress at a time."""

    def __init__(self):
        super().__init__(200)
        self.under_way = self.most = 0

    async def post(self, url, headers, body):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(next(self.seconds))
            return await super().post(url, headers, body)
        finally:
            self.under_way -= 1

    seconds = itertools.cycle((0.0, 0.5, 0.1, 1.0, 0.25, 0.0))


def test_messages_to_one_webhook_never_overlap(run, monkeypatch):
    monkeypatch.setattr(deliverer, "_HELD_SECONDS", 0.4)
    monkeypatch.setattr(deliverer, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(deliverer, "_ASK_SECONDS", 0.02)

    async def work(here):
        for n in range(6):
            await here.user(f"u{n}")
        sender = Slow()
        several = [here.deliverer(sender) for _ in range(3)]

        async def done():
            return len(set(sender.got)) >= 6

        await here.until(done, *several)
        return sender.most

    assert run(work) == 1


def test_every_event_has_a_unique_id(run):
    """Notes have no version: two holds of one user were told apart by nothing."""

    async def work(here):
        sender = Recorder(200)
        origin = ChangeOrigin("key:k", "r", NOW)
        user = await here.user("a")
        for _ in range(3):
            await here.storage.record([Note(1, origin, "User", user.id, "hold", b"{}")])
        made = here.deliverer(sender)
        for _ in range(2):
            await made._step(here.workspace, here.hook, State(0))
            await here.states.begin(1, here.hook.id, 0)
        return sender.got

    got = run(work)
    assert len(got) == 8
    assert len(set(got)) == 4
    assert got[:4] == got[4:]


def test_an_unreadable_workspace_does_not_stop_other_webhooks(run):
    """A workspace is unreachable while its machine is down."""

    async def work(here):
        away = await here.storage.add_workspace("away", "rfc7644", False, NOW)
        items = here.storage.items

        async def unreachable(workspace, kind):
            if workspace == away.id:
                raise StorageError("the database cannot be reached")
            return await items(workspace, kind)

        here.storage.items = unreachable
        sender = Recorder(200)
        await here.user("a")
        await here.until(lambda: _seen(sender, 1), here.deliverer(sender))
        return len(sender.got)

    assert run(work) == 1


def test_delivery_continues_while_webhooks_cannot_be_listed(run, monkeypatch):
    async def work(here):
        sender = Recorder(200)
        sending = here.deliverer(sender)
        await here.user("a")

        async def looked_in_vain():
            if not sender.got:
                return False
            task = next(iter(sending._tasks.values()))

            async def unreachable(*_):
                raise StorageError("the database cannot be reached")

            monkeypatch.setattr(here.storage, "items_of_workspaces", unreachable)
            with pytest.raises(StorageError):
                await sending._look()
            return next(iter(sending._tasks.values())) is task and not task.cancelled()

        await here.until(looked_in_vain, sending)
        return len(sender.got)

    assert run(work) == 1
