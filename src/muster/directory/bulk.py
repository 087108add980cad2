"""Executes bulk requests, in batches of operations that share a commit."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from muster.directory.bulk_graph import BulkGraph
from muster.directory.caller import Caller
from muster.directory.groups.memberships import tag_of
from muster.directory.service import Directory, Precondition
from muster.scim.bounds import LARGE_BODY
from muster.scim.bulk import Operation, RefusedOperation
from muster.scim.errors import ScimError, invalid_path, invalid_value, too_many
from muster.scim.etag import read_etag
from muster.scim.schema.model import ResourceType
from muster.scim.values import Json
from muster.storage.port.errors import StorageError
from muster.storage.port.resources import Stored

MAX_CYCLE = 100
"""The most operations in a cycle of references: each is written twice, and not in a batch."""
_BATCH = 200


@dataclass(slots=True)
class Result:
    """The result of an operation.

    Attributes:
        stored: The resource after the operation, or before it was deleted.
        error: Why the operation failed; None if it did not.
    """

    operation: Operation | RefusedOperation
    resource_type: ResourceType | None = None
    stored: Stored | None = None
    error: Exception | None = None


async def execute(
    directory: Directory,
    caller: Caller,
    operations: list[Operation | RefusedOperation],
    fail_on_errors: int | None,
) -> list[Result]:
    """Execute operations, and return their results in the order of the request.

    Args:
        fail_on_errors: The number of errors after which no further operation is executed; those
            have no result. None to execute all.
    """
    return await _Run(directory, caller, operations).execute(fail_on_errors)


class _Run:
    """Executes a bulk request as a dependency graph.

    An operation that refers to `bulkId:x` depends on the POST that creates x. Each round runs the
    operations whose dependencies are done, in request order, batching neighbours of the same method
    so that they share a commit.

    POSTs that depend on each other (two users who manage each other) form a cycle. A cycle is
    executed as RFC 7644 section 3.7.1 suggests, once everything else it depends on is done: each
    resource is created without the references that lead back into the cycle, and then replaced by
    its full document. Each POST of a cycle depends on all others. So if one fails, all of them
    fail, and the resources created so far are deleted again.

    With `failOnErrors` the operations run one after the other, as later ones must not be executed
    after an error.
    """

    def __init__(
        self, directory: Directory, caller: Caller, operations: list[Operation | RefusedOperation]
    ) -> None:
        self._directory = directory
        self._caller = replace(caller, body_bytes=0)
        self._is_large = caller.body_bytes > LARGE_BODY
        self._operations = operations
        self._graph = BulkGraph(operations)
        self._results: dict[int, Result] = {}
        self._ids: dict[str, str] = {
            operation.bulk_id: operation.target
            for operation in operations
            if isinstance(operation, Operation)
            and operation.bulk_id is not None
            and operation.method != "POST"
            and not operation.refers
        }
        """The ids of the resources that bulkIds stand for, as far as they are known."""

    async def execute(self, fail_on_errors: int | None) -> list[Result]:
        """Execute all operations, until there are too many errors."""
        waiting = list(range(len(self._operations)))
        while waiting and (fail_on_errors is None or self._errors() < fail_on_errors):
            done = set(await self._round(waiting, in_order=fail_on_errors is not None))
            if not done:  # some operation can always run, or else a cycle
                raise RuntimeError(f"bulk: none of {len(waiting)} operations can run")
            waiting = [number for number in waiting if number not in done]
        return [self._results[number] for number in sorted(self._results)]

    async def _round(self, waiting: Sequence[int], in_order: bool) -> Sequence[int]:
        """Execute the next batch, or the next cycle; return its operations.

        Args:
            in_order: Execute one operation at a time; a cycle when its first operation is next.
        """
        cycle = self._graph.take_cycle(waiting[0]) if in_order else []
        if not cycle:
            batch = self._graph.next_batch(waiting, 1 if in_order else _BATCH)
            if batch:
                await asyncio.gather(*(self._execute_one(number) for number in batch))
                return batch
            cycle = self._graph.take_cycle()
        if len(cycle) > MAX_CYCLE:
            self._refuse_cycle(cycle)
        else:
            await self._execute_cycle(cycle)
        return cycle

    def _errors(self) -> int:
        return sum(1 for result in self._results.values() if result.error is not None)

    def _refuse_cycle(self, cycle: Sequence[int]) -> None:
        """Refuse a cycle that is too long to be executed as a whole."""
        for number in cycle:
            text = f"A cycle of references has {len(cycle)} operations; the limit is {MAX_CYCLE}."
            self._finish(number, Result(self._operations[number], error=too_many(text)))

    async def _execute_cycle(self, cycle: Sequence[int]) -> None:
        """Execute the POSTs of a cycle: all of them or none."""
        inside = self._graph.bulk_ids(cycle)
        results = [Result(self._operations[number]) for number in cycle]
        for step in (lambda result: self._attempt(result, inside), self._complete):
            for result in results:
                if not any(other.error for other in results):
                    await step(result)
        if any(result.error for result in results):
            for result in results:
                await self._take_back(result)
        for number, result in zip(cycle, results, strict=True):
            self._finish(number, result)

    async def _complete(self, result: Result) -> None:
        """Replace a resource of a cycle by its document with all references."""
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
        """Delete a resource of a cycle that failed, and make its result an error.

        The error names the resource if it cannot be deleted. Deleting it deprovisions nobody, since
        it was created by this request and never reported. So neither the guard nor the provisioning
        switches apply.
        """
        operation, resource_type, created = result.operation, result.resource_type, result.stored
        result.stored = None
        if result.error is None and isinstance(operation, Operation):
            named = ", ".join(
                f"{bulk_id!r}"
                for bulk_id in sorted(operation.refers & self._graph.creators.keys())[:3]
            )
            result.error = ScimError(
                409, f"bulkId {named}: another operation in the same cycle of references failed"
            )
        if created is None or resource_type is None or not isinstance(operation, Operation):
            return
        if operation.bulk_id is not None:
            self._ids.pop(operation.bulk_id, None)
        try:
            unguarded = replace(self._caller.workspace, automatic_deprovisioning=True)
            nobody = frozenset[str]()
            remover = replace(self._caller, workspace=unguarded, guarded=False, protected=nobody)
            await self._directory.delete(remover, resource_type, created.id, _any)
        except (ScimError, StorageError) as error:
            if isinstance(error, ScimError) and error.status == 404:
                return  # another client was faster
            remains = (
                f"the {resource_type.name} {created.id} was created"
                f" and could not be deleted again ({error})"
            )
            result.error = ScimError(getattr(error, "status", 500), f"{result.error}; {remains}")

    async def _execute_one(self, number: int) -> None:
        result = Result(self._operations[number])
        await self._attempt(result)
        self._finish(number, result)

    async def _attempt(self, result: Result, later: frozenset[str] = frozenset()) -> None:
        """Execute the operation of a result.

        Args:
            later: The bulkIds whose references are left out.
        """
        operation = result.operation
        if isinstance(operation, RefusedOperation):
            result.error = operation.error
            return
        try:
            resource_type = result.resource_type = _type(operation)
            result.stored = await self._write(operation, resource_type, later)
        except (ScimError, StorageError) as error:
            result.error = error
        else:
            if operation.bulk_id is not None:
                self._ids[operation.bulk_id] = result.stored.id

    def _finish(self, number: int, result: Result) -> None:
        """Store a result, and release the operations that depend on it."""
        self._results[number] = result
        self._graph.finish(number)

    async def _write(
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
        """Return the data of an operation with ids in the place of references.

        Args:
            later: The bulkIds whose references are left out.

        Raises:
            ScimError: A reference leads to no resource.
        """
        for bulk_id in sorted(operation.refers - later):
            if bulk_id in self._graph.creators and bulk_id not in self._ids:
                raise ScimError(409, f"bulkId {bulk_id!r} refers to an operation that failed")
            if bulk_id not in self._ids:
                raise invalid_value(f"No operation of this request has the bulkId {bulk_id!r}.")
        return operation.resolved_data(self._ids, later)


def _type(operation: Operation) -> ResourceType:
    if operation.resource_type is None:
        raise invalid_path(f"path: unknown endpoint {operation.endpoint[:100]!r}")
    return operation.resource_type


def _any(_: Stored) -> None:
    """The precondition that is always met."""


def _version(version: str | None) -> Precondition:
    """Return the precondition that the resource has a version."""
    if version is None:
        return _any
    wanted = read_etag(version)

    def check(current: Stored) -> None:
        if tag_of(current) != wanted:
            raise ScimError(412, f'The resource has version W/"{tag_of(current)}". Read it again.')

    return check
