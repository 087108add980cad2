"""Send generated documents and compare the results with the oracle's."""

import asyncio

from tests.oracles import whole
from tests.oracles.examples import random_of, smallest_of
from tests.oracles.ground import Ground, fault, shown, told
from tests.oracles.make_patches import Maker, less, start_any


async def fault_of(ground: Ground, name: str, start, make) -> str | None:
    """Send a POST (start is None) or a PUT and compare the answer with its prediction.

    make generates the document from the resource as GET shows it.
    """
    kind, ask = ground.kinds[name], ground.space.ask
    if start is None:
        before, after = None, None
        body = ground.fresh(make({}))
        answer = await ask("POST", kind.endpoint, body)
        if answer.status == 201:
            after = await ask("GET", f"{kind.endpoint}/{answer.json['id']}")
    else:
        path, before = await ground.start(name, start)
        body = make(before.json)
        answer, after = await ask("PUT", path, body), await ask("GET", path)
    was = None if before is None else before.json
    right = await asyncio.to_thread(
        whole.predict, was, body, kind, ground.space.strict, ground.people, ground.taken
    )
    found = fault(before, answer, after, right)
    if found is None:
        return None
    return found + (told(POST=body) if was is None else told(on=shown(was), PUT=body))


async def fault_of_case(ground: Ground, number: int) -> str | None:
    """Run a case. Returns the fault of the smallest failing case, or None."""
    rng = random_of(number)
    name, start = start_any(rng, ground.kinds, ground.people, number)
    kind = ground.kinds[name]
    first, made = None if rng.random() < 0.5 else start, {}

    def make(document):
        base = document or start
        made["body"] = Maker(rng, kind, base, ground.people).body(base)
        return made["body"]

    def again(body):
        return fault_of(ground, name, first, lambda before: renamed(body, before))

    if await fault_of(ground, name, first, make) is None:
        return None
    return await again(await smallest_of(made["body"], less, again)) or "not seen again"


def renamed(body, before):
    """Adapt a document to another resource: give it the user name of that one."""
    own = isinstance(body.get("userName"), str) and body["userName"].startswith("user-")
    return body | {"userName": before["userName"]} if own and "userName" in before else body
