"""The command `muster`: its groups of commands, its errors and its exit codes.

The module of a command is imported when the command is run, so that `muster --help` is fast.
"""

import difflib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts.exceptions import MissingArgumentError, UnknownCommandError, UnusedCliTokensError

from muster.version import __version__

_OK, _FAILED, _USAGE, _INTERRUPTED, _PIPE_CLOSED = 0, 1, 2, 128 + 2, 128 + 13
_START = """muster is a SCIM 2.0 service provider: identity providers push users and groups into it.

Start here:
  muster serve --first-key        Run the service on ./muster.db. It prints the base URL, a first
                                  API key and a link to the console.
  muster demo                     Fill the workspace "demo" with 1,000 made-up users.
  muster keys create --name okta  Create an API key.
  muster doctor                   Report requests that failed, with advice.

All commands: muster --help        Help on one: muster keys create --help
Completion:   muster --install-completion
"""
_EPILOGUE = """Examples:
  muster serve --first-key
  muster keys create --name okta
  muster workspaces list --json

Exit codes:
  0    done
  1    failed; or "check", "import" or "audit verify" found a problem
  2    wrong arguments or settings
  130  interrupted by Ctrl-C
  141  the reader of the output has closed it, as "head" does

Errors are on standard error, and begin with "muster: ".
Every command takes --database; its default is the variable MUSTER_DATABASE."""

app = App(
    name="muster",
    help="A SCIM 2.0 service provider.",
    help_epilogue=_EPILOGUE,
    help_format="plaintext",
    version=f"muster {__version__}",
    default_parameter=Parameter(allow_repeating=True, negative_iterable=()),
    suppress_keyboard_interrupt=False,
)
for _name, _target, _help in (
    ("serve", "serve:app", "Run the service over HTTP."),
    ("migrate", "database:migrate", "Create or upgrade the tables of the database."),
    ("keys", "keys:app", "Create, list, rotate and revoke API keys."),
    (
        "connections",
        "connections:app",
        "Create, list, change, pause and delete the connections of a workspace.",
    ),
    ("workspaces", "workspaces:app", "Create, list and change workspaces."),
    ("admins", "admins:app", "Create, invite and list administrators of the console."),
    ("check", "database:check", "Verify a database, resource by resource, and repair it."),
    ("backup", "database:backup", "Copy a SQLite database to a file while it is in use."),
    ("restore", "database:restore", "Create a SQLite database from a backup."),
    ("secrets", "secrets:app", "Show and replace the key that secrets are encrypted with."),
    ("doctor", "doctor:app", "Report non-standard and failed requests, with advice."),
    ("audit", "audit:app", "Verify the audit log."),
    ("erase", "erase:app", "Erase a deleted person from the history and the request log."),
    ("export", "transfer:export", "Write the resources of a workspace as JSON Lines."),
    ("import", "transfer:import_", "Create resources in a workspace from JSON Lines."),
    ("demo", "demo:app", "Fill a workspace with made-up users."),
):
    app.command(f"muster.cli.{_target}", name=_name, help=_help)
app.register_install_completion_command(
    help="Install completion for this shell (bash, zsh or fish)."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The arguments; None for those of the process.

    Returns:
        The exit code, as `muster --help` lists them.
    """
    try:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(arguments: list[str]) -> int:
    if not arguments:
        sys.stdout.write(_START)
        return _OK
    try:
        command, bound = parse(arguments)
    except CycloptsError as error:
        return _wrong_usage(error)
    if command == app.help_print and not {"-h", "--help"} & set(arguments):
        return _incomplete(arguments)
    garbled = next(filter(_is_garbled, bound.arguments.values()), None)
    if garbled is not None:
        sys.stderr.write(f"muster: {garbled!r} is not valid UTF-8\n")
        return _USAGE
    return _call(command, bound)


def _is_garbled(value: object) -> bool:
    """Tell whether a value is text that is not UTF-8; Python has replaced its bytes."""
    return isinstance(value, str) and any("\ud800" <= one <= "\udfff" for one in value)


def parse(arguments: list[str]) -> tuple[Callable[..., Any], inspect.BoundArguments]:
    """The function that the arguments name, and its parameters. Raises CycloptsError."""
    masked = list(map(_mask, arguments))
    command, bound, _ = app.parse_args(masked, exit_on_error=False, print_error=False)
    bound.arguments = {name: _unmasked(value) for name, value in bound.arguments.items()}
    return command, bound


_MASK = "\0"
"""A character that no argument can have."""


def _mask(argument: str) -> str:
    """Keep `-` and text with spaces that starts with a hyphen from being read as options."""
    text = argument.partition("=")[0]
    is_value = argument == "-" or (argument.startswith("-") and " " in text)
    return _MASK + argument if is_value else argument


def _unmasked(value: Any) -> Any:
    if isinstance(value, str):
        return value.removeprefix(_MASK)
    return list(map(_unmasked, value)) if isinstance(value, list) else value


def _call(command: Callable[..., Any], bound: inspect.BoundArguments) -> int:
    """Run a command. Returns its exit code."""
    try:
        result = command(*bound.args, **bound.kwargs)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich ends the process then
            return _PIPE_CLOSED
        raise
    except Exception as error:
        from muster.cli.session import CommandError

        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError) and error.filename:
            error = CommandError(f"cannot write {error.filename}: {str(error.strerror).lower()}")
        if not isinstance(error, CommandError):
            raise
        sys.stderr.write(f"muster: {error}\n")
        return error.status
    return result if isinstance(result, int) else _OK


def _incomplete(arguments: list[str]) -> int:
    """Show the commands of a group that was named without one."""
    from rich.console import Console

    app.help_print(arguments, console=Console(stderr=True))
    sys.stderr.write(f"\nmuster: choose a command of muster {' '.join(arguments)}\n")
    return _USAGE


def _wrong_usage(error: CycloptsError) -> int:
    command = " ".join(("muster", *(error.command_chain or ())))
    sys.stderr.write(f'muster: {_explain(error)}\nSee "{command} --help".\n')
    return _USAGE


def _commands(group: App) -> list[str]:
    return [name for name in group if not name.startswith("-")]


def _explain(error: CycloptsError) -> str:
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        given = error.keyword is not None or error.argument.tokens
        return f"{error.argument.name} {'needs a value' if given else 'is required'}"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument {_unmasked(error.unused_tokens[0])!r}"
    if isinstance(error, UnknownCommandError) and error.app is not None and error.unused_tokens:
        given, commands = _unmasked(error.unused_tokens[0]), _commands(error.app)
        near = difflib.get_close_matches(given, commands, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        return f"unknown command {given!r}{hint} Commands: {', '.join(commands)}"
    error.verbose = False
    text = str(error).replace(_MASK, "").removesuffix(".")
    return text[:1].lower() + text[1:]
