"""errors.md: every error of the service with its cause and its cure."""

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tools.reference.error_templates import Template, templates
from tools.reference.markdown import code, page, table

_RULES = Path(__file__).parent / "errors.toml"
_INTRO = """# Errors

Every error of the API, by the text of its `detail`, with its cause and its cure. An ellipsis (…)
stands for a part that differs each time, such as the name of an attribute or a limit. Most errors
begin with the place of the value at fault, such as `emails[0].value: `.

[Endpoints](endpoints.md) shows the form of errors: SCIM Error documents under `/scim/v2`, problem
documents elsewhere, and errors of OAuth at the token endpoint. Under `/scim/v2`, `scimType` is the
keyword in the second column. Errors of the command line and of single pages of the console name
their remedy themselves, and are not listed."""


class Rule(NamedTuple):
    """The cause and cure of some errors.

    Attributes:
        group: The title of its group.
        details: The patterns of their texts.
        cause: The cause.
        cure: The cure.
    """

    group: str
    details: Sequence[str]
    cause: str
    cure: str


@functools.cache
def rules() -> Sequence[Rule]:
    """Return the rules of errors.toml, in their order."""
    read = tomllib.loads(_RULES.read_text())
    return tuple(
        Rule(group["title"], tuple(rule["details"]), rule["cause"], rule["cure"])
        for group in read["group"]
        for rule in group["rule"]
    )


@functools.cache
def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def rule_of(template: Template) -> tuple[Rule, str] | None:
    """Return the rule of an error and the pattern that matches it; None if there is none."""
    found = [
        (len(pattern.replace("*", "")), rule, pattern)
        for rule in rules()
        for pattern in rule.details
        if _matcher(pattern).fullmatch(template.text)
    ]
    return max(found, key=lambda item: item[0])[1:] if found else None


def without_rule() -> list[str]:
    """Return the texts of the errors that have no cause and cure."""
    return [template.text for template in templates() if rule_of(template) is None]


def unused_patterns() -> list[str]:
    """Return the patterns of the rules that are the best match of no error."""
    used = {found[1] for template in templates() if (found := rule_of(template))}
    return [pattern for rule in rules() for pattern in rule.details if pattern not in used]


def errors_page() -> str:
    """Return the page."""
    by_rule: dict[Rule, list[Template]] = {rule: [] for rule in rules()}
    for template in templates():
        found = rule_of(template)
        if found is not None:
            by_rule[found[0]].append(template)
    groups: dict[str, list[Rule]] = {}
    for rule in rules():
        groups.setdefault(rule.group, []).append(rule)
    heads = ("detail", "status", "cause", "cure")
    sections = [
        page(f"## {title}", table(heads, _rows(found, by_rule))) for title, found in groups.items()
    ]
    return page(_INTRO, *sections)


def _rows(
    group: Sequence[Rule], by_rule: Mapping[Rule, Sequence[Template]]
) -> Iterator[Sequence[str]]:
    for rule in group:
        found = by_rule[rule]
        details = "<br>".join(code(template.text) for template in found)
        yield details, "<br>".join(dict.fromkeys(map(_status, found))), rule.cause, rule.cure


def _status(template: Template) -> str:
    status = str(template.status) if template.status else "429 or 503"
    return f"{status} {code(template.scim_type)}".strip()
