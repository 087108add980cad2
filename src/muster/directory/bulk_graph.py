"""The dependencies between the operations of a bulk request (RFC 7644 section 3.7.2).

An operation that refers to `bulkId:x` depends on the POST that has the bulkId x. POSTs that depend
on each other, such as those of two users who manage each other, form a cycle.

The graph is consumed from its sources. Each operation has the set of bulkIds that it still waits
for; finishing a POST removes its bulkId from the sets of its dependents, and an operation with an
empty set can run. If no operation has one, each that waits leads to a cycle. The cycles are found
once, at the start, as strongly connected components, each after those that it leads to. So the
first cycle that waits for nothing outside itself can always be taken, and the request ends after as
many rounds as it has operations, at most.

The construction and the sum of all `finish` take time linear in the operations and references; a
batch is found by one scan of the waiting operations.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from muster.scim.bulk import Operation, RefusedOperation


class BulkGraph:
    """Tells which operations can run: those that depend on nothing unfinished, or a whole cycle.

    Operations are numbered by their position in the request.

    Attributes:
        creators: The number of the POST that has each bulkId.
    """

    def __init__(self, operations: Sequence[Operation | RefusedOperation]) -> None:
        self._operations = operations
        self.creators: dict[str, int] = {
            operation.bulk_id: number
            for number, operation in enumerate(operations)
            if isinstance(operation, Operation)
            and operation.method == "POST"
            and operation.bulk_id is not None
        }
        self._unfinished: dict[int, set[str]] = {}
        """The bulkIds that each operation still depends on."""
        self._dependents: dict[str, list[int]] = {}
        """The operations that depend on each bulkId: the edges of `_unfinished`, reversed."""
        for number, operation in enumerate(operations):
            refers = operation.refers if isinstance(operation, Operation) else frozenset()
            # A bulkId without a POST is no edge: its id is known already, or it is an error.
            self._unfinished[number] = set(refers & self.creators.keys())
            for bulk_id in self._unfinished[number]:
                self._dependents.setdefault(bulk_id, []).append(number)
        # Only POSTs can be in a cycle, because nothing depends on another operation.
        edges = {number: self._depends_on(number) for number in self.creators.values()}
        self._cycles = list(_cycles(edges))

    def _depends_on(self, number: int) -> list[int]:
        return [self.creators[bulk_id] for bulk_id in sorted(self._unfinished[number])]

    def finish(self, number: int) -> None:
        """Record that an operation is done, so that its dependents may run."""
        operation = self._operations[number]
        bulk_id = operation.bulk_id
        # Only its POST releases a bulkId: a refused operation may carry the same one.
        if bulk_id is not None and self.creators.get(bulk_id) == number:
            for dependent in self._dependents.pop(bulk_id, ()):
                self._unfinished[dependent].discard(bulk_id)

    def next_batch(self, waiting: Iterable[int], most: int) -> list[int]:
        """Return the first operations that can run at the same time; none if all are in cycles.

        They have one method and different resources, so that they can share a commit and their
        order does not matter.

        Args:
            waiting: The operations that are not done, in order.
            most: The most operations to return.
        """
        batch: list[int] = []
        method, targets = None, set[tuple[str, str]]()
        for number in self._ready(waiting):
            operation = self._operations[number]
            if isinstance(operation, RefusedOperation):
                batch.append(number)  # it only has to be reported
                continue
            other_method = method is not None and operation.method != method
            same_target = bool(operation.target) and _target(operation) in targets
            if batch and (other_method or same_target or len(batch) == most):
                break
            batch.append(number)
            targets.add(_target(operation))
            method = operation.method
        return batch

    def _ready(self, waiting: Iterable[int]) -> Iterator[int]:
        """Yield the operations that depend on nothing unfinished.

        An operation on a resource that an earlier one still waits to change is not among them:
        operations on one resource run in their order.
        """
        held: set[tuple[str, str]] = set()
        for number in waiting:
            operation = self._operations[number]
            if isinstance(operation, RefusedOperation) or (
                _target(operation) not in held and not self._unfinished[number]
            ):
                yield number
            elif operation.target:
                held.add(_target(operation))

    def take_cycle(self, first: int | None = None) -> list[int]:
        """Remove and return the first cycle that depends on nothing outside itself; empty if none.

        Args:
            first: An operation that the cycle must have; None for any cycle.
        """
        for cycle in self._cycles:
            if first is not None and first not in cycle:
                continue
            # A POST of a cycle may also wait for one outside that is still to run.
            inside = self.bulk_ids(cycle)
            if all(self._unfinished[number] <= inside for number in cycle):
                self._cycles.remove(cycle)
                return cycle
        return []

    def bulk_ids(self, numbers: Iterable[int]) -> frozenset[str]:
        """Return the bulkIds of POSTs."""
        found = (self._operations[number].bulk_id for number in numbers)
        return frozenset(bulk_id for bulk_id in found if bulk_id is not None)


def _target(operation: Operation) -> tuple[str, str]:
    """Identify the resource that an operation changes; its id is empty for a POST."""
    return operation.endpoint, operation.target


def _cycles(edges: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """Yield the cycles of a graph, each after those that it leads to.

    A cycle is a strongly connected component with an edge inside. This is Tarjan's algorithm, with
    an explicit stack because a request may have a chain of a thousand operations:

    - `order` numbers the nodes as the depth-first search discovers them.
    - `low` is the smallest such number that a node reaches within its component. A node whose `low`
      is its own number is the first of its component.
    - `component` is the stack of nodes whose component is not complete, and `pending` the same as a
      set. When the first node of a component is left, all nodes above it belong to the component.
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
                # A node of a complete component cannot lead back here, so it does not count.
                elif found in pending:
                    low[node] = min(low[node], order[found])
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[node])
            if low[node] == order[node]:
                # Searched from the top: a long chain of components of one node stays linear.
                cycle = [component.pop()]
                while cycle[-1] != node:
                    cycle.append(component.pop())
                cycle.sort()
                pending.difference_update(cycle)
                # A node alone is a component too; it is a cycle only if it refers to itself.
                if len(cycle) > 1 or node in edges[node]:
                    yield cycle
