"""Send generated PATCH operations and compare the results with the oracle's."""

import asyncio

from tests.oracles import patch
from tests.oracles.examples import random_of, smallest_of
from tests.oracles.ground import Ground, fault, same, shown, told
from tests.oracles.make_patches import Maker, smaller, start_any

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


async def fault_of(ground: Ground, name: str, start, make) -> str | None:
    """Send a PATCH and compare the answer with its prediction.

    make generates the operations from the resource as GET shows it.
    """
    path, before = await ground.start(name, start)
    operations = make(before.json)
    message = {
        "schemas": [PATCH_OP],
        "Operations": [operation.message() for operation in operations],
    }
    answer, after = (
        await ground.space.ask("PATCH", path, message),
        await ground.space.ask("GET", path),
    )
    kind, strict = ground.kinds[name], ground.space.strict
    right = await asyncio.to_thread(
        patch.predict, before.json, operations, kind, strict, ground.people, ground.taken
    )
    found = fault(before, answer, after, right)
    if found is None and right is not None and is_idempotent(operations, right):
        again = await ground.space.ask("PATCH", path, message)
        second = patch.predict(after.json, operations, kind, strict, ground.people, ground.taken)
        refused = (
            again.status != 200 and fault(after, again, after, second) is None
        )  # no target is left
        if not refused and (again.status != 200 or not same(again.json, answer.json)):
            found = f"not the same a second time: {again.body.decode()}"
    return (
        None if found is None else found + told(on=shown(before.json), PATCH=message["Operations"])
    )


def is_idempotent(operations, right) -> bool:
    """Tell whether a second run must give the same result.

    That is left to single operations without a filter whose result is not open.
    """
    if len(operations) > 1 or len(right.documents) > 1 or right.errors:
        return False
    target = operations[0].target
    return not operations[0].keys and (target is None or target.inner is None)


async def fault_of_case(ground: Ground, number: int) -> str | None:
    """Run a case. Returns the fault of the smallest failing case, or None."""
    rng = random_of(number)
    name, start = start_any(rng, ground.kinds, ground.people, number)
    kind = ground.kinds[name]
    made = []

    def first(document):
        made[:] = Maker(rng, kind, document, ground.people).operations()
        return made

    def again(case):
        return fault_of(ground, name, case[0], lambda _: case[1])

    if await fault_of(ground, name, start, first) is None:
        return None
    return (
        await again(await smallest_of((start, made), lambda case: smaller(*case), again))
        or "not seen again"
    )
