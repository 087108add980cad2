"""Import restores an export on either engine, and reports every line it refuses."""

import json

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from muster.scim.schema.model import ENTERPRISE_USER, GROUP, USER, registry
from muster.upkeep import importer as importer_module
from muster.upkeep.importer import Importer
from tests.conftest import DATABASES, client_of
from tests.storage.conftest import ENGINES, Bench
from tests.support.people import group, name, person, replace
from tests.support.server import Server
from tests.support.tenant import Tenant

pytestmark = pytest.mark.outside


@pytest.fixture(params=list(DATABASES))
def server(tmp_path, request):
    folder = tmp_path / "server"
    folder.mkdir()
    return Server(folder, **DATABASES[request.param]())


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_import_of_an_export_is_complete_and_repeating_it_changes_nothing(server, tmp_path):
    server.muster("demo", "--workspace", "acme", "--users", "1200")
    server.muster("workspaces", "create", "copy")
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert (
        server.muster("export", "--workspace", "acme", "--output", str(first)).stdout
        == f"{first}: 1200 resources\n"
    )
    part = tmp_path / "part.jsonl"
    part.write_text("".join(first.read_text().splitlines(keepends=True)[:701]))
    refused = server.muster("import", "--workspace", "acme", str(first))
    assert refused.stdout == "0 created, 1200 exist already, 0 rejected\n"
    other = Server(tmp_path)
    other.muster("workspaces", "create", "copy")
    copies = (other, "--workspace", "copy")
    assert (
        other.muster("import", *copies[1:], str(part)).stdout
        == "701 created, 0 exist already, 0 rejected\n"
    )
    rehearsed = other.muster("import", *copies[1:], "--rehearse", str(first)).stdout
    assert rehearsed == "499 would be created, 701 exist already, 0 rejected\n"
    assert (
        other.muster("import", *copies[1:], str(first)).stdout
        == "499 created, 701 exist already, 0 rejected\n"
    )
    assert other.muster("check").stdout.endswith("; 0 findings\n")
    other.muster("export", *copies[1:], "--output", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert "already" in server.muster("export", "--output", str(first), check=False).stderr


def test_many_refused_lines_are_listed_in_part(server, tmp_path):
    file = tmp_path / "lines"
    file.write_text("{}\n" * 1021)
    for mode in ([], ["--rehearse"]):
        lines = server.muster("import", *mode, str(file), check=False).stdout.splitlines()
        assert [line.partition(":")[0] for line in lines[:-2]] == [
            f"line {n}" for n in range(1, 21)
        ]
        assert lines[-2] == "… and 1,001 more; list them with --all"
        assert lines[-1].endswith("0 exist already, 1021 rejected")
    lines = server.muster(
        "import", "--rehearse", "--all", str(file), check=False
    ).stdout.splitlines()
    assert (lines[-2].partition(":")[0], len(lines)) == ("line 1021", 1022)


def test_import_reports_every_refused_line(server, tmp_path):
    good = [person() for _ in range(3)]
    bad = [
        "not json",
        "[]",
        json.dumps({"userName": "x"}),
        json.dumps(person(active="perhaps")),
        json.dumps(person(favouriteColour="red")),
        json.dumps(person(password="secret")),
        json.dumps({**person(), "userName": good[0]["userName"].upper()}),
        json.dumps(
            {
                **person(),
                "id": "0190a6e0-0000-7000-8000-000000000001",
                "meta": {"created": "yesterday"},
            }
        ),
    ]
    file = tmp_path / "lines"
    file.write_text(
        "\n".join([json.dumps(good[0]), "", json.dumps(good[1]), *bad, json.dumps(good[2])])
    )
    for mode, told in ((["--rehearse"], "3 would be created"), ([], "3 created")):
        said = server.muster("import", *mode, str(file), check=False)
        assert said.returncode == 1
        lines = said.stdout.splitlines()
        assert lines[-1] == f"{told}, 0 exist already, 8 rejected"
        assert [line.partition(":")[0] for line in lines[:-1]] == [
            f"line {n}" for n in range(4, 12)
        ]
        says = (
            "JSON",
            "object",
            "schemas",
            "active",
            "favouriteColour",
            "password",
            "userName",
            "meta.created",
        )
        for line, word in zip(lines[:-1], says, strict=True):
            assert word in line
        assert "secret" not in said.stdout
    export = server.muster("export").stdout.splitlines()
    assert sorted(json.loads(line)["userName"] for line in export) == sorted(
        user["userName"] for user in good
    )


def test_import_refuses_an_existing_id_with_other_content(server, tmp_path):
    server.muster("demo", "--workspace", "default", "--users", "2")
    file = tmp_path / "lines"
    users = [json.loads(line) for line in server.muster("export").stdout.splitlines()]
    users[1]["title"] = "another"
    file.write_text("\n".join(json.dumps(user) for user in users))
    said = server.muster("import", str(file), check=False)
    different = f"line 2: id: {users[1]['id']} exists already with other content\n"
    assert said.stdout == f"{different}0 created, 1 exist already, 1 rejected\n"


def test_import_restores_group_members_in_any_order_of_lines(server, tmp_path):
    with server as started, client_of(started, started.key("k")) as client:
        users = [client.post("/Users", json=person()).json() for _ in range(3)]
        inner = client.post("/Groups", json=group("inner", users[0], users[1])).json()
        outer = client.post("/Groups", json=group("outer", inner, users[2])).json()
        client.patch(f"/Groups/{outer['id']}", json=replace("displayName", "outermost"))
    first, second, turned = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "turned.jsonl"
    server.muster("export", "--output", str(first))
    turned.write_text("".join(reversed(first.read_text().splitlines(keepends=True))))
    other = Server(tmp_path)
    other.muster("workspaces", "create", "copy")
    for _ in range(2):  # taken up again, it changes nothing
        for mode in (["--rehearse"], []):
            assert other.muster(
                "import", "--workspace", "copy", *mode, str(turned)
            ).stdout.endswith(" 0 rejected\n")
    other.muster("export", "--workspace", "copy", "--output", str(second))
    assert first.read_bytes() == second.read_bytes()
    assert lines_of(second)[4]["meta"]["version"] == 'W/"2"'
    assert other.muster("check").stdout.endswith("; 0 findings\n")
    lines = lines_of(first)
    del lines[4]["members"][0]
    first.write_text("\n".join(json.dumps(line) for line in lines))
    assert (
        "with other members"
        in other.muster("import", "--workspace", "copy", str(first), check=False).stdout
    )


def test_import_names_missing_members_and_maps_foreign_ids(server, tmp_path):
    user = {**person(), "id": "u-1"}
    crew = {**group("crew"), "id": "g-1", "members": [{"value": "u-1"}, {"value": "u-2"}]}
    file = tmp_path / "lines"
    file.write_text(f"{json.dumps(crew)}\n{json.dumps(user)}\n")
    for mode in (["--rehearse"], []):
        said = server.muster("import", *mode, str(file), check=False)
        assert said.returncode == 1
        assert said.stdout.startswith(
            "line 1: members: 1 do not exist as users or groups and were left out: u-2\n2 "
        )
    made = {
        line["schemas"][0]: line
        for line in map(json.loads, server.muster("export").stdout.splitlines())
    }
    assert [item["value"] for item in made[GROUP]["members"]] == [made[USER]["id"]]


def test_an_import_honours_the_provisioning_switch_unless_it_is_overridden(server, tmp_path):
    file = tmp_path / "lines"
    file.write_text(json.dumps(person()) + "\n" + json.dumps(group("Crew")))
    with server as started, Tenant(started) as tenant:
        tenant.api.patch("/settings", json={"automaticProvisioning": False})
        into = ("import", "--workspace", tenant.name)
        for mode in (["--rehearse"], []):
            refused = started.muster(*into, *mode, str(file), check=False).stdout
            assert "line 1: automatic provisioning is off" in refused
            assert ", 1 rejected" in refused
        assert tenant.scim.get("/Users?count=0").json()["totalResults"] == 0
        assert started.muster(*into, "--override", str(file)).returncode == 0
        assert tenant.scim.get("/Users?count=0").json()["totalResults"] == 1
        rows = tenant.api.get("/audit?limit=1000").json()["rows"]
        assert [row["document"] for row in rows if row["action"] == "override"] == [
            {"attempted": "import"}
        ]


def test_a_workspace_is_copied_beside_the_original(server, tmp_path):
    with server as started, client_of(started, started.key("k")) as client:
        boss, *crew = [client.post("/Users", json=person()).json() for _ in range(4)]
        for user in crew:
            client.patch(
                f"/Users/{user['id']}",
                json=replace(
                    f"{ENTERPRISE_USER}:manager",
                    {"value": boss["id"], "$ref": f"../Users/{boss['id']}"},
                ),
            )
        inner = client.post("/Groups", json=group("inner", *crew)).json()
        client.post("/Groups", json=group("outer", inner, boss))
    source, turned, copied = tmp_path / "a.jsonl", tmp_path / "turned.jsonl", tmp_path / "b.jsonl"
    server.muster("export", "--output", str(source))
    turned.write_text("".join(reversed(source.read_text().splitlines(keepends=True))))
    for workspace in ("copy", "other"):
        server.muster("workspaces", "create", workspace)
    refused = server.muster(
        "import", "--workspace", "copy", "--rehearse", str(source), check=False
    ).stdout
    assert server.muster(
        "import", "--workspace", "copy", str(source), check=False
    ).stdout == refused.replace("would be created", "created")
    if server.environment["MUSTER_DATABASE"].startswith(
        "sqlite"
    ):  # PostgreSQL keeps the keys of workspaces apart
        assert refused.splitlines()[-1] == "0 would be created, 0 exist already, 6 rejected"
        assert f"id: {boss['id']} is in use; --new-ids gives every resource a new id" in refused
    for file in (turned, source):
        for mode in (["--rehearse"], []):
            said = server.muster(
                "import", "--workspace", "other", "--new-ids", *mode, str(file)
            ).stdout
            assert said.endswith(
                ", 6 exist already, 0 rejected\n"
                if file == source
                else ", 0 exist already, 0 rejected\n"
            )
    server.muster("export", "--workspace", "other", "--output", str(copied))
    ids = {line["id"] for line in lines_of(source)}
    assert ids.isdisjoint(line["id"] for line in lines_of(copied))
    assert named(lines_of(copied)) == named(lines_of(source))
    assert server.muster("check").stdout.endswith("; 0 findings\n")


def named(lines):
    """Lines with names in the place of ids, in the order of names."""
    names = {line["id"]: line.get("userName") or line["displayName"] for line in lines}
    text = "\n".join(
        sorted(
            json.dumps(
                {
                    **line,
                    "members": sorted(line.get("members", ()), key=lambda m: names[m["value"]]),
                }
            )
            for line in lines
        )
    )
    for resource_id, called in names.items():
        text = text.replace(resource_id, called)
    return sorted(text.splitlines())


POOL = [f"0190a6e0-0000-7000-8000-{n:012x}" for n in range(1, 7)] + ["u-1", "u-2"]
NAMES = st.sampled_from(["ada", "Ada", "bob", "carol", "dan"])
DATED = {"meta": {"created": "2024-01-01T00:00:00Z", "version": 'W/"3"'}}
META = st.sampled_from([{}, DATED, DATED, DATED, DATED, {"meta": {"created": "yesterday"}}])
MEMBERS = st.lists(st.sampled_from([*POOL, "nobody"]), max_size=3).map(
    lambda ids: [{"value": resource_id} for resource_id in ids]
)
IDS = st.sampled_from([{}, *({"id": resource_id} for resource_id in POOL)])
USERS = st.builds(
    lambda name, title, *more: (
        {"schemas": [USER], "userName": name, "title": title} | more[0] | more[1]
    ),
    NAMES,
    st.sampled_from("xy"),
    IDS,
    META,
)
GROUPS = st.builds(
    lambda name, members, *more: (
        {"schemas": [GROUP], "displayName": name, "members": members} | more[0] | more[1]
    ),
    NAMES,
    MEMBERS,
    IDS,
    META,
)
LINES = st.lists(st.one_of(USERS, USERS, GROUPS, st.just({"schemas": ["urn:nosuch"]})), max_size=12)


@pytest.fixture(scope="module", params=list(ENGINES))
def bench(request, tmp_path_factory):
    made = Bench(ENGINES[request.param](tmp_path_factory.mktemp("importer")))
    yield made
    made.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    elsewhere=LINES,
    before=LINES,
    lines=LINES,
    new_ids=st.booleans(),
    strict=st.booleans(),
    again=st.booleans(),
    page=st.sampled_from([1, 3, 500]),
)
def test_a_rehearsal_and_the_import_report_the_same(
    bench, elsewhere, before, lines, new_ids, strict, again, page
):
    """Whatever is in the workspace, in another one, and twice in the file."""

    async def take(workspace, documents, rehearse):
        importer = Importer(
            bench.storage,
            workspace,
            registry(),
            rehearse,
            new_ids=new_ids,
        )
        return await importer.take(
            ((n, json.dumps(line).encode()) for n, line in enumerate(documents, 1)),
            lambda lines: None,
        )

    async def run():
        other, workspace = [
            await bench.storage.add_workspace(name("w"), "rfc7644", strict, "2020-01-01T00:00:00Z")
            for _ in range(2)
        ]
        await take(other, elsewhere, False)
        await take(workspace, before, False)
        asked = [*lines, *before] if again else lines
        latest = await bench.storage.latest_change(workspace.id)
        rehearsed = await take(workspace, asked, True)
        assert await bench.storage.latest_change(workspace.id) == latest
        done = await take(workspace, asked, False)
        assert rehearsed == done
        assert done.made + done.there <= len(asked)
        return done

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(importer_module, "_PAGE", page)
        report = bench.run(run())
    event(f"made {report.made > 0}, there {report.there > 0}, refused {len(report.refused) > 0}")
