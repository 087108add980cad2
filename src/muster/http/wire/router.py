"""Finds the route of a request in the management API, console and open pages.

A path template has literal segments and {names}, such as `/keys/{id}/rotate`. The templates form a
tree with a level for each segment. Matching walks down all branches that fit at once, and reads the
path once, so it takes time linear in its length, whatever the path is.

Slashes have one rule: one at the end of a path is ignored, and an empty segment matches no name.
(`Service` merges adjacent slashes before.)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from muster.http.wire.errors import MethodNotAllowed
from muster.scim.errors import not_found


@dataclass(frozen=True, slots=True)
class Route:
    """A method and the template of a path."""

    method: str
    path: str


R = TypeVar("R", bound=Route)


@dataclass(frozen=True, slots=True)
class Match(Generic[R]):
    """The route of a request.

    Attributes:
        names: The segments of the path that the {names} of the template stand for.
    """

    route: R
    names: dict[str, str]


@dataclass(slots=True)
class _Node(Generic[R]):
    """The templates that begin alike.

    Attributes:
        literals: The nodes after a literal segment, by the segment.
        named: The node after a {name}, if any template has one here.
        routes: The routes whose template ends here, by method.
        names: The {names} of the template that ends here, in their order.
    """

    literals: "dict[str, _Node[R]]" = field(default_factory=dict)
    named: "_Node[R] | None" = None
    routes: dict[str, R] = field(default_factory=dict)
    names: tuple[str, ...] = ()


class Router(Generic[R]):
    """Matches requests with routes.

    Two templates may match one path, as `/keys/{id}` and `/keys/limits` do. Then the one with a
    literal at the first difference is preferred, if it has the method.
    """

    def __init__(self, routes: Iterable[R]) -> None:
        self.routes = tuple(routes)
        self._root: _Node[R] = _Node()
        self._depth = 0
        for route in self.routes:
            self._add(route)

    def _add(self, route: R) -> None:
        segments = _segments(route.path)
        self._depth = max(self._depth, len(segments))
        node, names = self._root, []
        for segment in segments:
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.named = node.named or _Node()
                node = node.named
            else:
                node = node.literals.setdefault(segment, _Node())
        if route.method in node.routes or (node.routes and node.names != tuple(names)):
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.routes[route.method], node.names = route, tuple(names)

    def match(self, method: str, path: str) -> Match[R] | None:
        """Return the route of a request; None if no template matches the path.

        HEAD is answered by the route of GET.

        Raises:
            MethodNotAllowed: Templates match, but none has the method.
            ScimError: 404 if a name contains NUL, which no database can store.
        """
        method = "GET" if method == "HEAD" else method
        allowed: list[str] = []
        for node, values in self._ends(path):
            route = node.routes.get(method)
            if route is not None:
                if any("\0" in value for value in values):
                    raise not_found("there is nothing with a NUL character in its name")
                return Match(route, dict(zip(node.names, values, strict=True)))
            allowed.extend(node.routes)
        if allowed:
            raise MethodNotAllowed(method, tuple(dict.fromkeys(allowed)))
        return None

    def _ends(self, path: str) -> Iterator[tuple[_Node[R], tuple[str, ...]]]:
        """Yield the nodes with routes that match a path, and the values of their names."""
        segments = _segments(path, self._depth)
        if len(segments) > self._depth:
            return
        reached: list[tuple[_Node[R], tuple[str, ...]]] = [(self._root, ())]
        for segment in segments:
            following = []
            for node, values in reached:
                literal = node.literals.get(segment)
                if literal is not None:
                    following.append((literal, values))
                if node.named is not None and segment:
                    following.append((node.named, (*values, segment)))
            reached = following
        yield from ((node, values) for node, values in reached if node.routes)


def _segments(path: str, most: int = -1) -> list[str]:
    """Split a path at its slashes into at most `most` segments and the rest."""
    start, *segments = path.removesuffix("/").split("/", most if most < 0 else most + 1)
    return [""] if start else segments  # a path that does not begin with a slash matches nothing
