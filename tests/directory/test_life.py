"""Random operations agree with a plain model, the ETags and the feed."""

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.directory.caller import Caller
from muster.directory.documents import parse
from muster.directory.groups.memberships import tag_of
from muster.directory.history.events import events
from muster.directory.history.past import Past
from muster.directory.history.restore import Restorer
from muster.directory.service import Directory, Search
from muster.scim.errors import ScimError
from muster.scim.schema.model import GROUP, USER, registry
from muster.scim.values import fold
from muster.upkeep.check import CheckReport, findings
from tests.support.people import patch

USERS, GROUPS = registry().types["/Users"], registry().types["/Groups"]
NAMES = ("ada", "Ada", "bob", "zoë", "ZOË")
TITLES = ("a", "b", None)


def anything(_):
    """A precondition that holds."""


class Life:
    """A directory and the model of its expected content."""

    def __init__(self, bench, data):
        self.bench, self.data = bench, data
        self.caller = Caller(bench.new_workspace(), "actor", "request")
        self.directory = Directory(bench.storage)
        self.undo = Restorer(bench.storage)
        self.users, self.groups, self.gone = {}, {}, []
        self.bodies, self.known = {}, []

    def draw(self, strategy):
        return self.data.draw(strategy)

    def do(self, work):
        """Run an operation; returns its result, or the status of its error."""
        try:
            return self.bench.run(work)
        except ScimError as error:
            return error.status

    def taken(self, name, but=None):
        return any(
            fold(user["userName"]) == fold(name)
            for user_id, user in self.users.items()
            if user_id != but
        )

    def some(self):
        """Draw ids of resources that exist, that were deleted, and that never existed."""
        there = st.sampled_from([*self.users, *self.groups] or ["none"])
        return st.lists(
            st.one_of(there, st.sampled_from([*self.gone[-2:], "x"])), max_size=3, unique=True
        )

    def create_user(self):
        name, title = self.draw(st.sampled_from(NAMES)), self.draw(st.sampled_from(TITLES))
        answer = self.do(
            self.directory.create(
                self.caller, USERS, {"schemas": [USER], "userName": name, "title": title}
            )
        )
        if self.taken(name):
            assert answer == 409
        else:
            self.users[answer.id] = {"userName": name, "title": title, "active": True}

    def change_user(self):
        user_id = self.draw(st.sampled_from([*self.users]))
        name, title = self.draw(st.sampled_from(NAMES)), self.draw(st.sampled_from(TITLES))
        active = self.draw(st.sampled_from((True, False, None)))
        wanted = {"userName": name, "title": title, "active": active}
        if self.draw(st.booleans()):
            work = self.directory.replace(
                self.caller, USERS, user_id, {"schemas": [USER], **wanted}, anything
            )
            if active is None:
                wanted["active"] = (
                    self.users[user_id]["active"] is not False
                )  # a PUT that does not mention it leaves it as it is
        else:
            operations = [
                {"op": "remove", "path": path}
                if value is None
                else {"op": "replace", "path": path, "value": value}
                for path, value in wanted.items()
            ]
            work = self.directory.patch(self.caller, USERS, user_id, patch(*operations), anything)
        before = self.bench.run(self.directory.get(self.caller, USERS, user_id))
        answer = self.do(work)
        if self.taken(name, user_id):
            assert answer == 409
        else:
            assert answer.version == before.version + (self.users[user_id] != wanted)
            self.users[user_id] = wanted

    def delete_user(self):
        self.drop(self.users, USERS)

    def delete_group(self):
        self.drop(self.groups, GROUPS)

    def drop(self, among, kind):
        resource_id = self.draw(st.sampled_from([*among]))
        self.bench.run(self.directory.delete(self.caller, kind, resource_id, anything))
        del among[resource_id]
        self.gone.append(resource_id)
        for group in self.groups.values():
            group["members"].discard(resource_id)

    def there(self, ids):
        return all(each in self.users or each in self.groups for each in ids)

    def create_group(self):
        members = self.draw(self.some())
        body = {
            "schemas": [GROUP],
            "displayName": self.draw(st.sampled_from(NAMES)),
            "members": [{"value": m} for m in members],
        }
        answer = self.do(self.directory.create(self.caller, GROUPS, body))
        if self.there(members):
            self.groups[answer.id] = {"displayName": body["displayName"], "members": set(members)}
        else:
            assert answer == 400

    def change_group(self):
        group_id = self.draw(st.sampled_from([*self.groups]))
        group, wanted = self.groups[group_id], None
        named, name = self.draw(self.some()), self.draw(st.sampled_from(NAMES))
        values = [{"value": member} for member in named]
        body = {"schemas": [GROUP], "displayName": name, "members": values}
        kind = self.draw(st.sampled_from(("add", "remove", "replace", "rename", "put", "clear")))
        if kind == "put":
            work = self.directory.replace(self.caller, GROUPS, group_id, body, anything)
            wanted = {"displayName": name, "members": set(named)}
        else:
            operation, members = {
                "add": (
                    {"op": "add", "path": "members", "value": values},
                    group["members"] | set(named),
                ),
                "remove": (
                    {"op": "remove", "path": "members", "value": values},
                    group["members"] - set(named),
                ),
                "replace": ({"op": "replace", "path": "members", "value": values}, set(named)),
                "rename": (
                    {"op": "replace", "path": "displayName", "value": name},
                    group["members"],
                ),
                "clear": ({"op": "remove", "path": "members"}, set()),
            }[kind]
            if kind == "remove" and not named:
                return  # what an empty value stands for is for the tests of PATCH to say
            work = self.directory.patch(self.caller, GROUPS, group_id, patch(operation), anything)
            wanted = {
                "displayName": name if kind == "rename" else group["displayName"],
                "members": members,
            }
        answer = self.do(work)
        if kind in ("add", "replace", "put") and not self.there(named):
            assert answer == 400, kind
        else:
            assert not isinstance(answer, int), (kind, answer)
            self.groups[group_id] = wanted

    def restore_user(self):
        """Restore a deleted user with its groups, unless the userName is taken."""
        user_id = self.draw(st.sampled_from(self.gone))
        history = self.bench.run(
            self.bench.storage.history(self.caller.workspace.id, user_id, None, 10)
        )
        if user_id in self.users or user_id in self.groups or history[0].type != "User":
            return
        was = parse(history[0].document)
        answer = self.do(self.undo.restore(self.caller, USERS, user_id, history[0].sequence))
        if self.taken(was["userName"]):
            assert answer == 409
            return
        self.users[user_id] = {name: was.get(name) for name in ("userName", "title", "active")}
        self.gone.remove(user_id)
        rows = self.bench.run(
            self.bench.storage.changes(self.caller.workspace.id, history[0].sequence, 100)
        )
        for row in rows[: self._touched(rows, user_id)]:
            if row.id in self.groups:
                self.groups[row.id]["members"].add(user_id)

    @staticmethod
    def _touched(rows, user_id):
        """Count the changes of groups that follow the deletion of a member."""
        taken = [row.members is not None and row.members.removed == (user_id,) for row in rows]
        return taken.index(False) if False in taken else len(taken)

    def step(self):
        kinds = [self.create_user, self.create_group]
        kinds += [self.change_user, self.delete_user] if self.users else []
        kinds += [self.change_group, self.change_group, self.delete_group] if self.groups else []
        kinds += [self.restore_user] if self.gone else []
        self.draw(st.sampled_from(kinds))()

    def above(self, resource_id):
        """Return the groups of a resource, direct and indirect."""
        direct = {
            group_id for group_id, group in self.groups.items() if resource_id in group["members"]
        }
        reached, more = set(), set(direct)
        while more:
            reached |= more
            more = {g for g, group in self.groups.items() if group["members"] & more} - reached
        return {group_id: "direct" if group_id in direct else "indirect" for group_id in reached}

    def body(self, kind, resource_id):
        """Return a resource as it is answered, and its ETag."""
        stored = self.bench.run(self.directory.get(self.caller, kind, resource_id))
        document = parse(stored.document)
        if kind is GROUPS:
            document["members"] = sorted(member.id for member in self.members(resource_id))
        return document, tag_of(stored)

    def members(self, group_id):
        async def read():
            return [
                member
                async for page in self.directory.members(self.caller, group_id)
                for member in page
            ]

        return self.bench.run(read())

    def compare(self):
        """Every answer equals the model, and equal ETags have equal bodies."""
        for kind, among in ((USERS, self.users), (GROUPS, self.groups)):
            assert self.bench.run(self.directory.find(self.caller, kind, Search())).total == len(
                among
            )
            for resource_id, wanted in among.items():
                document, tag = self.body(kind, resource_id)
                text = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
                assert self.bodies.setdefault((resource_id, tag), text) == text
                if kind is USERS:
                    assert {name: document.get(name) for name in wanted} == wanted
                    shown = {item["value"]: item["type"] for item in document.get("groups", [])}
                    assert shown == self.above(resource_id)
                else:
                    assert (document["displayName"], set(document["members"])) == (
                        wanted["displayName"],
                        wanted["members"],
                    )

    def told(self):
        """The directory as reconstructed from the feed alone."""
        users, groups = {}, {}
        for row in self.bench.run(
            self.bench.storage.changes(self.caller.workspace.id, 0, 10_000, with_before=True)
        ):
            for event in events(row):
                noun, _, what = event.type.partition(".")
                held = (users if noun == "user" else groups).setdefault(row.id, {"members": set()})
                held.update(
                    {
                        name: event.resource.get(name)
                        for name in ("userName", "title", "active", "displayName")
                    }
                )
                if what == "deleted":
                    del (users if noun == "user" else groups)[row.id]
                elif what == "member_added":
                    held["members"] |= set(event.members)
                elif what == "member_removed":
                    held["members"] -= set(event.members)
        return (
            {
                user_id: {name: held[name] for name in ("userName", "title", "active")}
                for user_id, held in users.items()
            },
            {
                group_id: {name: held[name] for name in ("displayName", "members")}
                for group_id, held in groups.items()
            },
        )

    def remember(self):
        """Remember the current directory and the sequence number of the last change."""
        direct = {
            user_id: {g for g, group in self.groups.items() if user_id in group["members"]}
            for user_id in self.users
        }
        members = {group_id: set(group["members"]) for group_id, group in self.groups.items()}
        self.known.append(
            (
                self.bench.run(self.bench.storage.latest_change(self.caller.workspace.id)),
                direct,
                members,
            )
        )

    def look_back(self):
        """Past states that are read equal the remembered ones."""
        past, workspace = Past(self.bench.storage), self.caller.workspace.id
        for sequence, direct, members in self.known:
            for user_id, groups in direct.items():
                told = self.bench.run(
                    past.groups(
                        workspace, user_id, lambda change, then=sequence: change.sequence <= then
                    )
                )
                assert (len(told), set(told)) == (len(groups), groups)
            for group_id, there in members.items():
                told = self.bench.run(past.members(workspace, group_id, sequence))
                assert (len(told), set(told)) == (len(there), there)

    def wrong(self):
        """Return the findings of `muster check`."""

        async def look():
            return [
                found.what
                async for found in findings(
                    self.bench.storage, [self.caller.workspace], CheckReport()
                )
            ]

        return self.bench.run(look())


@pytest.mark.slow
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(data=st.data())
def test_random_operations_agree_with_the_model(bench, data):
    life = Life(bench, data)
    for _ in range(data.draw(st.integers(2, 14))):
        life.step()
        life.compare()
        life.remember()
    life.look_back()
    assert life.told() == (life.users, life.groups)
    assert life.wrong() == []
