"""cli.md: every command with its arguments, options and examples, from muster.cli."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from cyclopts import App
from cyclopts.argument import Argument, ArgumentCollection
from cyclopts.help import HelpEntry, create_parameter_help_panel

from muster.cli import main
from muster.config import Settings
from tools.reference.markdown import block, code, page, sentence, table, with_literals

_INTRO = """# The command line

`muster` alone shows the first steps, and `muster COMMAND --help` shows what this page says about a
command.

- Results go to standard output. On a terminal, lists are tables; in a pipe, each row is a line of
  tab-separated columns without a header. `--json` prints lists and reports as JSON.
- Errors go to standard error. They begin with `muster: `, and name the cause and the next step.
- `check`, `doctor`, `backup`, `restore`, `export`, `import` and `demo` show their progress on
  standard error if it is a terminal.
- Every command but `serve` works on the database itself, so it needs no running service and no API
  key. It may run while the service does."""

_COMPLETION = """## Completion

`muster --install-completion` installs completion for your shell, or for the one that you name with
`--shell`. Start a new shell afterwards, and run it again after an upgrade.

| shell | file | also |
|---|---|---|
| bash | `~/.local/share/bash-completion/completions/muster` | a line in `~/.bashrc` |
| zsh | `~/.zsh/completions/_cyclopts_muster` | a line in `~/.zshrc`; `compinit` must run after it |
| fish | `~/.config/fish/completions/muster.fish` | |"""
_EXAMPLES = "Examples:\n"
_HEADS = ("option", "default", "meaning")
_VARIABLE = re.compile(r" \[(MUSTER_\w+)(?:, default [^\]]*)?\]$")


def cli_page() -> str:
    """Return the page."""
    commands = [(name, command) for name, command in _commands(main.app)]
    listed = [
        (f"[`muster {name}`](#muster-{name.replace(' ', '-')})", _summary(app))
        for name, app in commands
    ]
    return page(
        _INTRO,
        _exit_codes(),
        "## Commands\n\n" + table(("command", "task"), listed),
        *(_section(name, command) for name, command in commands),
        _COMPLETION,
    )


def _commands(app: App, prefix: str = "") -> Iterator[tuple[str, App]]:
    """Yield the commands of an app, each group before its commands."""
    for name in app:
        if name.startswith("-"):
            continue
        command = app[name]
        yield f"{prefix}{name}", command
        yield from _commands(command, f"{prefix}{name} ")


def _exit_codes() -> str:
    codes = re.findall(r"^  (\d+) +(.+)$", main.app.help_epilogue or "", re.M)
    rows = [(code(number), text.replace('"', "`")) for number, text in codes]
    return "## Exit codes\n\n" + table(("exit code", "meaning"), rows)


def _summary(app: App) -> str:
    """Return the first sentence of a command's help."""
    return sentence(app.help.partition("\n\n")[0])


def _section(name: str, app: App) -> str:
    """Return the description of a command, or of a group of commands."""
    level = "##" if " " not in name else "###"
    parts = [f"{level} muster {name}", _unwrapped(app.help)]
    examples, others = _epilogue(app)
    if app.default_command is not None:
        parts += [_usage(name, app), _options(app)]
    parts += [*others, *examples]
    return page(*parts)


def _unwrapped(text: str) -> str:
    """Return a help text as paragraphs."""
    paragraphs = [sentence(" ".join(part.split())) for part in text.split("\n\n")]
    return "\n\n".join(
        textwrap.fill(with_literals(part), 100, break_on_hyphens=False) for part in paragraphs
    )


def _epilogue(app: App) -> tuple[list[str], list[str]]:
    """Return the examples of a command as a block, and the other paragraphs of its epilogue."""
    text = "" if app.default_command is None else app.help_epilogue or ""
    if app is main.app or not text:
        return [], []
    examples = [
        block(textwrap.dedent(part.removeprefix(_EXAMPLES)), "text")
        for part in text.split("\n\n")
        if part.startswith(_EXAMPLES)
    ]
    others = [sentence(part) for part in text.split("\n\n") if not part.startswith(_EXAMPLES)]
    return examples, others


def _arguments(app: App) -> ArgumentCollection:
    return app.assemble_argument_collection(
        default_parameter=main.app.default_parameter, parse_docstring=True
    ).filter_by(show=True)


def _entry(argument: Argument) -> HelpEntry:
    """Return an argument as `--help` shows it."""
    collection = ArgumentCollection([argument])  # type: ignore[no-untyped-call]  # untyped library
    panel = create_parameter_help_panel(collection.groups[0], collection, "plaintext")
    return panel.entries[0]


def _usage(name: str, app: App) -> str:
    """Return the usage of a command: its arguments and its required options."""
    words = ["muster", name]
    entries = [(argument, _entry(argument)) for argument in _arguments(app)]
    for argument, entry in entries:
        if argument.index is None and argument.required:
            words.append(f"{entry.positive_names[0]} {entry.metavar}")
    if any(argument.index is None and not argument.required for argument, _ in entries):
        words.append("[OPTIONS]")
    for argument, entry in entries:
        if argument.index is not None:
            label = str(entry.positional_label)
            words.append(label if argument.required else f"[{label}]")
    return block(" ".join(words))


def _options(app: App) -> str:
    rows = [_row(argument, _entry(argument)) for argument in _arguments(app)]
    return table(_HEADS, rows) if rows else ""


def _row(argument: Argument, entry: HelpEntry) -> Sequence[str]:
    """Return the row of an argument or an option."""
    text, variable = _without_variable(argument.parameter.help or "")
    if entry.choices:
        text = f"{text} One of {', '.join(map(code, entry.choices))}."
    if variable:
        text = f"{text} The setting {variable}."
    return _names(argument, entry), _default(argument, entry, variable), with_literals(text)


def _without_variable(text: str) -> tuple[str, str]:
    """Return a help text without the variable at its end, and the variable."""
    found = _VARIABLE.search(text)
    return sentence(_VARIABLE.sub("", text)), found[1] if found else ""


def _names(argument: Argument, entry: HelpEntry) -> str:
    if argument.index is not None:
        return code(str(entry.positional_label))
    value = f" {entry.metavar}" if entry.metavar else ""
    names = [f"{name}{value}" for name in entry.positive_names] + list(entry.negative_names)
    return ", ".join(map(code, names))


def _default(argument: Argument, entry: HelpEntry, variable: str) -> str:
    if argument.required:
        return "required"
    if variable:
        default = Settings.model_fields[variable.removeprefix("MUSTER_").lower()].default
        shown = "" if default in (None, ()) else str(default)
        return code(shown.lower() if isinstance(default, bool) else shown)
    return code("" if entry.default in (None, "None", '""', "False") else str(entry.default))
