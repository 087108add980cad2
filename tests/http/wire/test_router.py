"""Routes are matched like regular expressions, in time linear in the path."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.wire.errors import MethodNotAllowed
from muster.http.wire.router import Route, Router
from muster.scim.errors import ScimError

KEYS = [
    Route("GET", "/keys"),
    Route("POST", "/keys"),
    Route("GET", "/keys/{id}"),
    Route("DELETE", "/keys/{id}"),
    Route("POST", "/keys/{id}/rotate"),
    Route("POST", "/keys/limits"),
    Route("GET", "/{kind}/limits"),
    Route("GET", "/"),
]
SEGMENTS = ["a", "b", "{x}", "{y}"]
METHODS = ["GET", "POST", "DELETE"]
TEMPLATES = st.lists(st.sampled_from(SEGMENTS), max_size=4).map(lambda some: "/" + "/".join(some))
PATHS = st.lists(st.sampled_from(["a", "b", "c", "", "{x}", "é", "a.b"]), max_size=5).map(
    lambda some: "/" + "/".join(some)
)


@pytest.mark.parametrize(
    ("method", "path", "template", "names"),
    [
        ("GET", "/keys", "/keys", {}),
        ("HEAD", "/keys", "/keys", {}),
        ("POST", "/keys", "/keys", {}),
        ("GET", "/keys/", "/keys", {}),
        ("GET", "/", "/", {}),
        ("GET", "", "/", {}),
        ("GET", "/keys/k1", "/keys/{id}", {"id": "k1"}),
        ("GET", "/keys/k1/", "/keys/{id}", {"id": "k1"}),
        ("GET", "/keys/é %", "/keys/{id}", {"id": "é %"}),
        ("POST", "/keys/limits", "/keys/limits", {}),
        ("GET", "/keys/limits", "/keys/{id}", {"id": "limits"}),
        ("GET", "/roles/limits", "/{kind}/limits", {"kind": "roles"}),
        ("POST", "/keys/limits/rotate", "/keys/{id}/rotate", {"id": "limits"}),
    ],
)
def test_a_route_is_found_by_method_and_path(method, path, template, names):
    found = Router(KEYS).match(method, path)
    assert (found.route.path, found.names) == (template, names)
    assert found.route.method == ("GET" if method == "HEAD" else method)


@pytest.mark.parametrize(
    "path",
    [
        "/other",
        "/keys//",
        "/keys//rotate",
        "/keys/a/b",
        "/keys/a/rotate/c",
        "//",
        "/KEYS",
        "keys",
        "*",
    ],
)
def test_an_unmatched_path_has_no_route(path):
    assert Router(KEYS).match("GET", path) is None


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/keys", ("GET", "POST")),
        ("OPTIONS", "/keys", ("GET", "POST")),
        ("PUT", "/keys/k1", ("GET", "DELETE")),
        ("PUT", "/keys/limits", ("POST", "GET", "DELETE")),
        ("HEAD", "/keys/k1/rotate", ("POST",)),
    ],
)
def test_an_unsupported_method_lists_the_supported_ones(method, path, allowed):
    with pytest.raises(MethodNotAllowed) as raised:
        Router(KEYS).match(method, path)
    assert (raised.value.status, raised.value.allowed) == (405, allowed)


def test_a_name_with_nul_is_not_found():
    with pytest.raises(ScimError, match="NUL") as raised:
        Router(KEYS).match("GET", "/keys/a\0b")
    assert raised.value.status == 404


def test_duplicate_routes_are_rejected():
    for second in ("/a/{x}", "/a/{y}"):
        with pytest.raises(ValueError, match="two routes"):
            Router([Route("GET", "/a/{x}"), Route("GET", second)])


def by_regular_expressions(templates, path):
    """The templates that match a path, the most literal first."""
    fitting = []
    for template in templates:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template.removesuffix("/")))
        found = re.fullmatch(pattern, path.removesuffix("/"))
        if found:
            order = [segment.startswith("{") for segment in template.split("/")]
            fitting.append((order, template, found.groupdict()))
    return sorted(fitting, key=lambda fit: fit[0])


@given(st.lists(st.tuples(st.sampled_from(METHODS), TEMPLATES), max_size=12), PATHS, st.data())
def test_matching_agrees_with_regular_expressions(wanted, path, data):
    routes, shapes = [], {}
    for method, template in wanted:
        if re.findall(r"{\w+}", template) != sorted(set(re.findall(r"{\w+}", template))):
            continue  # a name twice
        shape = re.sub(r"{\w+}", "{}", template)
        if shapes.setdefault(shape, template) == template:
            routes.append(Route(method, template))
    routes = list(dict.fromkeys(routes))
    method = data.draw(st.sampled_from(METHODS))
    fitting = by_regular_expressions(dict.fromkeys(route.path for route in routes), path)
    with_method = [fit for fit in fitting if Route(method, fit[1]) in routes]
    if not with_method and fitting:
        with pytest.raises(MethodNotAllowed):
            Router(routes).match(method, path)
        return
    found = Router(routes).match(method, path)
    if not fitting:
        assert found is None
    else:
        assert (found.route, found.names) == (Route(method, with_method[0][1]), with_method[0][2])


def test_a_long_path_takes_linear_time():
    """Quadratic time would exceed the timeout of the test."""
    deep = [Route("GET", "/" + "/".join(["{a}", "b"] * 6)), Route("GET", "/b/{a}" * 6)]
    router = Router([Route(route.method, _numbered(route.path)) for route in deep])

    for path in ("/b" * 1_000_000, "/" * 1_000_000, "/b/" + "x" * 1_000_000):
        assert router.match("GET", path) is None


def _numbered(template):
    """The template with a number after each of its names, so that none is there twice."""
    parts = template.split("{a}")
    return "".join(
        part + (f"{{a{n}}}" if n < len(parts) - 1 else "") for n, part in enumerate(parts)
    )
