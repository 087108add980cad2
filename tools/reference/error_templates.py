"""Collects the errors of the service from its source: each `raise` with its text.

The texts are found in the syntax trees of the modules, where the constructors of errors are called.
A part of a text that is known only when the error occurs is shown as an ellipsis.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import muster

_SOURCE = Path(muster.__file__).parent
_ROOMS_OF_COMMANDS = ("cli", "upkeep", "console", "serving")
"""Rooms whose errors do not reach a client of the API."""
ELLIPSIS = "…"
_PLACE = re.compile(r"\{\w+\}")
"""A placeholder in a text of pydantic's."""


class Kind(NamedTuple):
    """How a constructor of errors is called.

    Attributes:
        status: The HTTP status; 0 if the first argument is it.
        scim_type: The keyword of RFC 7644; empty for none, or if the call gives it.
        text: The position of the text among the arguments.
        type_at: The position of the keyword among the arguments; -1 if it is fixed.
    """

    status: int
    scim_type: str = ""
    text: int = 0
    type_at: int = -1


KINDS: Mapping[str, Kind] = {
    "ScimError": Kind(0, text=1, type_at=2),
    "TryLater": Kind(0, text=1),
    "invalid_filter": Kind(400, "invalidFilter"),
    "invalid_path": Kind(400, "invalidPath"),
    "invalid_syntax": Kind(400, "invalidSyntax"),
    "invalid_value": Kind(400, "invalidValue"),
    "mutability": Kind(400, "mutability"),
    "no_target": Kind(400, "noTarget"),
    "too_many": Kind(400, "tooMany"),
    "uniqueness": Kind(409, "uniqueness"),
    "not_found": Kind(404),
    "forbidden": Kind(403),
    "Unauthorized": Kind(401),
    "UnsupportedMedia": Kind(415),
    "Withheld": Kind(403, text=1),
    "PydanticCustomError": Kind(400, "invalidValue", text=1),
    "StorageError": Kind(503),
    "StorageFull": Kind(507),
    "StorageCorrupt": Kind(500),
    "SecretsLocked": Kind(503),
    "InvalidJwt": Kind(401),
    "OAuthError": Kind(400, text=1),
    "problem": Kind(0, text=2),
}
_BUDGET = "Budget"
"""Its last two arguments are the errors of requests beyond it."""
_WORDED = ("http/management/validation.py", ("_sentence", "_unknown", "_length"))
"""The module that words the errors of pydantic, and its functions that return them."""


class Template(NamedTuple):
    """An error.

    Attributes:
        text: Its text, with an ellipsis for each part that varies.
        status: The HTTP status; 0 if it varies.
        scim_type: The keyword of RFC 7644; empty for none.
    """

    text: str
    status: int
    scim_type: str


@functools.cache
def templates() -> Sequence[Template]:
    """Return the errors of the service, each once, in the order of the source."""
    found = dict.fromkeys(
        template
        for path in sorted(_SOURCE.rglob("*.py"))
        if path.relative_to(_SOURCE).parts[0] not in _ROOMS_OF_COMMANDS
        for template in _in_module(
            path.relative_to(_SOURCE).as_posix(), ast.parse(path.read_text())
        )
    )
    return tuple(found)


def _in_module(name: str, tree: ast.Module) -> Iterator[Template]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _in_function(node)
            if (name, node.name) in ((_WORDED[0], one) for one in _WORDED[1]):
                yield from _returned(node)
        elif isinstance(node, ast.ClassDef):
            yield from _in_class(node)


def _returned(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Template]:
    """Yield the texts that a function returns, as errors about values."""
    for node in _own_nodes(function):
        if isinstance(node, ast.Return) and node.value is not None:
            for text in _texts(node.value, function):
                yield Template(text, 400, "invalidValue")


def _in_class(node: ast.ClassDef) -> Iterator[Template]:
    """Yield the text that an error passes on to its base class."""
    statuses = [
        one.value.value
        for one in node.body
        if isinstance(one, ast.Assign)
        and _names(one, "status")
        and isinstance(one.value, ast.Constant)
        and isinstance(one.value.value, int)
    ]
    for function in node.body:
        if not isinstance(function, ast.FunctionDef) or function.name != "__init__":
            continue
        for call in _own_nodes(function):
            if not isinstance(call, ast.Call) or ast.unparse(call.func) != "super().__init__":
                continue
            first = call.args[0] if call.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, int):
                for text in _texts(call.args[1], function):
                    yield Template(text, first.value, "")
            elif statuses and first is not None:
                for text in _texts(first, function):
                    yield Template(text, statuses[0], "")


def _in_function(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Template]:
    """Yield the errors that a function makes; its inner functions are looked at by themselves."""
    for node in _own_nodes(function):
        if isinstance(node, ast.Call) and function.name not in KINDS:
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            kind = KINDS.get(name)
            if kind is not None and len(node.args) > kind.text:
                yield from _made(kind, node, function)
            elif name == _BUDGET:
                for given in node.args[2:]:
                    yield from (Template(text, 503, "") for text in _texts(given, function))


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own_nodes(child)


def _made(kind: Kind, call: ast.Call, function: ast.AST) -> Iterator[Template]:
    status, scim_type = kind.status, kind.scim_type
    if not status:
        first = call.args[0]
        status = first.value if isinstance(first, ast.Constant) else 0  # type: ignore[assignment]  # an integer
    if 0 <= kind.type_at < len(call.args):
        given = call.args[kind.type_at]
        scim_type = str(given.value) if isinstance(given, ast.Constant) and given.value else ""
    if kind is KINDS["OAuthError"]:
        status, scim_type = _oauth(call)
    for text in _texts(call.args[kind.text], function):
        if text.strip(f"{ELLIPSIS} :.;()") and " " in text:
            yield Template(text, status, scim_type)


def _oauth(call: ast.Call) -> tuple[int, str]:
    """Return the status and the error code of a refusal of the token endpoint."""
    first, status = call.args[0], call.args[2] if len(call.args) > 2 else None
    code = first.value if isinstance(first, ast.Constant) else ""
    return (status.value if isinstance(status, ast.Constant) else 400), str(code)  # type: ignore[return-value]  # an integer


def _texts(node: ast.expr, function: ast.AST) -> Iterator[str]:
    """Yield the texts that an expression can have."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield _PLACE.sub(ELLIPSIS, node.value)
    elif isinstance(node, ast.JoinedStr):
        yield _joined(node, function)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, function)
        yield from _texts(node.orelse, function)
    elif isinstance(node, ast.Name):
        for other in _own_nodes(function):
            if isinstance(other, ast.Assign) and _names(other, node.id):
                yield from _texts(other.value, ast.Module([], []))


def _names(assignment: ast.Assign, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in assignment.targets)


def _joined(node: ast.JoinedStr, function: ast.AST) -> str:
    """Return the text of an f-string, in which an ellipsis stands for each expression.

    A variable that the function has set to a text once is that text.
    """
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            quotes = '"' if part.conversion == ord("r") else ""
            known = _known(part.value, function)
            parts.append(known if known and not quotes else f"{quotes}{ELLIPSIS}{quotes}")
    return "".join(parts)


def _known(node: ast.expr, function: ast.AST) -> str:
    """Return the text of a variable with one value; empty for any other expression."""
    if not isinstance(node, ast.Name):
        return ""
    values = [
        other.value
        for other in _own_nodes(function)
        if isinstance(other, ast.Assign) and _names(other, node.id)
    ]
    if len(values) == 1 and isinstance(values[0], ast.Constant | ast.JoinedStr):
        return next(_texts(values[0], ast.Module([], [])), "")
    return ""
