"""Lua scripts for wrk."""

import json
from pathlib import Path

_HEAD = """
local items = {{}}
for line in io.lines("{items}") do items[#items + 1] = line end
local headers = {headers}
local n = 0
"""


def lines(path: Path, items: list[str]) -> Path:
    """Write items to a file, one per line, for a script to draw from."""
    path.write_text("\n".join(items) + "\n")
    return path


def _script(items: Path, headers: dict[str, str], request: str) -> str:
    head = _HEAD.format(items=items, headers=_table(headers))
    return head + f"request = function() {request} end\n"


def _table(headers: dict[str, str]) -> str:
    """Return headers as a table of Lua."""
    pairs = (f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
    return f"{{{', '.join(pairs)}}}"


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


def mixed(items: Path, prefix: str, token: str, writes: float) -> str:
    """GET items and PATCH a share of them, drawn by Zipf's law: the n-th as often as 1/n."""
    headers = {"Authorization": f"Bearer {token}"}
    changing = _table({"Content-Type": "application/scim+json", **headers})
    operation = '{"op":"replace","path":"title","value":"T%d"}'
    body = (
        '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":['
        + operation
        + "]}"
    )
    target = f"{json.dumps(prefix)} .. items[math.floor((#items) ^ math.random())]"
    patched = f'wrk.format("PATCH", target, {changing}, string.format({json.dumps(body)}, n))'
    return _script(
        items,
        headers,
        f"n = n + 1; local target = {target};"
        f" if math.random() < {writes} then return {patched} end;"
        ' return wrk.format("GET", target, headers)',
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
