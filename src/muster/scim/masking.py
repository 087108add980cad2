"""Masks the secrets of a request before it is stored in the request log.

A secret is the value of an attribute that a schema declares `returned: never` or `writeOnly`.
Searching the text for "password" would miss a custom attribute, a value path or a bulk operation
that sets one, so the message is read as the protocol reads it: keys and paths in any case, PATCH
operations alone or in bulk, filters and value paths.

The walk carries the definitions that may apply (`scopes`): the resource type of the URL, or all
types if the URL names none. A name resolves to a chain of definitions in each scope, such as
[emails, value]; the value is masked if any definition in any chain is secret. Requests are often
malformed, and a secret in a malformed request is still a secret, so doubts are resolved towards
masking:

- The value of an unknown name that sounds like a secret (`_WORDS`) is masked.
- A path or filter that cannot be parsed is masked with the value that belongs to it.
- An object that mentions a secret under an unknown key may hold it under another key; all are
  masked.
- The body of a message that is not JSON, or is too deep, is not stored (`Unreadable`).

Every masked string is remembered, because the error message of the answer may quote it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import quote, unquote_plus

import orjson

from muster.scim.dialects import Dialect
from muster.scim.errors import ScimError
from muster.scim.filter.grammar import (
    And,
    Compare,
    Filter,
    Not,
    Or,
    Present,
    ValuePath,
    parse,
    to_text,
)
from muster.scim.schema.model import Attribute, Registry, ResourceType, Schema
from muster.scim.values import Json

MASK = "•••"
MAX_DEPTH = 64
_MAX_PARAMETERS = 50
_WORDS = (
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "authorization",
    "credential",
    "apikey",
    "api_key",
    "api-key",
)
"""Parts of names that suggest a secret if no schema defines the name."""
_PARAMETERS = frozenset(
    (
        "filter",
        "sortby",
        "sortorder",
        "domain",
        "startindex",
        "count",
        "cursor",
        "attributes",
        "excludedattributes",
    )
)
_OF_BULK = frozenset(("method", "bulkid", "path", "data", "version", "op"))
_ENVELOPE = frozenset(("op", "method", "bulkid", "version"))
_PLAIN = re.compile(r"[\w.:$/-]{1,200}")
_QUOTED = re.compile(r"[\"'].*[\"']", re.DOTALL)
_ESCAPED = json.dumps(MASK)[1:-1]
_NO_LETTERS = re.compile(r"[^A-Za-z0-9]")
_AFTER_PATH = re.compile(r"[?;=]")

_Scope = ResourceType | Schema | Attribute
"""A definition of names: of attributes, or of the sub-attributes of an attribute."""


class Unreadable(Exception):
    """The message cannot be read well enough to find its secrets."""


def bare_path(path: str) -> str:
    """Mask everything after `?`, `;` or `=` in a URL path.

    Some clients encode the query into the path.
    """
    found = _AFTER_PATH.search(path)
    return path if found is None else path[: found.start() + 1] + MASK


@lru_cache(256)
def suspicious_names(registry: Registry) -> tuple[str, ...]:
    """Return strings of which every message with a secret contains one, in lower case."""
    found = dict.fromkeys(_WORDS)
    for resource_type in registry.types.values():
        for _, attribute in resource_type.attributes():
            if _hides(attribute) and not any(word in attribute.name.lower() for word in _WORDS):
                found[attribute.name.lower()] = None
    return tuple(found)


def _is_secret(part: _Scope) -> bool:
    return isinstance(part, Attribute) and part.secret


def _hides(attribute: Attribute) -> bool:
    """Return whether an attribute or one of its sub-attributes is secret."""
    return _is_secret(attribute) or any(map(_is_secret, attribute.sub_attributes.values()))


def _chain(scope: _Scope, name: str) -> list[_Scope]:
    """Resolve a name to its definitions, outermost first; empty if the scope has none."""
    if isinstance(scope, ResourceType):
        place = scope.place(name)
        if place is None:
            return []
        if place.attribute is None:
            extension = scope.extension(place.schema or "")
            return [] if extension is None else [extension]
        return [place.attribute] if place.sub is None else [place.attribute, place.sub]
    head, dot, tail = name.partition(".")
    found = scope.attribute(head) if isinstance(scope, Schema) else scope.sub(head)
    if found is None or not dot:
        return [] if found is None else [found]
    inner = _chain(found, tail)
    return [found, *inner] if inner else []


def _are_secret(chains: Iterable[Iterable[_Scope]]) -> bool:
    return any(_is_secret(part) for chain in chains for part in chain)


def _hold_secrets(scopes: Iterable[_Scope]) -> bool:
    """Return whether a plain value of these complex attributes might be a secret."""
    return any(
        isinstance(scope, Attribute) and scope.is_complex and _hides(scope) for scope in scopes
    )


def _paths(operation: dict[str, Json]) -> list[Json]:
    """Return the paths of an operation, under any spelling of the key."""
    return [item for key, item in operation.items() if key.lower() == "path" and item is not None]


class Masker:
    """Masks one request and its answer.

    Attributes:
        masked: Whether anything was masked, so that the answer may quote a secret.
    """

    def __init__(self, registry: Registry, path: str) -> None:
        self._registry = registry
        self._names = suspicious_names(registry)
        self._types = self._types_at(path)
        self._secrets: set[str] = set()
        self._shown: set[str] = set()  # the paths of PATCH operations that were kept as they are
        self.masked = False

    def _types_at(self, path: str) -> list[ResourceType]:
        """Return the type of a URL path, or all types if it has none."""
        endpoint = path.strip("/").partition("/")[0]
        found = self._registry.types.get("/Users" if endpoint == "Me" else f"/{endpoint}")
        return list(self._registry.types.values()) if found is None else [found]

    def suspects(self, text: str) -> bool:
        """Return whether a text may contain the name of a secret, escaped or not."""
        lowered = text.lower()
        return "\\u" in text or any(name in lowered for name in self._names)

    def path(self, path: str) -> str:
        """Return the URL path of a request without an encoded query."""
        safe = bare_path(path)
        if safe != path:
            self._mask(path[len(safe) - len(MASK) :])  # the answer may repeat it
        return safe

    def query(self, query: str) -> str:
        """Return a query string with its secrets and all parameters outside SCIM masked."""
        if not query:
            return ""
        parts = query.split("&")
        safe = [self._parameter(part) for part in parts[:_MAX_PARAMETERS]]
        return "&".join([*safe, self._mask("")] if len(parts) > _MAX_PARAMETERS else safe)

    def _parameter(self, part: str) -> str:
        name, given, value = part.partition("=")
        lowered = unquote_plus(name).lower()
        if lowered not in _PARAMETERS:
            plain = given and _PLAIN.fullmatch(name)
            return f"{name}={self._mask(value)}" if plain else self._mask(part)
        text = unquote_plus(value)
        if lowered != "filter":
            names = [one.strip() for one in text.split(",")]
            # The mere name of a secret attribute is no secret; a value path could hold one.
            if not self.suspects(text) or all(self._chains(one, self._types) for one in names):
                return part
            return f"{name}={self._mask(text)}"
        safe = self._filter(text, self._types)
        return part if safe == text else f"{name}={quote(safe, safe='')}".replace(quote(MASK), MASK)

    def message(self, raw: bytes) -> Json:
        """Return the JSON of a request body with its secrets masked. Raises Unreadable."""
        try:
            value = orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
            if not isinstance(value, dict):
                raise Unreadable
            return self._walk(value, self._types, 0)
        except (orjson.JSONDecodeError, Unreadable):
            self.masked = True
            raise Unreadable from None

    def answer(self, raw: bytes) -> Json:
        """Return the JSON of an answer. Raises Unreadable.

        If the request held secrets, they are masked in it, as is everything that an error quotes.
        """
        try:
            value = orjson.loads(raw)
            return self._unquoted(value, 0) if self.masked else value
        except orjson.JSONDecodeError:
            raise Unreadable from None

    def _unquoted(self, value: Json, depth: int, key: str = "") -> Json:
        if depth > MAX_DEPTH:
            raise Unreadable
        if isinstance(value, dict):
            return {name: self._unquoted(item, depth + 1, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._unquoted(item, depth + 1) for item in value]
        if not isinstance(value, str):
            return value
        # The answer may contain a masked value anywhere, and its error message may quote a part of
        # it. Error messages put what a client sent in quotation marks, so that it is found here.
        for secret in self._secrets:
            value = value.replace(secret, MASK)
        return _QUOTED.sub(self._quoted, value) if key == "detail" else value

    def _quoted(self, found: re.Match[str]) -> str:
        """Return what an error message quotes: a path that is shown in the request, or the mask."""
        text = found[0]
        return text if text[1:-1] in self._shown else MASK

    def _mask(self, value: Json) -> Json:
        """Return the mask for a value and remember its texts; null is no secret."""
        if value is None:
            return None
        self.masked = True
        level: list[Json] = [value]
        while level:
            item = level.pop()
            if isinstance(item, dict | list):
                level.extend(item.values() if isinstance(item, dict) else item)
            elif isinstance(item, str) and item:
                self._secrets.add(item)
        return MASK

    def _walk(self, value: Json, scopes: Sequence[_Scope], depth: int) -> Json:
        """Return a value with its secrets masked.

        Args:
            value: The value.
            scopes: The definitions that may apply to its keys.
            depth: How deep in the message it is.
        """
        if depth > MAX_DEPTH:
            raise Unreadable
        if isinstance(value, list):
            return [self._walk(item, scopes, depth + 1) for item in value]
        if isinstance(value, dict):
            return self._object(value, scopes, depth)
        if _hold_secrets(scopes) or (isinstance(value, str) and self._may_quote(value, scopes)):
            return self._mask(value)
        return self._embedded(value, scopes, depth) if isinstance(value, str) else value

    def _may_quote(self, text: str, scopes: Sequence[_Scope]) -> bool:
        """Return whether a string outside attributes may quote a secret: "password:x".

        The mere name of an attribute, as in a list of `attributes`, quotes nothing.
        """
        if any(isinstance(scope, Attribute) for scope in scopes) or text.lstrip().startswith(
            ("{", "[")
        ):
            return False
        return self.suspects(text) and not self._chains(text.strip(), self._types)

    def _embedded(self, text: str, scopes: Sequence[_Scope], depth: int) -> str:
        """Mask a string that may itself be JSON, as Microsoft Entra ID sends app roles."""
        if not text.lstrip().startswith(("{", "[")) or not self.suspects(text):
            return text
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return str(self._mask(text))
        safe = self._walk(value, scopes, depth + 1)
        return text if safe == value else orjson.dumps(safe).decode()

    def _object(
        self, value: dict[str, Json], scopes: Sequence[_Scope], depth: int
    ) -> dict[str, Json]:
        if depth > MAX_DEPTH:
            raise Unreadable
        # An object with a path is an operation, unless a schema defines an attribute called path.
        if _paths(value) and not self._chains("path", scopes):
            return self._operation(value, depth)
        if self._points_at_secret(value, scopes):
            kept = {key for key in value if key.lower() == "op" or self._chains(key, scopes)}
            value = {key: item if key in kept else self._mask(item) for key, item in value.items()}
        return dict(self._member(key, item, scopes, depth) for key, item in value.items())

    def _points_at_secret(self, value: dict[str, Json], scopes: Sequence[_Scope]) -> bool:
        """Return whether an object mentions a secret, which may be under another key."""
        return any(
            isinstance(item, str)
            and self.suspects(item)
            and key.lower() != "filter"
            and not self._chains(key, scopes)
            for key, item in value.items()
        )

    def _member(
        self, key: str, item: Json, scopes: Sequence[_Scope], depth: int
    ) -> tuple[str, Json]:
        lowered = key.lower()
        name, chains = self._path(key, scopes)
        if lowered == "operations" and not _are_secret(chains):
            return name, self._operations(item, depth + 1)
        if lowered == "filter" and isinstance(item, str) and (not chains or self.suspects(item)):
            return name, self._filter(item, self._types)
        if lowered == "filter" and not chains and isinstance(item, list):
            return name, [
                self._filter(part, self._types) if isinstance(part, str) else self._mask(part)
                for part in item
            ]
        if chains:
            return name, self._value(item, chains, depth)
        # No schema defines the name: mask it if it sounds like a secret, also with separators
        # (pass-word).
        unsafe = (
            self.suspects(key) or self.suspects(_NO_LETTERS.sub("", key)) or _hold_secrets(scopes)
        )
        return name, self._mask(item) if unsafe else self._walk(item, self._types, depth + 1)

    def _operations(self, value: Json, depth: int) -> Json:
        """Mask the operations of a PATCH or bulk request: an array, or one of them alone."""
        if isinstance(value, list):
            return [
                self._operations(item, depth) if isinstance(item, dict) else self._mask(item)
                for item in value
            ]
        if not isinstance(value, dict):
            return self._mask(value)
        return (
            self._operation(value, depth)
            if _paths(value)
            else self._object(value, self._types, depth)
        )

    def _operation(self, operation: dict[str, Json], depth: int) -> dict[str, Json]:
        """Mask an operation of a PATCH or bulk request.

        The path of a PATCH operation decides about its value; the path of a bulk operation is a
        URL, and decides which resource type its data has.
        """
        paths = _paths(operation)
        if any(isinstance(path, str) and self._is_url(path) for path in paths):
            return self._bulk_operation(operation, depth)
        read = [self._target(path) for path in paths]
        chains = [chain for _, found in read for chain in found]
        # A path that leads nowhere may be a misspelt path to a secret, so the value is masked.
        unread = any(not found and path != "" for path, (_, found) in zip(paths, read, strict=True))
        safe = iter(read)
        return {
            key: next(safe)[0]
            if key.lower() == "path" and item is not None
            else self._field(key, item, chains, unread, depth)
            for key, item in operation.items()
        }

    def _is_url(self, path: str) -> bool:
        """Return whether a path is a URL path, unlike a JSON Pointer such as /password."""
        endpoint = path.strip("/").partition("/")[0]
        return path.startswith("/") and (
            f"/{endpoint}" in self._registry.types or endpoint in ("Me", "Bulk")
        )

    def _bulk_operation(self, operation: dict[str, Json], depth: int) -> dict[str, Json]:
        # The data of a bulk operation is read with the type of its own path.
        outer = self._types
        safe: dict[str, Json] = {}
        for key, item in operation.items():
            if key.lower() == "path":
                safe[key] = self.path(item) if isinstance(item, str) else self._mask(item)
                self._types = self._types_at(item) if isinstance(item, str) else outer
            elif key.lower() not in _OF_BULK or (
                key.lower() == "data" and not isinstance(item, dict)
            ):
                safe[key] = self._mask(item)
        rest = {key: item for key, item in operation.items() if key not in safe}
        try:
            return {**safe, **self._object(rest, (), depth)}
        finally:
            self._types = outer

    def _target(self, path: Json) -> tuple[Json, list[list[_Scope]]]:
        """Return the masked path of a PATCH operation and its chains of definitions."""
        if not isinstance(path, str):
            return self._mask(path), []
        safe, chains = self._path(path, self._types)
        if not chains and ('"' in safe or self.suspects(safe)):
            return self._mask(path), []
        if safe == path:
            self._shown.add(path)
        return safe, chains

    def _field(
        self, key: str, item: Json, chains: list[list[_Scope]], unread: bool, depth: int
    ) -> Json:
        if key.lower() in _ENVELOPE and isinstance(item, str):
            return item
        if unread or (key.lower() != "value" and self.suspects(key)):
            return self._mask(item)
        return (
            self._value(item, chains, depth) if chains else self._walk(item, self._types, depth + 1)
        )

    def _value(self, value: Json, chains: list[list[_Scope]], depth: int) -> Json:
        if _are_secret(chains):
            return self._mask(value)
        return self._walk(value, [chain[-1] for chain in chains], depth + 1)

    def _path(self, text: str, scopes: Sequence[_Scope]) -> tuple[str, list[list[_Scope]]]:
        """Return a path with its filter's secrets masked, and its chain in each scope."""
        head, bracket, rest = text.partition("[")
        chains = self._chains(head.strip(), scopes)
        if not bracket:
            named = (
                chains or not self.suspects(text) or (_PLAIN.fullmatch(text) and "." not in text)
            )
            return text if named else self._mask(text), chains
        inner, _, tail = rest.rpartition("]")
        name = tail.strip().lstrip(".").strip()
        whole = [
            [*chain, *found]
            for chain in chains
            if (found := _chain(chain[-1], name) if name else [chain[-1]])
        ]
        if not whole:
            return self._mask(text) if self.suspects(text) or '"' in text else text, []
        safe = (
            self._mask(inner)
            if _are_secret(whole)
            else self._filter(inner, [chain[-1] for chain in chains])
        )
        return f"{head}[{safe}]{tail}", whole

    def _chains(self, name: str, scopes: Iterable[_Scope]) -> list[list[_Scope]]:
        return [chain for scope in scopes if (chain := _chain(scope, name))]

    def _filter(self, text: str, scopes: Sequence[_Scope]) -> str:
        """Return a filter with the operands of secret and unknown attributes masked."""
        try:
            node = parse(text, Dialect())
        except ScimError:
            return str(self._mask(text))
        safe = self._node(node, scopes)
        return text if safe == node else to_text(safe).replace(_ESCAPED, MASK)

    def _node(self, node: Filter, scopes: Sequence[_Scope]) -> Filter:
        match node:
            case And(terms):
                return And(tuple(self._node(term, scopes) for term in terms))
            case Or(terms):
                return Or(tuple(self._node(term, scopes) for term in terms))
            case Not(term):
                return Not(self._node(term, scopes))
            case Present():
                return node
            case ValuePath(path, term):
                chains = self._chains(path, scopes)
                return ValuePath(
                    path,
                    self._node(
                        term, () if _are_secret(chains) else [chain[-1] for chain in chains]
                    ),
                )
            case Compare(path, operator, value):
                chains = self._chains(path, scopes)
                # An unknown attribute is masked too: a typo in a filter on a secret must not reveal
                # it.
                if chains and not _are_secret(chains):
                    return node
                return Compare(path, operator, self._mask(value))
