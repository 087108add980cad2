"""Compare the results of generated filters with the oracle's."""

from collections.abc import Iterator
from random import Random

from tests.oracles import filters
from tests.oracles.examples import numbers, random_of, smallest
from tests.oracles.host import Answer, Space
from tests.oracles.make_filters import Maker, broken, fill
from tests.oracles.schemas import PROBE_SCHEMA, resource_types

SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


class Directory:
    """A workspace with users and groups to search."""

    def __init__(self, space: Space) -> None:
        self.space = space
        space.define(PROBE_SCHEMA)
        self.kinds = resource_types(space)
        self.resources = fill(space, self.kinds, Random(1))

    def fault(self, name: str, node: filters.Filter, how: filters.Spelling) -> str | None:
        text = filters.render(node, self.kinds[name], how)
        answers = self.answers(name, text)
        for answer in answers:
            if (fault := self._wrong(name, node, answer)) is not None:
                return f"{fault}\n  filter {text}"
        return (
            None
            if _found(answers[0]) == _found(answers[1])
            else f"GET and .search differ\n  filter {text}"
        )

    def answers(self, name: str, text: str) -> list[Answer]:
        """The answers to GET and to POST .search."""
        endpoint, asked = self.kinds[name].endpoint, {"filter": text, "count": 1000}
        search = {"schemas": [SEARCH], **asked, "attributes": ["id"]}
        return [
            self.space.call("GET", endpoint, attributes="id", **asked),
            self.space.call("POST", f"{endpoint}/.search", search),
        ]

    def _wrong(self, name: str, node: filters.Filter, answer: Answer) -> str | None:
        allowed = filters.allowed(node, self.space.strict)
        if answer.status != 200:
            if (answer.status, answer.scim_type) != (400, "invalidFilter"):
                return f"{answer.status} {answer.scim_type}: {answer.json['detail']}"
            return None if allowed != filters.YES else f"refused: {answer.json['detail']}"
        if allowed == filters.NO:
            return "accepted and must be refused"
        found = _found(answer)
        for resource in self.resources[name]:
            if (resource["id"] in found) not in filters.holds(node, resource):
                return f"{'finds' if resource['id'] in found else 'misses'}: {filters.asked_of(node, resource)}"
        return None

    def faults(self) -> Iterator[tuple[int, str]]:
        for number in numbers():
            rng = random_of(number)
            name = rng.choice(("User", "User", "User", "Group"))
            maker = Maker(rng, self.kinds[name], self.resources[name])
            node, how = maker.filter(), maker.spelling()
            if self.fault(name, node, how):
                least = smallest(node, filters.smaller, lambda less: self.fault(name, less, how))  # noqa: B023 (called within this turn)
                yield number, self.fault(name, least, how)

    def faults_of_broken(self) -> Iterator[tuple[int, str]]:
        """Yield the faults of damaged filters, which are refused or read as other filters."""
        for number in numbers():
            rng = random_of(number)
            maker = Maker(rng, self.kinds["User"], self.resources["User"])
            text = broken(rng, filters.render(maker.filter(), self.kinds["User"]))
            one, other = self.answers("User", text)
            if (one.status, one.scim_type if one.status != 200 else "") not in (
                (200, ""),
                (400, "invalidFilter"),
            ):
                yield number, f"{one.status} {one.body.decode()}\n  filter {text}"
            elif _found(one) != _found(other):
                yield number, f"GET and .search differ\n  filter {text}"


def _found(answer: Answer) -> set[str] | None:
    return (
        {resource["id"] for resource in answer.json.get("Resources", ())}
        if answer.status == 200
        else None
    )
