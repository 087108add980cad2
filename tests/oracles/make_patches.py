"""Generate PATCH operations and documents over all attributes of the schemas.

The grammar is that of RFC 7644 section 3.5.2.
"""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.oracles.filters import Compare, Filter, Logical, Not, Present, render
from tests.oracles.make_filters import any_value, attributes_of, value_of
from tests.oracles.operations import NO_VALUE, Operation, Target, Unknown
from tests.oracles.schemas import ENTERPRISE, GROUP, PROBE, USER, Attribute, Path, ResourceType

Json = Any

_ODD = (
    None,
    [],
    "",
    {},
    [None],
    [{}],
    [""],
    5,
    1.0,
    True,
    "True",
    "false",
    "x",
    [[]],
    [5],
    ["x"],
    ["False"],
    {"nosuch": 1},
    [{"nosuch": "x"}],
)
_ODD_TEXT = (
    "remove",
    "x y",
    "emails[",
    'emails[type eq "work"]x',
    "nosuch",
    "title.x",
    "name.nosuch",
    "urn:x:nosuch",
    "emails[type eq]",
)


def start_user(rng: Random, kind: ResourceType, number: int, share: float = 0.3) -> Json:
    """A valid user to start from."""
    document = {
        "schemas": [USER, ENTERPRISE, PROBE],
        **attributes_of(rng, kind.core, share),
        "userName": f"user-{number}",
    }
    for urn, attributes in kind.extensions.items():
        if found := attributes_of(rng, attributes, share):
            document[urn] = found
    if rng.random() < 0.5:
        document["emails"] = [
            {
                "value": f"{name}@example.com",
                "type": kind_of,
                **({"primary": True} if first else {}),
            }
            for name, kind_of, first in rng.sample(
                (("a", "work", True), ("b", "home", False), ("a", "other", False)), 2
            )
        ]
    return document


def start_group(rng: Random, people: dict[str, Json], number: int) -> Json:
    """A valid group to start from, with some of the people as members."""
    members = [{"value": person} for person in rng.sample(sorted(people), rng.choice((0, 1, 2, 3)))]
    more = {"externalId": "x"} if rng.random() < 0.3 else {}
    return {"schemas": [GROUP], "displayName": f"group-{number}", "members": members, **more}


def start_any(
    rng: Random, kinds: dict[str, ResourceType], people: dict[str, Json], number: int
) -> tuple[str, Json]:
    """A valid user, or less often a group, to start from, with the name of its type."""
    name = rng.choice(("User", "User", "Group"))
    if name == "User":
        return name, start_user(rng, kinds[name], number)
    return name, start_group(rng, people, number)


class Maker:
    """Generates operations on a resource."""

    def __init__(
        self, rng: Random, kind: ResourceType, document: Json, people: dict[str, Json]
    ) -> None:
        self.rng, self.kind, self.document, self.people = rng, kind, document, people
        self._all = [
            (urn, attribute)
            for urn, attributes in ((None, kind.core), *kind.extensions.items())
            for attribute in attributes.values()
            if attribute.name != "schemas"
        ]
        self._there = [
            (urn, item) for urn, item in self._all if self._of(urn).get(item.name) is not None
        ]

    def _of(self, urn: str | None) -> Json:
        return self.document if urn is None else self.document.get(urn, {})

    def operations(self) -> list[Operation]:
        return [self.operation() for _ in range(self.rng.choice((1, 1, 1, 2, 2, 3, 4)))]

    def body(self, base: Json) -> Json:
        """Generate a document for POST or PUT: base with attributes removed and replaced."""
        rng = self.rng
        body = {
            key: value
            for key, value in base.items()
            if key not in ("id", "meta", "groups") and rng.random() < 0.85
        }
        body["schemas"] = [self.kind.urn, *self.kind.extensions]
        for name in ("userName", "displayName"):
            if name in base and rng.random() < 0.97:
                body[name] = base[name]
        for _ in range(rng.choice((1, 1, 2, 3))):
            urn, attribute = self._attribute()
            value = self._value(Target(urn, attribute))
            if urn is None:
                body = {
                    key: item for key, item in body.items() if key.lower() != attribute.name.lower()
                } | {attribute.name: value}
            elif isinstance(inside := body.setdefault(urn, {}), dict):
                body[urn] = inside | {attribute.name: value}
        if self.kind.extensions and rng.random() < 0.1:
            urn = rng.choice(list(self.kind.extensions))
            body[urn] = self._extension(urn)
        return body | ({"nosuch": 1} if rng.random() < 0.1 else {})

    def operation(self) -> Operation:
        rng = self.rng
        op = rng.choice(("add", "replace", "replace", "remove"))
        spelled = op.capitalize() if rng.random() < 0.05 else op
        chance = rng.random()
        if chance < 0.02:
            return Operation(
                spelled,
                rng.choice(_ODD_TEXT),
                Unknown(("invalidPath", "invalidFilter")),
                self._odd(),
            )
        if chance < 0.04 and op != "remove":
            target, text = self._target()
            return Operation(spelled, text, target)
        if chance < 0.3 and (op != "remove" or rng.random() < 0.1):
            return self._pathless(spelled)
        target, text = self._target()
        if op == "remove":
            return Operation(spelled, text, target, self._removed(target))
        return Operation(spelled, text, target, self._value(target))

    # Paths

    def _attribute(self) -> tuple[str | None, Attribute]:
        rng = self.rng
        urn, attribute = rng.choice(self._there if rng.random() < 0.6 else self._all)
        if self.kind.name == "Group" and rng.random() < 0.75:
            return None, self.kind.core["members"]
        return urn, attribute

    def _target(self) -> tuple[Target, str]:
        rng = self.rng
        if self.kind.extensions and rng.random() < 0.06:
            urn = rng.choice(list(self.kind.extensions))
            return Target(urn, None), urn
        urn, attribute = self._attribute()
        subs = list(attribute.subs.values())
        inner, sub = None, None
        chance = rng.random()
        if attribute.name == "members" and self.kind.name == "Group":
            if chance < 0.4:
                inner = self._filter(urn, attribute)
                sub = rng.choice(subs) if chance < 0.06 else None
        elif attribute.multi and chance < 0.5:
            inner = self._filter(urn, attribute)
            sub = rng.choice(subs) if subs and rng.random() < 0.5 else None
        elif not attribute.multi and subs and chance < 0.05:
            inner = self._filter(urn, attribute)
        elif subs and chance < 0.7:
            sub = rng.choice(subs)
        return self._spelled(urn, attribute, inner, sub)

    def _spelled(
        self, urn: str | None, attribute: Attribute, inner: Filter | None, sub: Attribute | None
    ) -> tuple[Target, str]:
        rng = self.rng
        case = rng.choice((str, str, str, str, str.lower, str.upper))
        text = case(attribute.name)
        if inner is not None:
            text += f"[{render(inner, self.kind, inside=True)}]"
        if sub is not None:
            text += "." + case(sub.name)
        dialect = ""
        if urn is not None:
            chance = rng.random()
            if chance < 0.02 and not any(
                attribute.name in attributes for attributes in (self.kind.core, *self._others(urn))
            ):
                dialect = "bare"
            elif chance < 0.04:
                dialect, text = "dot", f"{urn}.{text}"
            else:
                text = f"{urn}:{text}"
        elif rng.random() < 0.05 and attribute.name not in ("id", "meta", "externalId"):
            text = f"{self.kind.urn}:{text}"
        return Target(urn, attribute, inner, sub, dialect), text

    def _others(self, urn: str) -> list[dict[str, Attribute]]:
        return [attributes for other, attributes in self.kind.extensions.items() if other != urn]

    def _filter(self, urn: str | None, attribute: Attribute) -> Filter:
        rng = self.rng
        chance = rng.random()
        if chance < 0.65:
            return self._term(urn, attribute)
        if chance < 0.7:
            return Not(self._term(urn, attribute))
        return Logical(
            rng.choice(("and", "and", "or")),
            (self._term(urn, attribute), self._term(urn, attribute)),
        )

    def _term(self, urn: str | None, attribute: Attribute) -> Filter:
        rng = self.rng
        subs = attribute.subs or {
            "value": Attribute("value", attribute.type, case_exact=attribute.case_exact)
        }
        likely = [sub for sub in subs.values() if sub.name in ("value", "type", "primary")] or list(
            subs.values()
        )
        sub = rng.choice(likely if rng.random() < 0.8 else list(subs.values()))
        path = Path(urn, attribute, sub)
        if rng.random() < 0.08:
            return Present(path)
        operator = rng.choice(("eq",) * 8 + ("ne", "co", "sw"))
        if sub.type not in ("string", "reference") and operator in ("co", "sw"):
            operator = "eq"
        value = self._known_value(urn, attribute, sub) if rng.random() < 0.8 else None
        value = value_of(rng, sub) if value is None else value
        if sub.type == "boolean" and rng.random() < 0.1:
            value = str(value)
        if isinstance(value, str) and sub.type == "string" and rng.random() < 0.1:
            value = value.swapcase()
        return Compare(path, operator, value)

    def _known_value(self, urn: str | None, attribute: Attribute, sub: Attribute) -> Json:
        there = self._of(urn).get(attribute.name)
        there = there if isinstance(there, list) else [] if there is None else [there]
        values = [item.get(sub.name) if isinstance(item, dict) else item for item in there]
        if (
            attribute.name == "members"
            and self.kind.name == "Group"
            and sub.name == "value"
            and self.rng.random() < 0.2
        ):
            values = sorted(self.people)
        return self.rng.choice(values) if values else None

    # Values

    def _odd(self) -> Json:
        return self.rng.choice(_ODD)

    def _pathless(self, op: str) -> Operation:
        rng = self.rng
        if rng.random() < 0.05:
            return Operation(op, None, None, self._odd())
        value, keys = {}, {}
        for _ in range(rng.choice((1, 1, 2, 3))):
            chance = rng.random()
            if chance < 0.06:
                value["nosuch"] = "x"
            elif chance < 0.12:
                value |= rng.choice(
                    (
                        {"id": "x"},
                        {"meta": {"version": "x"}},
                        {"groups": []} if self.kind.name == "User" else {"id": 1},
                    )
                )
            elif chance < 0.3 and self.kind.extensions:
                urn = rng.choice(list(self.kind.extensions))
                value[urn] = self._extension(urn)
            elif chance < 0.4:
                target, text = self._target()
                if (
                    target.attribute is not None
                    and target.attribute.mutability != "readOnly"
                    and not _has(value, text)
                ):
                    keys[text] = target
                    value[text] = self._value(target)
            else:
                urn, attribute = self._attribute()
                if urn is None and attribute.mutability != "readOnly":
                    key = rng.choice((str, str, str, str.upper))(attribute.name)
                    if not _has(value, key):
                        value[key] = self._value(Target(None, attribute))
        return Operation(op, None, None, value, keys)

    def _extension(self, urn: str) -> Json:
        rng = self.rng
        if rng.random() < 0.1:
            return self._odd()
        attributes = rng.sample(list(self.kind.extensions[urn].values()), rng.choice((1, 1, 2)))
        made = {attribute.name: self._value(Target(urn, attribute)) for attribute in attributes}
        return made | ({"nosuch": 1} if rng.random() < 0.08 else {})

    def _value(self, target: Target) -> Json:
        rng = self.rng
        if target.attribute is None:
            return self._extension(target.urn)
        attribute = target.attribute
        if rng.random() < 0.2:
            return (
                rng.choice((None, [], "", {}, 5, [None], [{}]))
                if attribute.name == "userName"
                else self._odd()
            )
        if target.sub is not None:
            return self._simple(target.urn, target.sub, attribute)
        if attribute.multi and target.inner is None:
            return self._list(target.urn, attribute)
        if attribute.multi:
            element = self._element(target.urn, attribute)
            return [element] if rng.random() < 0.1 else element
        if attribute.type == "complex":
            value = self._complex(target.urn, attribute)
            return [value] if rng.random() < 0.04 else value
        return self._simple(target.urn, attribute, None)

    def _simple(self, urn: str | None, attribute: Attribute, parent: Attribute | None) -> Json:
        rng = self.rng
        value = value_of(rng, attribute)
        if attribute.name == "userName":
            value = rng.choice(
                (
                    "taken",
                    "Taken",
                    f"{self.document['userName']}-x",
                    self.document["userName"].upper(),
                )
            )
        if parent is not None and rng.random() < 0.3:
            known = self._known_value(urn, parent, attribute)
            value = value if known is None else known
        chance = rng.random()
        if attribute.type == "boolean" and chance < 0.2:
            return rng.choice((str(value), str(value).upper(), [str(value)]))
        if chance < 0.85:
            return value
        return rng.choice(
            (
                {"value": value},
                [{"value": value}],
                [{"$ref": None, "value": value}],
                [value],
                None,
                "",
                [value, value],
            )
        )

    def _complex(self, urn: str | None, attribute: Attribute) -> Json:
        rng = self.rng
        if "$ref" in attribute.subs and rng.random() < 0.2:
            return rng.choice(
                (
                    "boss",
                    "",
                    {"value": ""},
                    {"displayName": "Boss"},
                    self._of(urn).get(attribute.name, "x"),
                )
            )
        subs = rng.sample(
            list(attribute.subs.values()), rng.choice((1, 1, 2, min(3, len(attribute.subs))))
        )
        made = {
            sub.name: None if rng.random() < 0.2 else self._simple(urn, sub, attribute)
            for sub in subs
        }
        made |= {"nosuch": "x"} if rng.random() < 0.08 else {}
        if rng.random() < 0.05:
            made = {"nosuch": "x"}
        return {rng.choice((str, str, str.upper))(sub): value for sub, value in made.items()}

    def _list(self, urn: str | None, attribute: Attribute) -> Json:
        rng = self.rng
        if rng.random() < 0.06:
            return []
        if rng.random() < 0.1:
            return self._element(urn, attribute)
        return [self._element(urn, attribute) for _ in range(rng.choice((1, 1, 2, 3)))]

    def _element(self, urn: str | None, attribute: Attribute) -> Json:
        rng = self.rng
        if attribute.name == "members" and self.kind.name == "Group":
            return self._member()
        chance = rng.random()
        if chance < 0.06:
            return rng.choice(
                (None, "", {}, {"nosuch": "x"}, {"id": "x"}, 5, "x", [], {"value": None})
            )
        there = self._of(urn).get(attribute.name) or []
        if attribute.type != "complex":
            value = rng.choice(there) if there and chance < 0.4 else value_of(rng, attribute)
            if isinstance(value, str) and rng.random() < 0.2:
                value = value.swapcase()
            return {"value": value} if rng.random() < 0.1 else value
        if there and chance < 0.5:
            return self._bent(urn, attribute, dict(rng.choice(there)))
        if attribute.name == "roles" and chance < 0.6:
            return {
                "value": json.dumps(
                    {
                        "id": "1",
                        "value": rng.choice(("admin", "x", "Ada")),
                        "displayName": "Administrators",
                    }
                )
            }
        made = any_value(rng, attribute)
        return self._bent(urn, attribute, made[0] if made else {})

    def _bent(self, urn: str | None, attribute: Attribute, element: Json) -> Json:
        """Change an element a little: its case, a sub-attribute, a null, an unknown key."""
        rng = self.rng
        for _ in range(rng.choice((0, 1, 1, 2))):
            sub = rng.choice(list(attribute.subs.values()))
            match rng.randrange(6):
                case 0:
                    element = {
                        name: _swapped(attribute, name, value) for name, value in element.items()
                    }
                case 1:
                    element.pop(sub.name, None)
                case 2:
                    element[sub.name] = self._simple(urn, sub, attribute)
                case 3:
                    element[sub.name] = None
                case 4:
                    element["nosuch"] = "x"
                case 5 if "primary" in attribute.subs:
                    element["primary"] = rng.choice((True, False, True, "True"))
        return element

    def _member(self) -> Json:
        rng = self.rng
        person = rng.choice(sorted(self.people))
        listed = self.document.get("members") or []
        if listed and rng.random() < 0.5:
            person = rng.choice(listed)["value"]
        whole, chance = self.people[person], rng.random()
        if chance < 0.6:
            return {"value": person}
        if chance < 0.7:
            return dict(whole)
        return rng.choice((
            {"value": person, "display": "other"},
            {"display": whole.get("display", "x")},
            {"display": "nobody"},
            {"$ref": whole["$ref"]},
            {"id": person},
            {"type": "User"},
            {"value": "nobody"},
            {"value": None},
            {"value": ""},
            {"value": 5},
            person,
            "",
            None,
            {},
            {"VALUE": person, "nosuch": 1},
            {"members": [{"value": person}]},
        ))  # fmt: skip

    def _removed(self, target: Target) -> Json:
        rng = self.rng
        if rng.random() < 0.6:
            return NO_VALUE
        if (
            target.attribute is not None
            and target.attribute.multi
            and target.inner is None
            and target.sub is None
        ):
            return self._value(target)
        return NO_VALUE if rng.random() < 0.8 else self._value(target)


def _has(value: Json, key: str) -> bool:
    return any(other.lower() == key.lower() for other in value)


def _swapped(attribute: Attribute, name: str, value: Json) -> Json:
    """Swap the case of a string sub-attribute."""
    sub = attribute.subs.get(name)
    return (
        value.swapcase()
        if isinstance(value, str) and sub is not None and sub.type == "string"
        else value
    )


def smaller(start: Json, operations: list[Operation]) -> Iterator[tuple[Json, list[Operation]]]:
    """Yield the case with one operation, key, attribute or element left out at a time."""
    for index, operation in enumerate(operations):
        before, after = operations[:index], operations[index + 1 :]
        if before or after:
            yield start, before + after
        yield from (
            (start, [*before, part, *after]) for part in operation.parts() if part is not operation
        )
    yield from ((smaller, operations) for smaller in less(start))


def less(document: Json) -> Iterator[Json]:
    """Yield the document with one attribute or element left out at a time."""
    return (
        smaller for smaller in _less(document) if "displayName" in smaller or "userName" in smaller
    )


def _less(holder: Json) -> Iterator[Json]:
    for name, value in holder.items():
        if name in ("schemas", "userName"):
            continue
        yield {key: item for key, item in holder.items() if key != name}
        if isinstance(value, list):
            yield from (
                {**holder, name: value[:index] + value[index + 1 :]}
                for index in range(len(value))
                if len(value) > 1
            )
        elif name.startswith("urn:") and isinstance(value, dict):
            yield from ({**holder, name: smaller} for smaller in _less(value) if smaller)
