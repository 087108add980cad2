"""Lua scripts for wrk."""

import json
from pathlib import Path

_HEAD = """
local items = {{}}
for line in io.lines("{items}") do items[#items + 1] = line end
local headers = {{{headers}}}
local n = 0
"""


def lines(path: Path, items: list[str]) -> Path:
    """Write items to a file, one per line, for a script to draw from."""
    path.write_text("\n".join(items) + "\n")
    return path


def _script(items: Path, headers: dict[str, str], request: str) -> str:
    quoted = ", ".join(
        f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()
    )
    return _HEAD.format(items=items, headers=quoted) + f"request = function() {request} end\n"


def get(items: Path, prefix: str, token: str | None = None) -> str:
    """GET the prefix followed by a random item."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return _script(
        items,
        headers,
        f'return wrk.format("GET", {json.dumps(prefix)} .. items[math.random(#items)], headers)',
    )


def post(items: Path, path: str, token: str | None) -> str:
    """POST each item in turn."""
    headers = {"Content-Type": "application/scim+json"} | (
        {} if token is None else {"Authorization": f"Bearer {token}"}
    )
    return _script(
        items,
        headers,
        f'n = n + 1; return wrk.format("POST", {json.dumps(path)}, headers, items[n])',
    )


def patch(items: Path, prefix: str, token: str | None) -> str:
    """PATCH a random item, changing its title."""
    headers = {"Content-Type": "application/scim+json"} | (
        {} if token is None else {"Authorization": f"Bearer {token}"}
    )
    operation = '{"op":"replace","path":"title","value":"T%d"}'
    body = (
        '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":['
        + operation
        + "]}"
    )
    target = f"{json.dumps(prefix)} .. items[math.random(#items)]"
    return _script(
        items,
        headers,
        f'n = n + 1; return wrk.format("PATCH", {target}, headers, string.format({json.dumps(body)}, n))',
    )


def members(items: Path, group: str, token: str) -> str:
    """PATCH one group, adding and removing random members in turn."""
    headers = {"Content-Type": "application/scim+json", "Authorization": f"Bearer {token}"}
    add = '{"op":"add","path":"members","value":[{"value":"%s"}]}'
    remove = '{"op":"remove","path":"members[value eq \\"%s\\"]"}'
    bodies = [
        f'{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{part}]}}'
        for part in (add, remove)
    ]
    texts = ", ".join(json.dumps(body) for body in bodies)
    body = "string.format(bodies[n % 2 + 1], items[math.random(#items)])"
    request = f'local bodies = {{{texts}}}; n = n + 1; return wrk.format("PATCH", {json.dumps(group)}, headers, {body})'
    return _script(items, headers, request)
