"""PostgreSQL's functions for compiled queries. Texts compare by code point."""

from collections.abc import Iterable
from decimal import Decimal

from muster.scim.values import Json
from muster.storage.query.compiler import BOOLEAN, NUMBER, Functions

_CASTS = {NUMBER: "::numeric", BOOLEAN: "::boolean"}


class PostgresFunctions(Functions):
    """The jsonb and text functions. `strpos` and `starts_with` have no wildcards.

    Args:
        page_bytes: The most bytes of the documents of a page.
    """

    def __init__(self, page_bytes: int) -> None:
        self._page_bytes = page_bytes

    def path(self, keys: tuple[str | int, ...]) -> Json:
        return [str(key) for key in keys]

    def operand(self, value: Json) -> Json:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Decimal(repr(value))
        return value

    def value(self, json: str, path: str, kind: str) -> str:
        return f"(({json} #>> {path}){_CASTS.get(kind, '')})" + self._collation(kind)

    def scalar(self, element: str, kind: str) -> str:
        return f"(({element} #>> '{{}}'){_CASTS.get(kind, '')})" + self._collation(kind)

    def object(self, json: str, path: str) -> str:
        return f"({json} #> {path})"

    def elements(self, json: str, path: str, alias: str) -> tuple[str, str]:
        return f"jsonb_path_query({json} #> {path}, '$[*]') AS {alias}(element)", f"{alias}.element"

    def members(self, json: str, path: str, alias: str) -> tuple[str, str]:
        return f"jsonb_path_query({json} #> {path}, '$.*') AS {alias}(element)", f"{alias}.element"

    def keys(self, keys: Iterable[int]) -> Json:
        return sorted(keys)

    def each_key(self, keys: str) -> str:
        return f'SELECT unnest({keys}::bigint[]) AS "key"'

    def documents(self, keys: str, workspace: str) -> str:
        ordered = f'unnest(ARRAY{keys}) WITH ORDINALITY AS k("key", place)'
        joined = f'{ordered} JOIN resources r ON r.workspace = {workspace} AND r."key" = k."key"'
        sized = (
            "r.document, r.id, r.grouped, k.place, sum(octet_length(r.document) + 1)"
            " OVER (ORDER BY k.place) - 1 AS bytes"
        )
        within = f"FILTER (WHERE bytes <= {self._page_bytes})"
        text = f"convert_to(string_agg(document, ',' ORDER BY place) {within}, 'UTF8')"
        documents = f"CASE WHEN max(bytes) <= {self._page_bytes} THEN {text} END"
        ids = "convert_to(string_agg(id, ',' ORDER BY place), 'UTF8')"
        return (
            f"SELECT count(*), {documents}, {ids}, bool_or(grouped) FROM (SELECT {sized}"
            f" FROM {joined}) p"
        )

    def contains(self, text: str, part: str) -> str:
        return f"strpos({text}, {part}) > 0"

    def starts_with(self, text: str, part: str) -> str:
        return f"starts_with({text}, {part})"

    def ends_with(self, text: str, part: str) -> str:
        return f"right({text}, length({part})) = {part}"

    @staticmethod
    def _collation(kind: str) -> str:
        return "" if kind in _CASTS else ' COLLATE "C"'
