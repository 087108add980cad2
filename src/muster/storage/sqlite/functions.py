"""What SQLite calls the functions that compiled queries use."""

from muster.storage.compile import Functions


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
