"""Write to a workspace and compare its answers with an oracle's predictions."""

import json
from typing import Any

from tests.oracles.host import Answer, Space
from tests.oracles.patch import Prediction, normal
from tests.oracles.schemas import GROUP, PROBE_SCHEMA, USER, resource_types

Json = Any


class Ground:
    """A workspace with a custom schema and a few users and groups.

    Attributes:
        people: The possible members of groups by id, as elements of `members`.
        taken: The user names in use.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        space.define(PROBE_SCHEMA)
        self.kinds = resource_types(space)
        names = ["taken", *(f"person-{number}" for number in range(5))]
        people = [
            space.create(
                "/Users", {"schemas": [USER], "userName": name, "displayName": f"Is {name}"}
            )
            for name in names
        ]
        people += [
            space.create("/Groups", {"schemas": [GROUP], "displayName": f"sub-{number}"})
            for number in range(2)
        ]
        members = [{"value": person["id"]} for person in people]
        everyone = space.create(
            "/Groups", {"schemas": [GROUP], "displayName": "everyone", "members": members}
        )
        self.people = {member["value"]: member for member in everyone["members"]}
        self.taken = frozenset(names)
        self._made = 0

    def fresh(self, document: Json) -> Json:
        """The document with a user name of its own."""
        self._made += 1
        name = document.get("userName")
        return (
            document | {"userName": f"{name}-{self._made}"}
            if isinstance(name, str) and name not in ("", "taken")
            else document
        )

    async def start(self, name: str, document: Json) -> tuple[str, Answer]:
        """Create a resource. Returns its path and the answer to GET."""
        endpoint = self.kinds[name].endpoint
        made = await self.space.made(endpoint, self.fresh(document))
        path = f"{endpoint}/{made['id']}"
        return path, await self.space.ask("GET", path)


def fault(
    before: Answer | None, answer: Answer, after: Answer | None, right: Prediction | None
) -> str | None:
    """Compare the answer to a write with its prediction; None if it is right.

    before and after are the answers to GET before and after the write.
    """
    if answer.status >= 500:
        return f"{answer.status}: {answer.json['detail']}"
    taken = answer.status in (200, 201)
    if before is not None and not taken and after.body != before.body:
        return f"refused and changed: {answer.body.decode()}"
    if taken and after.json != answer.json:
        return f"GET shows another: {after.body.decode()}"
    if right is None:
        return None
    if not taken:
        error = (answer.status, answer.scim_type)
        expected = (
            f"instead of {sorted(right.errors)}" if not right.documents else "instead of success"
        )
        return None if error in right.errors else f"{error} {expected}: {answer.json['detail']}"
    if not right.documents:
        return f"{answer.status} instead of {sorted(right.errors)}: {answer.body.decode()}"
    if not any(same(answer.json, document) for document in right.documents):
        return f"another document: {answer.body.decode()} instead of {right.documents[:3]}"
    return None


def same(one: Json, other: Json) -> bool:
    """Compare two documents without `id`, `meta` and the order of elements."""
    return normal(one | {"id": ""}) == normal(other | {"id": ""})


def told(**parts: Json) -> str:
    """Format the parts of a case, one on each line."""
    return "".join(
        f"\n  {name} {json.dumps(part, ensure_ascii=False)}" for name, part in parts.items()
    )


def shown(document: Json) -> Json:
    """The document without `id`, `meta` and `schemas`."""
    return {key: value for key, value in document.items() if key not in ("meta", "id", "schemas")}
