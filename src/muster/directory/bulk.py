"""Bulk requests carried out: each operation alone, and at once what does not depend on each other, to share commits."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from muster.directory.memberships import tag_of
from muster.directory.service import Caller, Directory, Precondition
from muster.scim.bulk import Operation, Refused, resolved, without
from muster.scim.errors import ScimError, invalid_path, invalid_value
from muster.scim.schema import ResourceType
from muster.storage.port import StorageError, Stored

_AT_ONCE = 200


@dataclass(slots=True)
class Result:
    """What came of an operation. stored: the resource, as it stands or as it stood; error: why it was not carried out."""

    operation: Operation | Refused
    resource_type: ResourceType | None = None
    stored: Stored | None = None
    error: Exception | None = None


async def carry_out(
    directory: Directory,
    caller: Caller,
    types: dict[str, ResourceType],
    operations: list[Operation | Refused],
    fail_on_errors: int | None,
) -> list[Result]:
    """The results of operations, in their order; after too many errors the rest is not carried out, and has no result."""
    run = _Run(directory, caller, types, operations)
    return await run.all(fail_on_errors)


class _Run:
    def __init__(
        self, directory: Directory, caller: Caller, types: dict[str, ResourceType], operations: list[Operation | Refused]
    ) -> None:
        self._directory = directory
        self._caller = caller
        self._types = types
        self._operations = operations
        self._results: dict[int, Result] = {}
        self._begun: list[int] = []
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

    async def all(self, fail_on_errors: int | None) -> list[Result]:
        """Everything, in order, but that an operation waits for those that make what it refers to."""
        waiting = list(range(len(self._operations)))
        while waiting and (fail_on_errors is None or self._errors() < fail_on_errors):
            wave = next(self._waves(self._ready(waiting), _AT_ONCE if fail_on_errors is None else 1), [])
            if wave:
                await asyncio.gather(*(self._one(number) for number in wave))
            else:
                wave = self._circle(waiting)
                for number in wave:
                    await self._begin(number)
            done = set(wave)
            waiting = [number for number in waiting if number not in done]
            await self._complete()
        return [self._results[number] for number in sorted(self._results)]

    def _errors(self) -> int:
        return sum(1 for result in self._results.values() if result.error is not None)

    def _ready(self, waiting: Iterable[int]) -> Iterator[int]:
        """The operations that refer to nothing that is still to be made, and whose resource no earlier one waits to change."""
        held: set[tuple[str, str]] = set()
        for number in waiting:
            operation = self._operations[number]
            if isinstance(operation, Refused):
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
            if isinstance(operation, Refused):
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

    def _circle(self, waiting: list[int]) -> list[int]:
        """Operations that wait for each other."""
        path: list[int] = []
        number = waiting[0]
        while number not in path:
            path.append(number)
            number = self._makers[min(self._waits[number])]
        return path[path.index(number) :]

    async def _begin(self, number: int) -> None:
        """Make a resource of a circle without what is still to be made; that is put in once it is."""
        operation = self._operations[number]
        if isinstance(operation, Operation):
            await self._one(number, frozenset(self._waits[number]))
            self._begun.append(number)

    async def _complete(self) -> None:
        """Give resources that were begun what they were to have; where that fails they are not made at all."""
        for number in list(self._begun):
            operation, result = self._operations[number], self._results[number]
            if isinstance(operation, Operation) and not self._waits[number]:
                self._begun.remove(number)
                if result.stored is not None and result.resource_type is not None:
                    await self._put_in(operation, result, result.resource_type, result.stored.id)

    async def _put_in(self, operation: Operation, result: Result, resource_type: ResourceType, resource_id: str) -> None:
        try:
            data = self._resolved(operation)
            result.stored = await self._directory.replace(self._caller, resource_type, resource_id, data, _any)
        except (ScimError, StorageError) as error:
            await self._directory.delete(self._caller, resource_type, resource_id, _any)
            result.stored, result.error = None, error

    async def _one(self, number: int, later: frozenset[str] = frozenset()) -> None:
        """Carry out one operation. later: the references that are left out for now."""
        operation = self._operations[number]
        result = Result(operation)
        if isinstance(operation, Refused):
            result.error = operation.error
        else:
            try:
                resource_type = result.resource_type = self._type(operation)
                result.stored = await self._carried_out(operation, resource_type, later)
            except (ScimError, StorageError) as error:
                result.error = error
            else:
                if operation.bulk_id is not None:
                    self._ids[operation.bulk_id] = result.stored.id
        self._results[number] = result
        made = operation.bulk_id if self._makers.get(operation.bulk_id or "") == number else None
        for waiting in self._awaited.pop(made, ()) if made is not None else ():
            self._waits[waiting].discard(made)

    def _type(self, operation: Operation) -> ResourceType:
        resource_type = self._types.get(operation.endpoint)
        if resource_type is None:
            raise invalid_path(f"path: there is no resource type at {operation.endpoint[:100]!r}")
        return resource_type

    async def _carried_out(self, operation: Operation, resource_type: ResourceType, later: frozenset[str]) -> Stored:
        check = _version(operation.version)
        if operation.method == "POST":
            data = without(operation.data, later) if later else operation.data
            return await self._directory.create(self._caller, resource_type, self._resolved(operation, data))
        target = resolved(operation.target, self._ids)
        if operation.method == "DELETE":
            return await self._directory.delete(self._caller, resource_type, target, check)
        change = self._directory.replace if operation.method == "PUT" else self._directory.patch
        return await change(self._caller, resource_type, target, self._resolved(operation), check)

    def _resolved(self, operation: Operation, data: object = None) -> object:
        """The data of an operation with ids for references. Raises ScimError where one leads nowhere."""
        data = operation.data if data is None else data
        for bulk_id in sorted(operation.refers):
            if bulk_id in self._makers and bulk_id not in self._ids and self._makers[bulk_id] in self._results:
                raise ScimError(409, f"bulkId {bulk_id!r}: the operation that was to make it failed")
            if bulk_id not in self._makers and bulk_id not in self._ids:
                raise invalid_value(f"bulkId {bulk_id!r}: no operation of the request has it")
        return resolved(data, self._ids)


def _any(_: Stored) -> None:
    """No condition."""


def _version(version: str | None) -> Precondition:
    """The condition that the resource is at a version."""
    if version is None:
        return _any
    wanted = version.strip().removeprefix("W/").strip('"')

    def check(standing: Stored) -> None:
        if tag_of(standing) != wanted:
            raise ScimError(412, f'the resource is at version W/"{tag_of(standing)}"')

    return check
