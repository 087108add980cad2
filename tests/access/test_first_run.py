"""The first key and invitation if several replicas start at once."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from muster.access.administrators import (
    EVERYWHERE,
    INVITATION_KIND,
    Administrators,
    all_permissions,
)
from muster.access.first_run import first_invitation, first_key
from muster.access.invitations import Invitations
from muster.access.keys import Keys
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.items import INSTALLATION
from tests.storage.conftest import ENGINES, Bench

HERE = ChangeOrigin("test", "request", "2026-01-01T00:00:00.000Z", "127.0.0.1")


@pytest.fixture(params=list(ENGINES))
def here(request):
    with tempfile.TemporaryDirectory() as folder:
        made = Bench(ENGINES[request.param](Path(folder)))
        yield made
        made.close()


class Starting:
    """The storage of one replica; each replica waits until all have read as much.

    A replica that reads something again, because another was first, does not wait.
    """

    def __init__(self, storage, barrier):
        self.storage = storage
        self.barrier = barrier
        self.read = set()

    def __getattr__(self, name):
        return getattr(self.storage, name)

    async def keys(self, workspace):
        found = await self.storage.keys(workspace)
        await self._meet("keys")
        return found

    async def items(self, workspace, kind):
        found = await self.storage.items(workspace, kind)
        await self._meet(kind)
        return found

    async def _meet(self, what):
        if what not in self.read:
            self.read.add(what)
            await self.barrier.wait()


def together(here, start, number=4):
    """Start replicas at the same moment; return their results."""

    async def run():
        barrier = asyncio.Barrier(number)
        return await asyncio.gather(
            *(start(Starting(here.storage, barrier)) for _ in range(number))
        )

    return [found for found in here.run(run()) if found is not None]


def invited(here):
    return here.run(here.storage.items(INSTALLATION, INVITATION_KIND))


def test_concurrent_starts_create_one_first_key(here):
    tokens = together(here, lambda storage: first_key(storage, Keys(storage), here.workspace))
    assert len(tokens) == len(here.run(here.storage.keys(here.workspace.id))) == 1
    assert here.run(Keys(here.storage).check(tokens[0])).permissions == ("Admin",)
    assert here.run(first_key(here.storage, Keys(here.storage), here.workspace)) is None


def test_concurrent_starts_create_one_first_invitation(here):
    tokens = together(here, lambda storage: first_invitation(storage, Administrators(storage)))
    assert len(tokens) == len(invited(here)) == 1
    invitations = Invitations(here.storage, Administrators(here.storage))
    assert here.run(invitations.find(tokens[0])).place == EVERYWHERE


def test_a_new_first_invitation_is_created_after_the_first_expires(here, clock):
    administrators, now = Administrators(here.storage), clock.moment
    made = []
    for minutes in (0, 59, 61, 62):
        clock.moment = now + timedelta(minutes=minutes)
        made.append(here.run(first_invitation(here.storage, administrators)))
    assert [token is not None for token in made] == [True, False, True, False]


def test_no_first_key_or_invitation_if_one_exists(here):
    here.run(Keys(here.storage).create(here.workspace, "k"))
    here.run(
        Administrators(here.storage).create(
            "ada@example.com", "correct horse battery", all_permissions(), HERE
        )
    )
    assert here.run(first_key(here.storage, Keys(here.storage), here.workspace)) is None
    assert here.run(first_invitation(here.storage, Administrators(here.storage))) is None
