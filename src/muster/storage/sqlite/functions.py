"""SQLite's functions for compiled queries, and the form of its parameters."""

import re
from collections.abc import Iterable
from functools import lru_cache

from muster.scim.values import Json
from muster.storage.port.engine import Statement
from muster.storage.query.compiler import Functions

_NUMBERED = re.compile(r"\$(\d+)")


class SqliteFunctions(Functions):
    """The JSON1 and text functions. `instr` and `substr` have no wildcards."""

    def path(self, keys: tuple[str | int, ...]) -> str:
        return "$" + "".join(f"[{key}]" if isinstance(key, int) else f'."{key}"' for key in keys)

    def operand(self, value: Json) -> Json:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return float(value)  # SQLite reads a JSON number beyond 64 bits as a float
        return value

    def value(self, json: str, path: str, kind: str) -> str:
        del kind  # json_extract returns each value in its own type
        return f"json_extract({json}, {path})"

    def scalar(self, element: str, kind: str) -> str:
        del kind
        return element

    def object(self, json: str, path: str) -> str:
        return f"json_extract({json}, {path})"

    def elements(self, json: str, path: str, alias: str) -> tuple[str, str]:
        return f"json_each({json}, {path}) {alias}", f"{alias}.value"

    def members(self, json: str, path: str, alias: str) -> tuple[str, str]:
        return self.elements(json, path, alias)

    def keys(self, keys: Iterable[int]) -> Json:
        return f"[{','.join(map(str, sorted(keys)))}]"

    def each_key(self, keys: str) -> str:
        return f'SELECT value AS "key" FROM json_each({keys})'

    def documents(self, keys: str, workspace: str) -> str:
        joined = (
            f'{keys} k CROSS JOIN resources r ON r."key" = k."key" AND r.workspace = {workspace}'
        )
        columns = "count(*), group_concat(document, ','), group_concat(id, ','), max(grouped)"
        return f"SELECT {columns} FROM (SELECT r.document, r.id, r.grouped FROM {joined})"

    def contains(self, text: str, part: str) -> str:
        return f"instr({text}, {part}) > 0"

    def starts_with(self, text: str, part: str) -> str:
        return f"instr({text}, {part}) = 1"

    def ends_with(self, text: str, part: str) -> str:
        return (
            f"({text} IS NOT NULL AND (length({part}) = 0 OR substr({text}, -length({part}))"
            f" = {part}))"
        )


def positional(statement: Statement) -> tuple[str, list[Json]]:
    """Return SQL with question marks, and the parameters in their order.

    Every version of Python's sqlite3 takes this form.
    """
    sql, order = _marked(statement.sql)
    return sql, [statement.parameters[n] for n in order]


@lru_cache(maxsize=1024)
def _marked(sql: str) -> tuple[str, tuple[int, ...]]:
    """Return SQL with question marks, and the index of the parameter at each."""
    return _NUMBERED.sub("?", sql), tuple(int(number) - 1 for number in _NUMBERED.findall(sql))
