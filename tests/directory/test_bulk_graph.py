"""The dependency graph of a bulk request."""

from hypothesis import given
from hypothesis import strategies as st

from muster.directory.bulk_graph import BulkGraph, _cycles
from muster.scim.bulk import Operation, RefusedOperation
from muster.scim.errors import ScimError

GRAPHS = st.integers(1, 7).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, size - 1), max_size=3, unique=True), min_size=size, max_size=size
    )
)


def reached(graph, start):
    found, path = set(), [start]
    while path:
        for node in graph[path.pop()]:
            if node not in found:
                found.add(node)
                path.append(node)
    return found


@given(GRAPHS)
def test_cycles_are_the_nodes_that_reach_each_other_dependencies_first(edges):
    graph = dict(enumerate(edges))
    cycles = list(_cycles(graph))
    expected = {
        frozenset(m for m in reached(graph, n) if n in reached(graph, m))
        for n in graph
        if n in reached(graph, n)
    }
    assert {frozenset(cycle) for cycle in cycles} == expected
    assert sum(map(len, cycles)) == len(set().union(*cycles))
    for earlier, cycle in enumerate(cycles):
        for later in cycles[earlier + 1 :]:
            assert reached(graph, cycle[0]).isdisjoint(later)


def test_a_chain_of_5_000_references_does_not_recurse():
    graph = {n: [n + 1] for n in range(5000)} | {5000: [4999]}
    assert list(_cycles(graph)) == [[4999, 5000]]


def operation(method, bulk_id=None, target="", refers=(), endpoint="/Users"):
    return Operation(method, bulk_id, endpoint, target, {}, None, None, frozenset(refers))


def refused(bulk_id=None):
    return RefusedOperation("POST", bulk_id, ScimError(400, "unreadable"))


def rounds(operations, most=100):
    """The batches and cycles in the order in which a bulk request runs them."""
    graph, waiting, found = BulkGraph(operations), list(range(len(operations))), []
    while waiting:
        some = graph.next_batch(waiting, most) or graph.take_cycle()
        found.append(some)
        for number in some:
            graph.finish(number)
        waiting = [number for number in waiting if number not in some]
    return found


def test_neighbours_of_one_method_are_one_batch():
    operations = [
        operation("POST"),
        operation("POST"),
        operation("PUT", target="1"),
        operation("PUT", target="2"),
        operation("DELETE", target="3"),
    ]
    assert rounds(operations) == [[0, 1], [2, 3], [4]]
    assert rounds(operations, most=1) == [[0], [1], [2], [3], [4]]


def test_operations_on_one_resource_run_in_their_order():
    changed_twice = [operation("PUT", target="1"), operation("PUT", target="1")]
    assert rounds(changed_twice) == [[0], [1]]
    same_id = [operation("PUT", target="1"), operation("PUT", target="1", endpoint="/Groups")]
    assert rounds(same_id) == [[0, 1]]


def test_an_operation_waits_for_the_post_that_it_refers_to_and_holds_its_resource():
    operations = [
        operation("PUT", target="1", refers={"b"}),
        operation("PUT", target="1"),
        operation("PUT", target="2"),
        operation("POST", "b"),
    ]
    assert rounds(operations) == [[2], [3], [0], [1]]


def test_a_reference_to_nothing_holds_nothing_up():
    assert rounds([operation("POST", refers={"nothing"})]) == [[0]]
    assert rounds([refused("a"), operation("POST", "b", refers={"a"})]) == [[0, 1]]


def test_a_refused_operation_joins_any_batch():
    operations = [operation("POST"), refused(), operation("POST"), operation("PUT", target="1")]
    assert rounds(operations) == [[0, 1, 2], [3]]


def test_a_cycle_runs_after_all_that_it_depends_on_and_before_all_that_depends_on_it():
    operations = [
        operation("POST", "after", refers={"one"}),
        operation("POST", "one", refers={"other", "before"}),
        operation("POST", "other", refers={"one"}),
        operation("POST", "before"),
    ]
    assert rounds(operations) == [[3], [1, 2], [0]]
    graph = BulkGraph(operations)
    assert graph.take_cycle() == []
    graph.finish(3)
    assert graph.take_cycle(first=0) == []
    assert graph.take_cycle(first=2) == [1, 2]
    assert graph.take_cycle() == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["POST", "PUT", "DELETE"]),
            st.sampled_from(["", "1", "2"]),
            st.sets(st.integers(0, 7), max_size=2),
        ),
        max_size=8,
    ),
    st.integers(1, 4),
)
def test_every_operation_runs_once_after_its_dependencies(drawn, most):
    operations = [
        operation(method, str(n), "" if method == "POST" else target or "3", map(str, refers))
        for n, (method, target, refers) in enumerate(drawn)
    ]
    found = rounds(operations, most)
    done = set()
    for some in found:
        for number in some:
            posts = [
                int(name)
                for name in operations[number].refers
                if int(name) < len(drawn) and drawn[int(name)][0] == "POST"
            ]
            assert set(posts) <= done | set(some)
        done |= set(some)
    assert sorted(number for some in found for number in some) == list(range(len(operations)))
