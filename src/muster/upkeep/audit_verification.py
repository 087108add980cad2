"""`muster audit verify`: whether the chain of each workspace's changes holds."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from muster.storage.audit.chain import CHAIN_ROWS, chain_hash
from muster.storage.port.engine import Storage
from muster.storage.port.items import INSTALLATION, TRIM_ID, TRIM_KIND
from muster.storage.repair.derived import bound

_CHUNK = 2000
_BEFORE = "SELECT count(*) FROM changes WHERE workspace = $1 AND sequence <= $2"


@dataclass(slots=True)
class Verified:
    """What was looked at: rows that are linked, rows from before the chain begins, and breaks."""

    rows: int = 0
    unlinked: int = 0
    broken: int = 0


async def verify(storage: Storage, say: Callable[[str], object]) -> Verified:
    """Follow the chain of every workspace, and say where it breaks.

    Each row's hash is of itself and of the hash before it. Where rows were trimmed, the chain begins at the mark that was kept
    then. Without a mark the first row may follow one that is not there: its own hash is taken as it is, what follows proves it.
    """
    found = Verified()
    names = {INSTALLATION: "the installation"} | {
        workspace.id: workspace.name for workspace in await storage.workspaces()
    }
    for workspace, name in names.items():
        async for sequence in _breaks(storage, workspace, found):
            found.broken += 1
            say(
                f"{name}: the chain breaks at change {sequence}: this row or one before it was modified"
            )
    return found


async def _breaks(storage: Storage, workspace: int, found: Verified) -> AsyncIterator[int]:
    mark = await storage.item(workspace, TRIM_KIND, TRIM_ID)
    start = 0 if mark is None else mark.body["sequence"]
    previous = (
        None if mark is None or mark.body["chain"] is None else bytes.fromhex(mark.body["chain"])
    )
    follows = previous is not None
    """Whether the row before is one of the chain."""
    found.unlinked += (await storage.query(bound(_BEFORE, workspace, start)))[0][0]
    async for sequence, chain, row in _rows(storage, workspace, start):
        if chain is None and not follows:
            found.unlinked += 1
            continue
        found.rows += 1
        whole = chain == chain_hash(previous, row)
        if chain is None or (not whole and (follows or found.unlinked)):
            yield sequence
        previous, follows = chain, True


async def _rows(
    storage: Storage, workspace: int, after: int
) -> AsyncIterator[tuple[int, bytes | None, list[object]]]:
    """The rows of a workspace after one, in order: the sequence number, the hash, and what it is made from."""
    while rows := await storage.query(bound(CHAIN_ROWS, workspace, after, _CHUNK)):
        for sequence, chain, *row in rows:
            after = sequence
            yield sequence, None if chain is None else bytes(chain), row
