"""What SQLite calls the functions that compiled queries use, and how it takes their parameters."""

import re

from muster.scim.values import Json
from muster.storage.compile import Functions, Statement

_NUMBERED = re.compile(r"\?(\d+)")


class SqliteFunctions(Functions):
    """JSON1 and the text functions; instr and substr know no wildcards."""

    def path(self, keys: tuple[str | int, ...]) -> str:
        return "$" + "".join(f"[{key}]" if isinstance(key, int) else f'."{key}"' for key in keys)

    def value(self, json: str, path: str) -> str:
        return f"json_extract({json}, {path})"

    def elements(self, json: str, path: str, alias: str) -> tuple[str, str]:
        return f"json_each({json}, {path}) {alias}", f"{alias}.value"

    def contains(self, text: str, part: str) -> str:
        return f"instr({text}, {part}) > 0"

    def starts_with(self, text: str, part: str) -> str:
        return f"instr({text}, {part}) = 1"

    def ends_with(self, text: str, part: str) -> str:
        return f"(length({part}) = 0 OR substr({text}, -length({part})) = {part})"


def positional(statement: Statement, *following: Json) -> tuple[str, list[Json]]:
    """The SQL with bare question marks, and the parameters in their order: what sqlite3 takes in every version of Python.

    following: the values of the parameters that were still to come.
    """
    values = (*statement.parameters, *following)
    order = [values[int(number) - 1] for number in _NUMBERED.findall(statement.sql)]
    return _NUMBERED.sub("?", statement.sql), order
