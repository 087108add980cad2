"""The CSV import of users: upload, mapping, rehearsal, import, report and rollback."""

import re
from html import unescape

import pytest

from muster.access.permissions import SCIM, SETTINGS
from muster.imports import store
from muster.imports.table import MAX_BYTES
from muster.scim.schema.model import ENTERPRISE_USER
from tests.console.browsing import invited
from tests.console.importing import Wizard, changed, figures, problems, selected
from tests.support.people import group, name
from tests.support.tenant import administer


@pytest.fixture
def wizard(root, fresh):
    return Wizard(root, fresh)


def found(fresh, user_name):
    page = fresh.scim.get("/Users", params={"filter": f'userName eq "{user_name}"'}).json()
    return page["Resources"][0] if page["Resources"] else None


def test_a_file_is_mapped_rehearsed_and_imported(wizard, fresh):
    old, same = fresh.user(title="Clerk"), fresh.user(title="Chief")
    new, twice, perhaps = name("new"), name("twice"), name()
    text = (
        "Login;First name;Job title;Department;Status;Nonsense\n"
        f"{new};Ada;Engineer;Maths;active;x\n"
        f"{old['userName'].upper()};;Manager;;;\n"
        f"{same['userName']};;Chief;Tours;yes;\n"
        f"{perhaps};;;;perhaps;\n"
        f"{twice};;;;;\n{twice.upper()};;;;;\n"
        ";Nobody;;;;\n"
    )
    page = wizard.uploaded(text)
    paths = ["userName", "name.givenName", "title", f"{ENTERPRISE_USER}:department", "active", ""]
    assert selected(page) == paths
    assert "7 rows, 6 columns. Read as UTF-8 with semicolons." in page.text

    before = fresh.api.get("/audit", params={"limit": 1000}).json()["items"]
    page = wizard.rehearse()
    expected = {"Created": 2, "Updated": 1, "Unchanged": 1, "Refused": 3}
    assert figures(page) == expected
    assert problems(page) == [
        (5, "Status", '"perhaps" is neither yes nor no'),
        (7, "Login", "Line 6 is about the same user"),
        (8, "Login", "A new user needs a user name"),
    ]
    named = re.findall(r'data-label="User name">([^<]*)<', page.text)
    assert named == [perhaps, twice.upper(), ""]
    assert fresh.api.get("/audit", params={"limit": 1000}).json()["items"] == before

    page = wizard.start()
    assert figures(page) == expected
    made = found(fresh, new)
    assert (made["title"], made["name"], made["active"]) == ("Engineer", {"givenName": "Ada"}, True)
    assert made[ENTERPRISE_USER]["department"] == "Maths"
    changed = fresh.scim.get(f"/Users/{old['id']}").json()
    assert (changed["title"], changed["userName"]) == ("Manager", old["userName"].upper())
    assert changed["name"] == old["name"]
    assert fresh.scim.get(f"/Users/{same['id']}").json() == same
    assert wizard.refused().splitlines()[2:] == [
        f"{twice.upper()};;;;;;7;line 6 is about the same user",
        ";Nobody;;;;;8;a new user needs a user name",
    ]


def test_a_rehearsal_and_the_report_name_the_users_who_change(wizard, fresh):
    clerk, leaver, same = fresh.user(title="Clerk"), fresh.user(), fresh.user()
    fresh.scim.post("/Groups", json=group("Engines"))
    wizard.uploaded(
        "User name,Last name,Title,Active,Groups\n"
        f"{clerk['userName']},Byron,Chief,,Engines\n{same['userName']},,,yes,\n"
        f"{leaver['userName']},,,no,\n{name()},,,,\n"
    )
    page = wizard.rehearse()
    assert changed(page) == [
        (leaver["id"], leaver["userName"], "Deactivate", "Active"),
        (clerk["id"], clerk["userName"], "Update", "Name, Title, Groups"),
    ]
    assert "1 of them would be deactivated" in page.text
    page = wizard.start()
    assert [row[::2] for row in changed(page)] == [
        (leaver["id"], "Deactivated"),
        (clerk["id"], "Updated"),
    ]
    wizard.uploaded(f"User name,Active\n{leaver['userName']},no\n")
    assert changed(wizard.rehearse()) == []


def test_refused_rows_are_divided_as_the_file_was(wizard):
    wizard.uploaded('User name;Active\n";=1";perhaps\n')
    wizard.rehearse()
    # With commas, a spreadsheet that divides at semicolons would run =1 as a formula.
    assert wizard.refused().splitlines()[1].startswith('";=1";perhaps;2;')


def test_the_audit_log_names_the_administrator_and_one_import(wizard, fresh):
    wizard.imported(f"User name\n{name()}\n{name()}\n")
    rows = fresh.api.get("/audit", params={"limit": 1000, "actor": "admin:"}).json()["items"]
    rows = [row for row in rows if row["requestId"].startswith("import-")]
    assert sorted(row["action"] for row in rows) == ["create", "create", "import", "imported"]
    assert len({(row["actor"], row["requestId"]) for row in rows}) == 1
    end = next(row for row in rows if row["action"] == "imported")
    assert end["document"] == {"file": "people.csv", "created": 2}


def kept(fresh):
    """The numbers of imports, of chunks of their rows, and of chunks of refused rows."""

    async def work(storage):
        workspace = (await storage.find_workspace(fresh.name)).id
        kinds = ("import", "import-rows", "import-refused")
        return tuple([await storage.count_items(workspace, kind) for kind in kinds])

    return administer(fresh.server, work)


def test_nothing_of_the_file_is_stored_longer_than_needed(wizard, fresh):
    marker = "Xyzzy of the file"
    wizard.imported(f"User name,Comment\n{name()},{marker}\n,{marker} again\n")
    assert kept(fresh) == (1, 0, 1)
    assert wizard.refused().count(marker) == 1  # the refused row is kept, to be corrected
    wizard.visitor.get(wizard.path)
    page = wizard.visitor.submit(f"{wizard.path}/delete")
    assert "Deleted the report." in page.text
    assert wizard.visitor.get(wizard.path).status_code == 404
    assert wizard.visitor.get(f"{wizard.path}/refused.csv").status_code == 404
    assert kept(fresh) == (0, 0, 0)


def test_the_mapping_is_remembered(wizard):
    wizard.uploaded(f"Who,What\n{name()},Engineer\n")
    wizard.rehearse(["userName", "title"])
    assert selected(wizard.uploaded("what,WHO\nx,y\n")) == ["title", "userName"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["title", ""], "Map a column to Username"),
        (["userName", "userName"], "another column is mapped to Username"),
        (["userName", "emails+userName"], "another column is mapped to"),
        (["userName", "password"], "choose an attribute from the list"),
    ],
)
def test_a_wrong_mapping_is_shown_again_with_the_reason(wizard, columns, said):
    wizard.uploaded("A,B\nx,y\n")
    fields = {f"column.{number}": path for number, path in enumerate(columns)}
    answer = wizard.visitor.post(f"{wizard.path}/rehearse", **fields, empty="clear")
    assert answer.status_code == 400
    assert said in unescape(answer.text)
    assert selected(answer) == [path if path != "password" else "" for path in columns]
    assert 'value="clear" checked' in answer.text


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"", 400, "Choose a CSV file"),
        (b"a,b\n\xff\xfe,x\n", 400, "line 2 is not UTF-8 text"),
        (b"a\n" + b"x" * MAX_BYTES, 413, "larger than 10 MB"),
        (b"x" * (MAX_BYTES + 100_000), 413, "larger than 10 MB"),
    ],
    ids=["empty", "encoding", "large", "larger than the form"],
)
def test_a_file_that_cannot_be_read_is_refused_on_the_page(wizard, data, status, said):
    answer = wizard.upload(data)
    assert answer.status_code == status
    assert said.lower() in answer.text.lower()
    assert 'type="file"' in answer.text
    assert "Recent imports" not in answer.text


def test_the_form_of_another_site_uploads_nothing(wizard):
    wizard.visitor.get(wizard.base)
    files = {"file": ("x.csv", b"User name\nx\n", "text/csv")}
    answer = wizard.visitor.http.post(wizard.base, data={"csrf": "wrong"}, files=files)
    assert answer.status_code == 403
    assert "Recent imports" not in wizard.visitor.get(wizard.base).text


def test_the_guard_holds_what_is_over_its_limit_and_the_rehearsal_foretells_it(wizard, fresh):
    people = [fresh.user() for _ in range(4)]
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 1})
    text = "User name,Active\n" + "".join(f"{user['userName']},no\n" for user in people)
    wizard.uploaded(text)
    foretold = figures(wizard.rehearse())
    assert foretold == {
        "Created": 0, "Updated": 1, "Unchanged": 0, "Held by the guard": 3, "Refused": 0,
    }  # fmt: skip
    assert figures(wizard.start()) == foretold
    assert len(fresh.api.get("/guard").json()["held"]) == 3


def test_an_administrator_may_override_the_guard_and_the_protection(wizard, fresh):
    user = fresh.user()
    fresh.api.patch("/settings", json={"guardMode": "hold", "guardShare": 0, "guardLeast": 0})
    fresh.api.put(f"/protected-users/{user['id']}", json={})
    text = f"User name,Active\n{user['userName']},no\n"
    assert figures(wizard.imported(text))["Held by the guard"] == 1
    wizard.uploaded(text)
    assert figures(wizard.rehearse(override="on"))["Updated"] == 1
    wizard.start()
    assert fresh.scim.get(f"/Users/{user['id']}").json()["active"] is False


def test_who_may_not_change_settings_overrides_nothing(server, fresh):
    admin = invited(server, fresh.name, SCIM)
    wizard = Wizard(admin, fresh)
    wizard.uploaded("User name\nx\n")
    fields = {"column.0": "userName", "empty": "keep", "override": "on"}
    answer = admin.post(f"{wizard.path}/rehearse", **fields)
    assert answer.status_code == 403
    assert SETTINGS in answer.text
    admin.close()


def test_the_provisioning_switch_refuses_new_users(wizard, fresh):
    fresh.api.patch("/settings", json={"automaticProvisioning": False})
    wizard.uploaded(f"User name\n{name()}\n")
    page = wizard.rehearse()
    assert figures(page)["Refused"] == 1
    assert "Automatic provisioning is off" in problems(page)[0][2]


def test_a_manager_may_come_later_in_the_file(wizard, fresh):
    boss, ada, bob = name("boss"), name("ada"), name("bob")
    text = f"User name,Manager\n{ada},{boss}\n{bob},{name('nobody')}\n{boss},\n"
    page = wizard.imported(text)
    assert figures(page) == {"Created": 2, "Updated": 0, "Unchanged": 0, "Refused": 1}
    assert "is no user, neither here nor in the file" in problems(page)[0][2]
    manager = found(fresh, ada)[ENTERPRISE_USER]["manager"]
    assert manager["value"] == found(fresh, boss)["id"]
    again = wizard.imported(text)
    assert figures(again) == {"Created": 0, "Updated": 0, "Unchanged": 2, "Refused": 1}


def test_a_manager_is_found_by_id_or_address_and_removed_by_an_empty_cell(wizard, fresh):
    address = f"{name()}@example.com"
    boss = fresh.user(emails=[{"value": address, "type": "work"}])
    managed = {ENTERPRISE_USER: {"manager": {"value": boss["id"]}}}
    by_id, by_address, alone = name(), name(), fresh.user(**managed)
    text = (
        f"User name,Manager\n{by_id},{boss['id']}\n{by_address},{address}\n{alone['userName']},\n"
    )
    page = wizard.imported(text, empty="clear")
    assert figures(page) == {"Created": 2, "Updated": 1, "Unchanged": 0, "Refused": 0}
    for one in (by_id, by_address):
        assert found(fresh, one)[ENTERPRISE_USER]["manager"]["value"] == boss["id"]
    assert "manager" not in found(fresh, alone["userName"]).get(ENTERPRISE_USER, {})


def test_rows_with_ids_update_those_users(wizard, fresh):
    known = fresh.user(title="Clerk")
    gone = fresh.user()["id"]
    fresh.scim.delete(f"/Users/{gone}")
    text = f"ID,Job title\n{known['id']},Chief\n{gone},Chief\n"
    page = wizard.imported(text)
    assert figures(page) == {"Created": 0, "Updated": 1, "Unchanged": 0, "Refused": 1}
    assert problems(page)[0][:2] == (3, "ID")
    assert "No user has the ID" in problems(page)[0][2]
    assert fresh.scim.get(f"/Users/{known['id']}").json()["title"] == "Chief"


def test_a_row_that_the_directory_refuses_names_its_column(wizard, fresh):
    long = "x" * 5000
    page = wizard.imported(f"User name,Job title\n{name()},Chief\n{long},Chief\n")
    assert figures(page) == {"Created": 1, "Updated": 0, "Unchanged": 0, "Refused": 1}
    assert problems(page)[0][:2] == (3, "User name")


def test_a_group_name_that_several_groups_have_is_refused(wizard, fresh):
    title = name()
    for _ in range(2):
        assert fresh.scim.post("/Groups", json=group(title)).status_code == 201
    page = wizard.imported(f"User name,Groups\n{name()},{title}\n")
    assert figures(page) == {"Created": 0, "Updated": 0, "Unchanged": 0, "Refused": 1}
    assert "Several groups are named" in problems(page)[0][2]


def test_groups_are_joined_by_name_and_made_if_wanted(wizard, fresh):
    fresh.scim.post("/Groups", json=group("Engines"))
    ada, bob = name("ada"), name("bob")
    text = f"User name,Groups\n{ada},engines; Maths\n{bob},Engines\n"
    wizard.uploaded(text)
    page = wizard.rehearse()
    assert figures(page)["Created"] == 1
    assert problems(page) == [(2, "Groups", 'No group is named "Maths"')]
    page = wizard.imported(text, makeGroups="on")
    assert figures(page)["Created"] == 2
    groups = {entry["display"] for entry in found(fresh, ada)["groups"]}
    assert groups == {"Engines", "Maths"}
    assert [entry["display"] for entry in found(fresh, bob)["groups"]] == ["Engines"]


def test_an_import_is_rolled_back(wizard, root, fresh):
    old = fresh.user(title="Clerk")
    new = name("new")
    wizard.imported(f"User name,Title\n{old['userName']},Manager\n{new},Chief\n")
    link = re.search(r'href="([^"]+/undo\?import=[^"]+)"', root.get(wizard.path).text)[1]
    page = root.get(unescape(link))
    resources, deletions = (
        re.findall(rf'name="{kind}" value="([^"]+)"', page.text) for kind in ("resource", "delete")
    )
    assert resources == [old["id"]]
    assert len(deletions) == 1
    assert "1 resource created by this import" in page.text
    chosen = {"resource": resources, "delete": deletions}
    fields = dict(
        re.findall(r'type="hidden" name="(import|since|until|at)" value="([^"]*)"', page.text)
    )
    asked = root.post(f"/w/{fresh.name}/undo", **fields, **chosen)
    assert "Roll back 1 resource and delete 1?" in asked.text
    agreed = {"confirmed": "yes", "deleting": "yes"}
    page = root.submit(f"/w/{fresh.name}/undo", **fields, **chosen, **agreed)
    assert "Rolled back 1 resource and deleted 1." in page.text
    assert found(fresh, new) is None
    assert fresh.scim.get(f"/Users/{old['id']}").json()["title"] == "Clerk"
    assert "This import has been rolled back" in root.get(unescape(link)).text


def test_the_rollback_page_lists_imports_among_the_events(wizard, root, fresh):
    wizard.imported(f"User name\n{name()}\n")
    page = root.get(f"/w/{fresh.name}/undo").text
    assert "CSV import by" in page
    assert f"undo?import={wizard.path.rpartition('/')[2]}" in page


def test_the_export_of_the_list_can_be_imported_again(wizard, root, fresh):
    fresh.user(displayName="=Ada", phoneNumbers=[{"value": "+44 20"}])
    export = root.get(f"/w/{fresh.name}/users/export.csv").content
    page = wizard.uploaded(export)
    assert selected(page) == ["id", "userName", "displayName", "emails", "active", ""]
    assert figures(wizard.rehearse())["Unchanged"] == 1


def test_several_chunks_are_imported(wizard, fresh, monkeypatch):
    monkeypatch.setattr(store, "CHUNK", 3)
    stem = name("many")
    text = "User name\n" + "".join(f"{number}.{stem}\n" for number in range(8))
    page = wizard.imported(text)
    assert figures(page)["Created"] == 8
    assert fresh.scim.get("/Users", params={"count": 0}).json()["totalResults"] == 8


def test_an_import_belongs_to_its_workspace(wizard, root):
    wizard.uploaded("User name\nx\n")
    other = wizard.path.replace(f"/w/{wizard.tenant.name}/", "/w/default/")
    assert root.get(other).status_code == 404
    assert root.post(f"{other}/delete").status_code == 404


def test_a_run_that_was_discarded_ends(wizard, fresh):
    wizard.uploaded("User name\nx\n")
    wizard.visitor.submit(f"{wizard.path}/delete")
    assert wizard.visitor.post(f"{wizard.path}/rehearse").status_code == 404
    assert wizard.visitor.post(f"{wizard.path}/start").status_code == 404
