"""The dependency graph of a bulk request."""

from hypothesis import given
from hypothesis import strategies as st

from muster.directory.bulk import _circles

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
def test_circles_are_the_nodes_that_reach_each_other_dependencies_first(edges):
    graph = dict(enumerate(edges))
    circles = list(_circles(graph))
    expected = {
        frozenset(m for m in reached(graph, n) if n in reached(graph, m))
        for n in graph
        if n in reached(graph, n)
    }
    assert {frozenset(circle) for circle in circles} == expected
    assert sum(map(len, circles)) == len(set().union(*circles))
    for earlier, circle in enumerate(circles):
        for later in circles[earlier + 1 :]:
            assert reached(graph, circle[0]).isdisjoint(later)


def test_a_chain_of_5_000_references_does_not_recurse():
    graph = {n: [n + 1] for n in range(5000)} | {5000: [4999]}
    assert list(_circles(graph)) == [[4999, 5000]]
