"""`muster audit verify`: verifies the hash chain of each workspace's changes."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from muster.storage.audit.chain import CHAIN_ROWS, FORGOTTEN, chain_hash, gaps_of
from muster.storage.port.engine import Storage
from muster.storage.port.items import INSTALLATION, TRIM_ID, TRIM_KIND
from muster.storage.repair.derived import bound

_CHUNK = 2000
_BEFORE = "SELECT count(*) FROM changes WHERE workspace = $1 AND sequence <= $2"


@dataclass(slots=True)
class Verification:
    """The figures of a verification.

    Attributes:
        rows: Rows whose hash was verified.
        unlinked: Rows without a hash, from before the chain was introduced, and trimmed rows.
        broken: Breaks in the chain.
    """

    rows: int = 0
    unlinked: int = 0
    broken: int = 0


async def verify(storage: Storage, say: Callable[[str], object]) -> Verification:
    """Verify the chain of every workspace, and report each break as a line.

    Each hash covers its row and the hash before it. If rows were trimmed, verification starts at
    the hash of the last trimmed row, which was stored. Where rows of an erased resource are
    missing, it continues over their hashes, which a later row of the chain records.
    """
    found = Verification()
    names = {INSTALLATION: "the installation"} | {
        workspace.id: workspace.name for workspace in await storage.workspaces()
    }
    for workspace, name in names.items():
        async for sequence in _breaks(storage, workspace, found):
            found.broken += 1
            say(
                f"{name}: the chain breaks at change {sequence}: this change, or an earlier one,"
                " was altered or removed"
            )
    return found


async def _breaks(storage: Storage, workspace: int, found: Verification) -> AsyncIterator[int]:
    mark = await storage.item(workspace, TRIM_KIND, TRIM_ID)
    start = 0 if mark is None else mark.body["sequence"]
    previous = (
        None if mark is None or mark.body["chain"] is None else bytes.fromhex(mark.body["chain"])
    )
    # Rows without a hash can only come before the chain. Its first row follows no hash.
    linked = previous is not None
    found.unlinked += (await storage.query(bound(_BEFORE, workspace, start)))[0][0]
    notes = await storage.query(bound(FORGOTTEN, workspace))
    gaps = deque(gap for gap in gaps_of(note[0] for note in notes) if gap.sequence > start)
    async for sequence, chain, row in _rows(storage, workspace, start):
        while gaps and gaps[0].sequence < sequence:
            gap = gaps.popleft()
            if previous not in (gap.chain, gap.previous):
                yield gap.sequence
            previous, linked = gap.chain, True
        if chain is None and not linked:
            found.unlinked += 1
            continue
        found.rows += 1
        if chain != chain_hash(previous, row):
            yield sequence
        previous, linked = chain, True


async def _rows(
    storage: Storage, workspace: int, after: int
) -> AsyncIterator[tuple[int, bytes | None, list[object]]]:
    """Yield the rows of a workspace: sequence number, hash, and hashed columns."""
    while rows := await storage.query(bound(CHAIN_ROWS, workspace, after, _CHUNK)):
        for sequence, chain, *row in rows:
            after = sequence
            yield sequence, None if chain is None else bytes(chain), row
