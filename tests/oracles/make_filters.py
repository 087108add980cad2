"""Generate filters over all attributes of the schemas, and a directory to search.

The grammar is that of RFC 7644 section 3.4.2.2.
"""

import json
from random import Random
from typing import Any

from tests.oracles.filters import Compare, Element, Filter, Logical, Not, Present, Spelling
from tests.oracles.host import Space
from tests.oracles.schemas import ENTERPRISE, GROUP, PROBE, USER, Attribute, Path, ResourceType

Json = Any

OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
WORDS = (
    "ada",
    "Ada",
    "ADA LOVELACE",
    "zoë",
    "ZOË",
    "straße",
    "STRASSE",
    "a%b",
    "a_b",
    "a*b",
    "a[b",
    'say "hi"',
    "back\\slash",
)
MORE_WORDS = (
    "x",
    " ada",
    "ada ",
    "😀",
    "é",
    "e\u0301",
    "ﬁne",
    "true",
    "null",
    "0",
    "work",
    "home",
    "Work",
    "\u0001",
    "日本",
    "A b",
)
MAILS = (
    "ada@example.com",
    "ADA@Example.COM",
    "b@example.org",
    "c.d@sub.example.net",
    "zoë@exämple.com",
)
URLS = ("https://example.com/me", "https://Example.com/Me", "urn:x:y")
BINARY = ("YWRh", "QURB", "AAEC/w==")
DATES = (
    "2020-01-01T00:00:00Z",
    "2020-01-01T01:00:00+01:00",
    "2020-01-01T00:00:00.0000001Z",
    "2020-01-01T00:00:00.000Z",
    "2020-01-01T00:00:00.1Z",
    "2020-01-01T00:00:00.1000000Z",
    "2020-01-01T00:00:00.1000001Z",
    "2019-12-31T23:59:59.9999999Z",
    "2024-02-29T12:30:00.123456Z",
    "2024-02-29T12:30:00.1234567Z",
    "2024-02-29T12:30:00.1234568Z",
    "2024-02-29T02:30:00.123456-10:00",
    "1999-12-31T23:59:59-08:00",
    "1969-12-31T23:59:59.5Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
)
MIDNIGHT = "2019-12-31T24:00:00Z"
"""Another spelling of the first of the DATES (XML Schema Part 2, section 3.2.7.1)."""
NOT_DATES = (
    "2020-01-01",
    "2020-13-01T00:00:00Z",
    "2020-02-30T00:00:00Z",
    "2020-01-01T25:00:00Z",
    "2020-01-01 00:00:00Z",
    "now",
    "",
)
ODD_DATES = (
    "2020-01-01T00:00:00",
    "12020-01-01T00:00:00Z",
    "2020-01-01T00:00:00.12345678Z",
    "2020-12-31T23:59:60Z",
)
INTEGERS = (0, 1, 2, -1, 10, 2**31, 2**53, -(2**53))
DECIMALS = (0.0, 0.1, 1.0, 1.5, -2.25, 1e10, 10.0)
WRONG = (None, True, False, 0, 1.5, "x", "True", "false", "")


# A directory


def value_of(rng: Random, attribute: Attribute) -> Json:
    """A valid value of a simple attribute, from a small set so that values repeat."""
    match attribute.type:
        case "boolean":
            return rng.random() < 0.5
        case "integer":
            return rng.choice(INTEGERS)
        case "decimal":
            return rng.choice(DECIMALS)
        case "dateTime":
            return rng.choice(DATES)
        case "binary":
            return rng.choice(BINARY)
        case "reference":
            return rng.choice(URLS)
    if attribute.name == "type":
        return rng.choice(("work", "home", "Work", "other"))
    return rng.choice(WORDS + MAILS if rng.random() < 0.7 else MORE_WORDS)


def _complex(rng: Random, attribute: Attribute) -> Json:
    return {
        sub.name: value_of(rng, sub)
        for sub in attribute.subs.values()
        if sub.mutability != "readOnly"
        and sub.name != "primary"
        and (sub.required or rng.random() < 0.6)
    }


def any_value(rng: Random, attribute: Attribute) -> Json:
    """A valid value of an attribute."""
    single = _complex if attribute.type == "complex" else value_of
    if not attribute.multi:
        return single(rng, attribute)
    made = [single(rng, attribute) for _ in range(rng.choice((1, 1, 2, 3)))]
    if "primary" in attribute.subs:
        chosen = rng.randrange(len(made) * 2)
        for index, element in enumerate(made):
            if index == chosen or rng.random() < 0.3:
                element["primary"] = index == chosen
    return [element for element in made if element != {}]


def attributes_of(rng: Random, among: dict[str, Attribute], share: float) -> dict[str, Json]:
    """Valid values of a share of the attributes."""
    settable = [
        item
        for item in among.values()
        if item.mutability != "readOnly" and item.name not in ("schemas", "members", "password")
    ]
    return {item.name: any_value(rng, item) for item in settable if rng.random() < share}


def user(rng: Random, kind: ResourceType, number: int) -> Json:
    """A valid user."""
    document = {"schemas": [USER, ENTERPRISE, PROBE], **attributes_of(rng, kind.core, 0.4)}
    document["userName"] = f"{rng.choice(WORDS + MAILS)}-{number}"
    for urn, attributes in kind.extensions.items():
        if found := attributes_of(rng, attributes, 0.4):
            document[urn] = found
    return document


def fill(
    space: Space, kinds: dict[str, ResourceType], rng: Random, users: int = 40, groups: int = 12
) -> dict[str, list[Json]]:
    """Create users, and groups that contain users and other groups.

    Returns every resource as GET shows it, by type.
    """
    made = [space.create("/Users", user(rng, kinds["User"], number)) for number in range(users)]
    grouped: list[Json] = []
    for number in range(groups):
        members = rng.sample(made, rng.choice((0, 1, 2, 5))) + rng.sample(
            grouped, min(len(grouped), rng.choice((0, 0, 1, 2)))
        )
        document = {"schemas": [GROUP], "displayName": f"{rng.choice(WORDS)}-{number}"}
        document |= {"externalId": rng.choice(WORDS)} if rng.random() < 0.5 else {}
        listed = [{"value": member["id"]} for member in members]
        grouped.append(space.create("/Groups", document | {"members": listed}))
    return {
        name: space.call("GET", kind.endpoint, count=1000).json["Resources"]
        for name, kind in kinds.items()
        if name in ("User", "Group")
    }


# Filters


class Maker:
    """Generates filters for one resource type.

    Most comparisons are with values of the resources in seen.
    """

    def __init__(self, rng: Random, kind: ResourceType, seen: list[Json]) -> None:
        self.rng, self.kind = rng, kind
        self.paths = list(kind.paths())
        self._seen = {str(path): list(_values(seen, path)) for path in self.paths}
        self._found = [path for path in self.paths if self._seen[str(path)]]

    def filter(self, depth: int = 3) -> Filter:
        """Generate a filter of at most depth levels."""
        return self._tree(depth, self._leaf)

    def spelling(self) -> Spelling:
        rng = self.rng
        if rng.random() < 0.6:
            return Spelling()
        case = lambda: rng.choice((str, str.upper, str.lower, str.swapcase))  # noqa: E731 (used on the next line only)
        return Spelling(case(), rng.random() < 0.3, case(), rng.choice(("", " ")))

    def _tree(self, depth: int, leaf: Any) -> Filter:
        chance = self.rng.random()
        if depth <= 1 or chance < 0.5:
            return leaf()
        if chance < 0.62:
            return Not(self._tree(depth - 1, leaf))
        terms = tuple(self._tree(depth - 1, leaf) for _ in range(self.rng.choice((2, 2, 3))))
        return Logical(self.rng.choice(("and", "or")), terms)

    def _path(self) -> Path:
        return self.rng.choice(self._found if self.rng.random() < 0.8 else self.paths)

    def _leaf(self) -> Filter:
        chance = self.rng.random()
        if chance < 0.3:
            return self._element()
        path = self._path()
        return Present(path) if chance < 0.42 else self._compare(path)

    def _element(self) -> Filter:
        rng = self.rng
        complex_ones = [path for path in self._found if path.last.type == "complex"]
        path = rng.choice(complex_ones)
        if rng.random() < 0.04:  # a bracket after an attribute that has no sub-attributes
            path = rng.choice([path for path in self._found if path.sub is None])
        subs = list(path.attribute.subs.values()) or [
            Attribute("value", path.attribute.type, case_exact=path.attribute.case_exact)
        ]
        inner = self._tree(rng.choice((1, 2, 2, 3)), lambda: self._inside(path, subs))
        then = None
        if rng.random() < 0.04:
            then = self._compare(Path(path.urn, path.attribute, rng.choice(subs)))
        return Element(path, inner, then)

    def _inside(self, path: Path, subs: list[Attribute]) -> Filter:
        primary = [sub for sub in subs if sub.name == "primary"]
        sub = self.rng.choice(primary if primary and self.rng.random() < 0.3 else subs)
        inner = Path(path.urn, path.attribute, sub)
        return Present(inner) if self.rng.random() < 0.15 else self._compare(inner)

    def _compare(self, path: Path) -> Compare:
        rng = self.rng
        operator = rng.choice(OPERATORS)
        compared = (
            path.last.subs.get("value", path.last) if path.last.type == "complex" else path.last
        )
        if compared.type == "boolean" and rng.random() < 0.9:
            operator = rng.choice(("eq", "ne"))
        if (
            compared.type in ("integer", "decimal", "dateTime")
            and operator in ("co", "sw", "ew")
            and rng.random() < 0.8
        ):
            operator = rng.choice(("eq", "ne", "gt", "ge", "lt", "le"))
        value = self._wanted(path, compared, operator)
        return Compare(path, operator, value, self._escaped(value))

    def _wanted(self, path: Path, compared: Attribute, operator: str) -> Json:
        rng = self.rng
        if rng.random() < 0.05:
            return rng.choice(WRONG)
        if operator in ("eq", "ne") and rng.random() < 0.05:
            return None
        if compared.type in ("string", "reference") and rng.random() < 0.04:
            return ""
        if compared.type == "dateTime" and rng.random() < 0.06:
            return rng.choice((*NOT_DATES, *ODD_DATES, MIDNIGHT))
        seen = (
            self._seen[str(Path(path.urn, path.attribute, path.sub))]
            if str(path) in self._seen
            else []
        )
        seen = (
            [value["value"] for value in seen if "value" in value]
            if path.last.type == "complex"
            else seen
        )
        value = rng.choice(seen) if seen and rng.random() < 0.7 else value_of(rng, compared)
        return (
            self._bent(value) if isinstance(value, str) and compared.type != "dateTime" else value
        )

    def _bent(self, text: str) -> str:
        rng = self.rng
        if rng.random() < 0.4:
            text = rng.choice((str.upper, str.lower, str.swapcase))(text)
        if rng.random() < 0.5 and len(text) > 1:
            cut = rng.randrange(1, len(text))
            text = rng.choice((text[:cut], text[cut:], text[cut - 1 : cut + 1], text + "x"))
        return text

    def _escaped(self, value: Json) -> str:
        """Sometimes spell a string with escapes (RFC 8259 section 7)."""
        return json.dumps(value) if isinstance(value, str) and self.rng.random() < 0.3 else ""


def _values(resources: list[Json], path: Path) -> Any:
    for resource in resources:
        holder = resource if path.urn is None else resource.get(path.urn, {})
        value = holder.get(path.attribute.name)
        for item in value if isinstance(value, list) else [] if value is None else [value]:
            found = item if path.sub is None else item.get(path.sub.name)
            if found is not None:
                yield found


def broken(rng: Random, text: str) -> str:
    """Damage a filter: leave out, double, replace or insert a few characters."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(text))
        change = rng.choice(
            ("", text[at] * 2, rng.choice(' ()[]".:\\\t0aé'), text[at] + rng.choice(' ()[]"'))
        )
        text = text[:at] + change + text[at + 1 :] or " "
    return text
