"""Bulk requests carried out: each operation alone, and at once what does not depend on each other, to share commits."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from muster.directory.groups.memberships import tag_of
from muster.directory.service import Caller, Directory, Precondition
from muster.scim.bounds import LARGE_BODY
from muster.scim.bulk import Operation, RefusedOperation
from muster.scim.errors import ScimError, invalid_path, invalid_value, too_many
from muster.scim.etag import read_etag
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.errors import StorageError
from muster.storage.port.resources import Stored

MAX_CIRCLE = 100
"""How many operations may refer to each other in a circle: each is written twice, by itself."""
_AT_ONCE = 200


@dataclass(slots=True)
class Result:
    """What came of an operation. stored: the resource, as it stands or as it stood; error: why it was not carried out."""

    operation: Operation | RefusedOperation
    resource_type: ResourceType | None = None
    stored: Stored | None = None
    error: Exception | None = None


async def carry_out(
    directory: Directory,
    caller: Caller,
    operations: list[Operation | RefusedOperation],
    fail_on_errors: int | None,
) -> list[Result]:
    """The results of operations, in their order; after too many errors the rest is not carried out, and has no result."""
    run = _Run(directory, caller, operations)
    return await run.all(fail_on_errors)


class _Run:
    """Executes a bulk request as a dependency graph.

    An operation that refers to `bulkId:x` depends on the POST that creates x. Each round runs the operations whose dependencies
    are done, in request order, batching neighbours of the same method so that they share a commit.

    POSTs that depend on each other (two users who manage each other) form a circle. A circle is carried out as RFC 7644
    section 3.7.1 suggests, once everything else it depends on is done: every resource is created without the references that lead
    back into the circle, and then replaced by its full document. Each POST of a circle depends on all others, so if one fails all
    of them fail, and the resources created so far are deleted again.
    """

    def __init__(
        self, directory: Directory, caller: Caller, operations: list[Operation | RefusedOperation]
    ) -> None:
        self._directory = directory
        self._caller = replace(caller, body_bytes=0)
        self._is_large = caller.body_bytes > LARGE_BODY
        self._operations = operations
        self._results: dict[int, Result] = {}
        self._ids: dict[str, str] = {}
        self._makers: dict[str, int] = {}
        for number, operation in enumerate(operations):
            if isinstance(operation, Operation) and operation.bulk_id is not None:
                if operation.method == "POST":
                    self._makers[operation.bulk_id] = number
                elif not operation.refers:
                    self._ids[operation.bulk_id] = operation.target
        self._waits: dict[int, set[str]] = {}
        """What each operation refers to and is still to be made, and the other way round."""
        self._awaited: dict[str, list[int]] = {}
        for number, operation in enumerate(operations):
            refers = operation.refers if isinstance(operation, Operation) else ()
            self._waits[number] = {bulk_id for bulk_id in refers if bulk_id in self._makers}
            for bulk_id in self._waits[number]:
                self._awaited.setdefault(bulk_id, []).append(number)
        self._circles = list(
            _circles({number: self._depends_on(number) for number in self._makers.values()})
        )

    def _depends_on(self, number: int) -> list[int]:
        return [self._makers[bulk_id] for bulk_id in sorted(self._waits[number])]

    async def all(self, fail_on_errors: int | None) -> list[Result]:
        """Everything, in order, but that an operation waits for those that make what it refers to."""
        waiting = list(range(len(self._operations)))
        while waiting and (fail_on_errors is None or self._errors() < fail_on_errors):
            ready = None if fail_on_errors is None else self._next_circle(waiting[0])
            wave = (
                []
                if ready
                else next(
                    self._waves(self._ready(waiting), _AT_ONCE if fail_on_errors is None else 1), []
                )
            )
            if wave:
                await asyncio.gather(*(self._one(number) for number in wave))
            else:
                wave = ready or self._next_circle() or []
                self._circles.remove(wave)
                await (self._circle(wave) if len(wave) <= MAX_CIRCLE else self._refuse_circle(wave))
            done = set(wave)
            waiting = [number for number in waiting if number not in done]
        return [self._results[number] for number in sorted(self._results)]

    def _next_circle(self, first: int | None = None) -> list[int] | None:
        """The first circle that waits for nothing outside itself; with `first`, only if it has that operation."""
        for circle in self._circles:
            if first is None or first in circle:
                inside = {
                    operation.bulk_id
                    for n in circle
                    if isinstance(operation := self._operations[n], Operation)
                }
                if all(self._waits[number] <= inside for number in circle):
                    return circle
        return None

    def _errors(self) -> int:
        return sum(1 for result in self._results.values() if result.error is not None)

    def _ready(self, waiting: Iterable[int]) -> Iterator[int]:
        """The operations that refer to nothing that is still to be made, and whose resource no earlier one waits to change."""
        held: set[tuple[str, str]] = set()
        for number in waiting:
            operation = self._operations[number]
            if isinstance(operation, RefusedOperation):
                yield number
                continue
            target = (operation.endpoint, operation.target)
            if target not in held and not self._waits[number]:
                yield number
            elif operation.target:
                held.add(target)

    def _waves(self, ready: Iterable[int], most: int) -> Iterator[list[int]]:
        """Operations in order, as many together as may be carried out at once: of one method, each on another resource."""
        wave: list[int] = []
        method, targets = None, set[tuple[str, str]]()
        for number in ready:
            operation = self._operations[number]
            if isinstance(operation, RefusedOperation):
                wave.append(number)
                continue
            target = (operation.endpoint, operation.target)
            apart = method is not None and operation.method != method
            if wave and (apart or (operation.target and target in targets) or len(wave) == most):
                yield wave
                wave, targets = [], set()
            wave.append(number)
            targets.add(target)
            method = operation.method
        if wave:
            yield wave

    async def _refuse_circle(self, circle: Sequence[int]) -> None:
        """Refuse POSTs that refer to each other, since they are too many to create all of them or none."""
        for number in circle:
            text = f"a circle of references has {len(circle)} operations; the limit is {MAX_CIRCLE}"
            self._finish(number, Result(self._operations[number], error=too_many(text)))

    async def _circle(self, circle: Sequence[int]) -> None:
        """Carry out POSTs that refer to each other, all of them or none."""
        numbers = set(circle)
        inside = frozenset(bulk_id for bulk_id, number in self._makers.items() if number in numbers)
        results = [Result(self._operations[number]) for number in circle]
        for work in (lambda result: self._attempt(result, inside), self._complete):
            for result in results:
                if not any(other.error for other in results):
                    await work(result)
        if any(result.error for result in results):
            for result in results:
                await self._take_back(result)
        for number, result in zip(circle, results, strict=True):
            self._finish(number, result)

    async def _complete(self, result: Result) -> None:
        """Give a resource of a circle the references that were left out."""
        operation, resource_type, created = result.operation, result.resource_type, result.stored
        if not isinstance(operation, Operation) or resource_type is None or created is None:
            return
        try:
            data = self._resolved(operation)
            result.stored = await self._directory.replace(
                self._caller, resource_type, created.id, data, _any
            )
        except (ScimError, StorageError) as error:
            result.error = error

    async def _take_back(self, result: Result) -> None:
        """Delete a resource of a circle that failed. Its result is an error, which names the resource if it cannot be deleted.

        This deprovisions nobody: the resource is this request's own, and was never reported as created. So neither the guard nor
        the provisioning switches apply.
        """
        operation, resource_type, created = result.operation, result.resource_type, result.stored
        result.stored = None
        if result.error is None and isinstance(operation, Operation):
            named = ", ".join(
                f"{bulk_id!r}" for bulk_id in sorted(operation.refers & self._makers.keys())[:3]
            )
            result.error = ScimError(
                409, f"bulkId {named}: an operation in a circle of references with this one failed"
            )
        if created is None or resource_type is None or not isinstance(operation, Operation):
            return
        if operation.bulk_id is not None:
            self._ids.pop(operation.bulk_id, None)
        try:
            unguarded = replace(self._caller.workspace, automatic_deprovisioning=True)
            remover = replace(self._caller, workspace=unguarded, guarded=False)
            await self._directory.delete(remover, resource_type, created.id, _any)
        except (ScimError, StorageError) as error:
            if isinstance(error, ScimError) and error.status == 404:
                return  # another client was faster
            left = f"the {resource_type.name} {created.id} was created and could not be deleted again ({error})"
            result.error = ScimError(getattr(error, "status", 500), f"{result.error}; {left}")

    async def _one(self, number: int) -> None:
        """Carry out one operation."""
        result = Result(self._operations[number])
        await self._attempt(result)
        self._finish(number, result)

    async def _attempt(self, result: Result, later: frozenset[str] = frozenset()) -> None:
        """Carry out the operation of a result. later: the bulkIds whose references are left out."""
        operation = result.operation
        if isinstance(operation, RefusedOperation):
            result.error = operation.error
            return
        try:
            resource_type = result.resource_type = _type(operation)
            result.stored = await self._carried_out(operation, resource_type, later)
        except (ScimError, StorageError) as error:
            result.error = error
        else:
            if operation.bulk_id is not None:
                self._ids[operation.bulk_id] = result.stored.id

    def _finish(self, number: int, result: Result) -> None:
        """Keep a result, and let the operations go on that waited for it."""
        operation = self._operations[number]
        self._results[number] = result
        made = operation.bulk_id if self._makers.get(operation.bulk_id or "") == number else None
        for waiting in self._awaited.pop(made, ()) if made is not None else ():
            self._waits[waiting].discard(made)

    async def _carried_out(
        self, operation: Operation, resource_type: ResourceType, later: frozenset[str]
    ) -> Stored:
        check = _version(operation.version)
        target = operation.resolved_target(self._ids)
        if operation.method == "DELETE":
            return await self._directory.delete(self._caller, resource_type, target, check)
        data = self._resolved(operation, later)
        caller = self._caller
        if self._is_large:  # nearly all of it may be of one operation
            caller = replace(caller, body_bytes=len(orjson.dumps(data)))
        if operation.method == "POST":
            return await self._directory.create(caller, resource_type, data)
        change = self._directory.replace if operation.method == "PUT" else self._directory.patch
        return await change(caller, resource_type, target, data, check)

    def _resolved(self, operation: Operation, later: frozenset[str] = frozenset()) -> Json:
        """The data of an operation with ids for references, those of later left out. Raises ScimError where one leads nowhere."""
        for bulk_id in sorted(operation.refers - later):
            if bulk_id in self._makers and bulk_id not in self._ids:
                raise ScimError(409, f"bulkId {bulk_id!r} refers to an operation that failed")
            if bulk_id not in self._ids:
                raise invalid_value(f"bulkId {bulk_id!r}: no operation of the request has it")
        return operation.resolved_data(self._ids, later)


def _type(operation: Operation) -> ResourceType:
    if operation.resource_type is None:
        raise invalid_path(f"path: there is no resource type at {operation.endpoint[:100]!r}")
    return operation.resource_type


def _circles(edges: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """The circles of a graph, each after those that it leads to: the strongly connected components that have an edge inside.

    Tarjan's algorithm with a stack of its own, as a request may have a thousand operations in a row. order: the number of a node
    in the order in which they are found; low: the lowest such number that is reached from it within its component.
    """
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    component: list[int] = []
    pending: set[int] = set()
    for root in edges:
        path = [] if root in order else [(root, iter(edges[root]))]
        while path:
            node, following = path[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                component.append(node)
                pending.add(node)
            found = next(following, None)
            if found is not None:
                if found not in order:
                    path.append((found, iter(edges[found])))
                elif found in pending:
                    low[node] = min(low[node], order[found])
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[node])
            if low[node] == order[node]:
                start = component.index(node)
                circle = sorted(component[start:])
                del component[start:]
                pending.difference_update(circle)
                if len(circle) > 1 or node in edges[node]:
                    yield circle


def _any(_: Stored) -> None:
    """No condition."""


def _version(version: str | None) -> Precondition:
    """The condition that the resource is at a version."""
    if version is None:
        return _any
    wanted = read_etag(version)

    def check(standing: Stored) -> None:
        if tag_of(standing) != wanted:
            raise ScimError(412, f'the resource is at version W/"{tag_of(standing)}"')

    return check
