"""Options that several commands share, and options made from the settings."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Parameter

F = TypeVar("F", bound=Callable[..., object])
Contract = Literal["rfc7644", "cortex"]

Database = Annotated[
    str | None,
    Parameter(
        metavar="URL",
        help="sqlite:///relative.db, sqlite:////absolute.db or postgresql://user@host/database"
        " [MUSTER_DATABASE]",
    ),
]
WorkspaceName = Annotated[str, Parameter(name="--workspace", metavar="NAME", help="The workspace.")]


def _whole_number(least: int) -> Callable[[Any, Sequence[Any]], int]:
    def convert(_: Any, tokens: Sequence[Any]) -> int:
        text = tokens[0].value
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise ValueError(f"must be a whole number, {least} or more")
        return int(text)

    return convert


def integer(_: Any, tokens: Sequence[Any]) -> int:
    """Convert a whole number of either sign."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError("must be a whole number") from None


NATURAL = _whole_number(0)
"""Converts 0, 1, 2, …"""
POSITIVE = _whole_number(1)
"""Converts 1, 2, 3, …"""


def setting_options(names: Iterable[str]) -> Callable[[F], F]:
    """Give a command an option for each of these settings, passed to its `**flags`.

    The values arrive as text, or as None if the option was not given: Settings checks them.
    """
    from muster.config import Settings

    options = []
    for name in names:
        field = Settings.model_fields[name]
        default = "" if field.default in (None, (), False, True) else f", default {field.default}"
        text = Parameter(
            metavar=_metavar(field.annotation),
            help=f"{field.description} [MUSTER_{name.upper()}{default}]",
            show_default=False,
        )
        options.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[_type(field.annotation), text],
            )
        )

    def decorate(command: F) -> F:
        signature = inspect.signature(command)
        own = [item for item in signature.parameters.values() if item.kind is not item.VAR_KEYWORD]
        vars(command)["__signature__"] = signature.replace(parameters=[*own, *options])
        return command

    return decorate


def _metavar(annotation: Any) -> str | None:
    """Return the placeholder for the value of a setting; None for that of its type."""
    if annotation in (bool, Contract):
        return None
    kinds = {int: "N", int | None: "N", float: "N", Path | None: "FILE"}
    return kinds.get(annotation, "TEXT")


def _type(annotation: Any) -> Any:
    if annotation is bool:
        return bool | None
    return annotation | None if annotation == Contract else str | None
