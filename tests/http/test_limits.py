"""Every limit of docs/reference/limits.md: accepted within it, refused beyond it.

A case sends a request of a given size. One less than the limit and the limit itself are accepted; one more gets the status
and scimType of the page, with an error that names the limit and its setting, and changes nothing. Rows that are no size of a
request have tests of their own, here or in the modules that ELSEWHERE names; a row without any test fails.
"""

import asyncio
import contextlib
import dataclasses
import importlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from muster.access.administrators import all_permissions
from muster.access.keys import Keys
from muster.access.permissions import SCIM
from muster.app import Muster
from muster.base import clock
from muster.config import Settings
from muster.directory.history import past, rollback
from muster.directory.versions import make_put
from muster.scim.bulk import BULK_REQUEST
from muster.scim.messages import SEARCH_REQUEST
from muster.scim.schema.model import USER, registry
from muster.storage.ids import IdSource
from muster.storage.port.changes import ChangeOrigin
from tests.support import databases
from tests.support.people import group, name, patch, person

ROOT = Path(__file__).parents[2]
MAX_BODY, MAX_VALUES, MAX_ELEMENTS, MAX_COMPARISONS, MAX_RESULTS = 100_000, 8_000, 20, 2_000, 25
MAX_PAGE_BYTES = 2 * MAX_BODY
SMALL = {
    "rate_limit": 0,
    "request_log": False,
    "max_body": MAX_BODY,
    "max_values": MAX_VALUES,
    "max_elements": MAX_ELEMENTS,
    "max_comparisons": MAX_COMPARISONS,
    "max_results": MAX_RESULTS,
    "max_page_bytes": MAX_PAGE_BYTES,
}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Row:
    """A row of docs/reference/limits.md."""

    what: str
    default: str
    setting: str
    beyond: str

    @property
    def status(self) -> int:
        return int(self.beyond[:3])

    @property
    def scim_type(self) -> str | None:
        found = re.match(r"\d{3} `(\w+)`", self.beyond)
        return found[1] if found else None


def _rows() -> dict[str, Row]:
    text = (ROOT / "docs" / "reference" / "limits.md").read_text()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return {row[0]: Row(*row) for row in cells if row[0] not in ("limit", "---")}


ROWS = _rows()


class Here:
    """A service in this process with small limits, and a client of its SCIM."""

    def __init__(self, database: str, **options) -> None:
        self.runner = asyncio.Runner()
        self.app = Muster(Settings(database=database, **{**SMALL, **options}))
        self._lifespan = self.app.lifespan()
        self.runner.run(self._lifespan.__aenter__())
        self.workspace = self.runner.run(self.app.storage.find_workspace("default"))
        token = self.runner.run(Keys(self.app.storage).create(self.workspace, "k"))[0]
        self.headers = {"authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url="http://muster.test"
        )

    def forget_cookies(self) -> None:
        """Send no cookies of earlier answers, which count as a header."""
        self._client.cookies.clear()

    def ask(self, method: str, path: str, **options) -> httpx.Response:
        """Send a request; the key is given unless the headers say otherwise."""
        path = path if path.startswith(("/api/", "/sign-in", "/account")) else f"/scim/v2{path}"
        options["headers"] = {**self.headers, **options.get("headers", {})}
        return self.runner.run(self._client.request(method, path, **options))

    def post(self, path: str, body) -> httpx.Response:
        content = body if isinstance(body, str) else json.dumps(body)
        return self.ask("POST", path, content=content, headers=JSON)

    def made(self, path: str, body) -> dict:
        response = self.post(path, body)
        assert response.status_code == 201, response.text
        return response.json()

    def user(self, user_name: str | None = None, **attributes) -> dict:
        return self.made("/Users", person(user_name, **attributes))

    def patch(self, user: dict, *operations: dict) -> httpx.Response:
        return self.ask(
            "PATCH", f"/Users/{user['id']}", content=json.dumps(patch(*operations)), headers=JSON
        )

    def bulk(self, *operations: dict) -> httpx.Response:
        return self.post("/Bulk", {"schemas": [BULK_REQUEST], "Operations": list(operations)})

    def latest_change(self) -> int:
        return self.runner.run(self.app.storage.latest_change(self.workspace.id))

    def close(self) -> None:
        self.runner.run(self._client.aclose())
        self.runner.run(self._lifespan.__aexit__(None, None, None))
        self.runner.close()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def here(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    started = Here(
        f"sqlite:///{databases.migrated_file(folder / 'muster.db')}"
        if request.param == "sqlite"
        else databases.migrated_database()
    )
    yield started
    started.close()


@pytest.fixture(params=["sqlite", "postgres"])
def fresh_here(request, tmp_path):
    """A service of the test's own."""
    started = Here(
        f"sqlite:///{databases.migrated_file(tmp_path / 'muster.db')}"
        if request.param == "sqlite"
        else databases.migrated_database(),
        max_elements=1_000,
    )
    yield started
    started.close()


Send = Callable[[Here, int], httpx.Response]


@dataclass(frozen=True)
class Case:
    """A request of any size, the largest accepted size, and the text of the error."""

    row: Row
    most: int
    send: Send
    says: str


CASES: list[Case] = []
COVERED: dict[str, list[str]] = {}


def sized(what: str, most: int, says: str | None = None) -> Callable[[Send], Send]:
    """Register a case for a row; `says` is the limit in the error, if not `most`."""

    def register(send: Send) -> Send:
        CASES.append(Case(ROWS[what], most, send, says if says is not None else f"{most:,}"))
        COVERED.setdefault(what, []).append(send.__name__)
        return send

    return register


def covers(*whats: str):
    """Say which rows a test is about."""

    def register(test):
        for what in whats:
            assert what in ROWS, what
            COVERED.setdefault(what, []).append(test.__name__)
        return test

    return register


def check_refused(row: Row, response: httpx.Response, says: str) -> None:
    """Check a refusal against its row."""
    assert response.status_code == row.status, response.text
    text = response.text
    if response.headers["content-type"].endswith("json"):
        body = response.json()
        assert body.get("scimType") == row.scim_type, body
        text = body["detail"]
    assert says in text or says.replace(",", "") in text, text
    for setting in re.findall(r"MUSTER_\w+", row.setting):
        assert setting in text, text


def padded(body, size: int) -> str:
    """A body as JSON of exactly so many bytes."""
    text = json.dumps(body)
    return text[:-1] + " " * (size - len(text)) + "}"


# ---- size of a request


@sized("bytes of a body", MAX_BODY)
def post_of_so_many_bytes(here, size):
    return here.post("/Users", padded(person(), size))


@sized("bytes of a body", MAX_BODY)
def put_of_so_many_bytes(here, size):
    user = (
        here.user()
        if size <= MAX_BODY
        else here.ask("GET", "/Users?count=1").json()["Resources"][0]
    )
    return here.ask("PUT", f"/Users/{user['id']}", content=padded(person(), size), headers=JSON)


@sized("bytes of a body", MAX_BODY)
def search_of_so_many_bytes(here, size):
    return here.post("/.search", padded({"schemas": [SEARCH_REQUEST], "count": 0}, size))


@sized("bytes of a body", MAX_BODY)
def body_of_so_many_bytes_without_a_content_length(here, size):
    async def pieces():
        text = padded(person(), size).encode()
        for start in range(0, len(text), 30_000):
            yield text[start : start + 30_000]

    return here.ask("POST", "/Users", content=pieces(), headers=JSON)


@sized("bytes of a body", MAX_BODY)
def bulk_of_so_many_bytes(here, size):
    operation = {"method": "POST", "path": "/Users", "bulkId": "a", "data": person()}
    return here.post("/Bulk", padded({"schemas": [BULK_REQUEST], "Operations": [operation]}, size))


@sized("values of a body, counted as its braces, brackets and commas", MAX_VALUES)
def post_of_so_many_values(here, size):
    text = json.dumps(person(unknown=[0]))
    own = sum(map(text.count, "{[,"))
    return here.post("/Users", text.replace("[0]", f"[{','.join('0' * (size - own + 1))}]"))


@sized("values of a body, counted as its braces, brackets and commas", MAX_VALUES)
def patch_of_so_many_values(here, size):
    operations = patch({"op": "replace", "path": "title", "value": "x"}) | {"unknown": [0]}
    text = json.dumps(operations)
    own = sum(map(text.count, "{[,"))
    user = here.ask("GET", "/Users?count=1").json()["Resources"][0]
    content = text.replace("[0]", f"[{','.join('0' * (size - own + 1))}]").replace(
        '"x"', f'"{size}"'
    )
    return here.ask("PATCH", f"/Users/{user['id']}", content=content, headers=JSON)


@sized("depth of a body", 64)
def post_of_such_depth(here, size):
    arrays = size - 1  # the document is an object
    return here.post(
        "/Users",
        json.dumps(person()).replace(
            '"active"', f'"unknown": {"[" * arrays}{"]" * arrays}, "active"'
        ),
    )


@sized("depth of a body", 64)
def post_of_such_depth_with_a_value_at_the_bottom(here, size):
    arrays = size - 1
    return here.post(
        "/Users",
        json.dumps(person()).replace(
            '"active"', f'"unknown": {"[" * arrays}1{"]" * arrays}, "active"'
        ),
    )


@sized("depth of a body", 64)
def post_of_such_depth_and_nothing_else(here, size):
    """Without any other object or array in the body."""
    deep = '{"a":' * (size - 1) + '"x"' + "}" * (size - 1)
    return here.post("/Users", f'{{"userName": "{name()}", "unknown": {deep}}}')


@sized("keys of one object in a body", MAX_ELEMENTS)
def post_of_so_many_names(here, size):
    body = {"schemas": [USER], "userName": name()}
    return here.post("/Users", body | {f"x{n}": 1 for n in range(size - len(body))})


@sized("keys of one object in a body", MAX_ELEMENTS)
def post_with_an_object_of_so_many_names(here, size):
    return here.post("/Users", person(unknown={f"x{n}": 1 for n in range(size)}))


def emails(number: int) -> list[dict]:
    return [{"value": f"u{n}@example.com"} for n in range(number)]


ELEMENTS = "elements of a multi-valued attribute, except members of groups"


@sized(ELEMENTS, MAX_ELEMENTS)
def post_of_so_many_elements(here, size):
    return here.post("/Users", person(emails=emails(size)))


@sized(ELEMENTS, MAX_ELEMENTS)
def patch_to_so_many_elements(here, size):
    users = here.ask("GET", "/Users", params={"filter": 'title eq "elements"'}).json()["Resources"]
    user = users[0] if users else here.user(title="elements", emails=emails(2))
    have = len(user["emails"])
    more = [{"value": f"more{n}-{size}@example.com"} for n in range(size - have)]
    return here.patch(user, {"op": "add", "path": "emails", "value": more})


@covers(ELEMENTS)
def test_members_of_a_group_have_no_such_limit(here):
    members = [here.user() for _ in range(MAX_ELEMENTS + 5)]
    assert len(here.made("/Groups", group(None, *members))["members"]) == len(members)


@sized("bytes of an indexed value", 2_000)
def indexed_value_of_so_many_bytes(here, size):
    return here.post("/Users", person(name().ljust(size, "x"), emails=[]))


@sized("bytes of an indexed value", 2_000)
def indexed_value_of_so_many_bytes_in_other_letters(here, size):
    """Bytes count, and not characters."""
    stem = name("ж")
    return here.post(
        "/Users",
        person(
            stem
            + "ж" * ((size - len(stem.encode())) // 2)
            + "x" * ((size - len(stem.encode())) % 2)
        ),
    )


@sized("operations of a PATCH", 1_000)
def patch_of_so_many_operations(here, size):
    user = here.ask("GET", "/Users?count=1").json()["Resources"][0]
    return here.patch(
        user, *({"op": "replace", "path": "title", "value": f"{size}{n}"} for n in range(size))
    )


COMPARISONS = "operations of a PATCH × elements × conditions of their paths"


def _compared(here, number, path, elements=10):
    """A PATCH of so many operations on a user with ten e-mail addresses."""
    users = here.ask("GET", "/Users", params={"filter": 'title eq "compared"'}).json()["Resources"]
    user = users[0] if users else here.user(title="compared", emails=emails(elements))
    return here.patch(
        user, *({"op": "replace", "path": path, "value": f"{number}-{n}"} for n in range(number))
    )


@sized(COMPARISONS, MAX_COMPARISONS // 10, f"{MAX_COMPARISONS:,}")
def operations_on_all_elements(here, size):
    return _compared(here, size, "emails.display")


@sized(COMPARISONS, MAX_COMPARISONS // 10, f"{MAX_COMPARISONS:,}")
def operations_with_one_condition(here, size):
    return _compared(here, size, 'emails[value eq "u1@example.com"].display')


@sized(COMPARISONS, MAX_COMPARISONS // 20, f"{MAX_COMPARISONS:,}")
def operations_with_two_conditions(here, size):
    return _compared(here, size, 'emails[value eq "u1@example.com" or type pr].display')


BULK_COMPARISONS = "the same for all PATCHes of a bulk request together; each may make 1,000"
_PATCHES = 16
_SHARE = 10 * MAX_COMPARISONS // _PATCHES
"""The comparisons of each of so many PATCHes: 1,250."""


def _result(response: httpx.Response) -> httpx.Response:
    """The worst result of a bulk request, as a response by itself."""
    assert response.status_code == 200, response.text
    results = response.json()["Operations"]
    worst = max(results, key=lambda result: int(result["status"]))
    assert len({result["status"] for result in results}) == 1, results
    return httpx.Response(int(worst["status"]), json=worst.get("response", {}), headers=JSON)


@sized(BULK_COMPARISONS, _SHARE // 50, f"{_SHARE:,}")
def operations_of_each_patch_of_a_bulk_request(here, size):
    """Each on ten elements, with five conditions."""
    users = here.ask("GET", "/Users", params={"filter": 'title eq "shared"'}).json()["Resources"]
    user = users[0] if users else here.user(title="shared", emails=emails(10))
    path = f"emails[{' or '.join(['value pr'] * 5)}].display"
    data = patch(*[{"op": "replace", "path": path, "value": f"{size}"}] * size)
    operation = {"method": "PATCH", "path": f"/Users/{user['id']}", "data": data}
    return _result(here.bulk(*[operation] * _PATCHES))


@sized(BULK_COMPARISONS, 1_000 // 10, "1,000")
def operations_of_each_of_many_patches_of_a_bulk_request(here, size):
    """Each workspace may have 1,000, however many workspaces exist."""
    users = here.ask("GET", "/Users", params={"filter": 'title eq "shared"'}).json()["Resources"]
    user = users[0] if users else here.user(title="shared", emails=emails(10))
    heavy = patch(
        *({"op": "replace", "path": "emails.display", "value": f"{size}"} for n in range(size))
    )
    light = patch({"op": "replace", "path": "emails.display", "value": "light"})
    many = [{"method": "PATCH", "path": f"/Users/{user['id']}", "data": light}] * 21
    response = here.bulk({"method": "PATCH", "path": f"/Users/{user['id']}", "data": heavy}, *many)
    first = response.json()["Operations"][0]
    return httpx.Response(int(first["status"]), json=first.get("response", {}), headers=JSON)


@sized("operations of a bulk request", 1_000)
def bulk_of_so_many_operations(here, size):
    return here.bulk(*[{"method": "DELETE", "path": "/Users/x"}] * size)


@sized("operations of a bulk request that refer to each other in a cycle", 100)
def cycle_of_so_many_operations(here, size):
    stem = name("cycle")

    def data(n):
        return {"displayName": f"{stem}-{n}", "members": [{"value": f"bulkId:g{(n + 1) % size}"}]}

    return _result(
        here.bulk(
            *(
                {"method": "POST", "path": "/Groups", "bulkId": f"g{n}", "data": data(n)}
                for n in range(size)
            )
        )
    )


@sized("headers of a request", 100)
def so_many_headers(here, size):
    here.forget_cookies()
    sent = {
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "x",
        "host": "muster.test",
    }
    own = len({**sent, **here.headers})
    return here.ask(
        "GET", "/Users?count=0", headers={**sent, **{f"x-{n}": "x" for n in range(size - own)}}
    )


@sized("bytes of all headers", 65_536)
def headers_of_so_many_bytes(here, size):
    here.forget_cookies()
    sent = {
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "x",
        "host": "muster.test",
    }
    own = sum(len(key) + len(value) for key, value in {**sent, **here.headers}.items())
    return here.ask(
        "GET",
        "/Users?count=0",
        headers={**sent, "x-padding": "x" * (size - own - len("x-padding"))},
    )


HEADERS = "bytes of each of `Cookie`, `If-Match` and `If-None-Match`"


@sized(HEADERS, 16_384)
def cookies_of_so_many_bytes(here, size):
    return here.ask("GET", "/sign-in", headers={"cookie": "a=".ljust(size, "b")})


@sized(HEADERS, 16_384)
def if_match_of_so_many_bytes(here, size):
    user = here.ask("GET", "/Users?count=1").json()["Resources"][0]
    return here.ask(
        "DELETE",
        f"/Users/{here.user()['id'] if size <= 16_384 else user['id']}",
        headers={"if-match": "*,".ljust(size)},
    )


@sized(HEADERS, 16_384)
def if_none_match_of_so_many_bytes(here, size):
    user = here.ask("GET", "/Users?count=1").json()["Resources"][0]
    return here.ask("GET", f"/Users/{user['id']}", headers={"if-none-match": '"x",'.ljust(size)})


@sized("bytes of `Authorization`", 16_384)
def authorization_of_so_many_bytes(here, size):
    given = here.headers["authorization"]
    return here.ask("GET", "/Users?count=0", headers={"authorization": given.ljust(size)})


@sized("bytes of a query", 65_536)
def query_of_so_many_bytes(here, size):
    """httpx sends no query that long."""
    return here.runner.run(
        Slow(here, "GET", "/scim/v2/Users", query="count=0&x=".ljust(size, "x")).run()
    )


@sized("parameters of a query", 50)
def query_of_so_many_parameters(here, size):
    return here.ask("GET", "/Users?count=0&" + "&".join(f"p{n}=1" for n in range(size - 1)))


LENGTH = "characters of a filter or a path"


@sized(LENGTH, 8_192)
def filter_of_so_many_characters(here, size):
    return here.ask("GET", "/Users", params={"filter": f'title eq "{"x" * (size - 11)}"'})


@sized(LENGTH, 8_192)
def filter_of_so_many_characters_in_a_search(here, size):
    return here.post(
        "/Users/.search", {"schemas": [SEARCH_REQUEST], "filter": f'title eq "{"ж" * (size - 11)}"'}
    )


@sized(LENGTH, 8_192)
def path_of_so_many_characters(here, size):
    found = here.ask("GET", "/Users", params={"filter": "emails.value pr", "count": 1})
    user = found.json()["Resources"][0]
    path = f'emails[value ne "{"x" * (size - 27)}"].display'
    assert len(path) == size
    return here.patch(user, {"op": "replace", "path": path, "value": f"{size}"})


@sized("conditions of a filter, a value path counting as one", 200)
def filter_of_so_many_conditions(here, size):
    return here.ask(
        "GET", "/Users", params={"filter": " or ".join(["title pr"] * size), "count": 0}
    )


@sized("conditions of a filter, a value path counting as one", 200)
def value_path_of_so_many_conditions(here, size):
    return here.ask(
        "GET",
        "/Users",
        params={"filter": f"emails[{' or '.join(['type pr'] * (size - 1))}]", "count": 0},
    )


@sized("depth of a filter", 40)
def filter_of_such_depth(here, size):
    return here.ask(
        "GET", "/Users", params={"filter": "(" * size + "title pr" + ")" * size, "count": 0}
    )


NAMES = "names in `attributes` or `excludedAttributes`"


@sized(NAMES, 1_000)
def so_many_names_in_attributes(here, size):
    return here.ask("GET", "/Users", params={"attributes": ",".join(["title"] * size), "count": 0})


@sized(NAMES, 1_000)
def so_many_names_in_excluded_attributes_of_a_user(here, size):
    user = here.ask("GET", "/Users?count=1").json()["Resources"][0]
    return here.ask(
        "GET", f"/Users/{user['id']}", params={"excludedAttributes": ",".join(["title"] * size)}
    )


@sized(NAMES, 1_000)
def so_many_names_in_attributes_of_a_new_user(here, size):
    return here.ask(
        "POST", "/Users", params={"attributes": ",".join(["title"] * size)}, json=person()
    )


FORM = {"content-type": "application/x-www-form-urlencoded"}


def _form(here: Here, text: str) -> httpx.Response:
    """Send a form with a wrong token; an error about the token counts as accepted."""
    response = here.ask("POST", "/sign-in", content=text, headers=FORM)
    return httpx.Response(200) if response.status_code == 403 else response


@sized("bytes of a form of the console", 200_000)
def form_of_so_many_bytes(here, size):
    return _form(here, "a=".ljust(size, "b"))


@sized("fields of a form of the console", 1_100)
def form_of_so_many_fields(here, size):
    return _form(here, "&".join(["a=b"] * size))


@sized("parameters of a query of the console", 200)
def query_of_a_page(here, size):
    return here.ask("GET", f"/sign-in?{'&'.join(['a=b'] * size)}", headers={"accept": "text/html"})


@sized("values that are never returned, such as passwords, in one resource of a request", 100)
def secret_values(here, number):
    schema = "urn:example:params:scim:schemas:Pins"
    secret = {"multiValued": True, "returned": "never"}
    body = {"id": schema, "name": "Pins", "extends": ["User"]}
    here.post(
        "/api/v1/schemas", {**body, "attributes": [{**secret, "name": f"a{n}"} for n in range(10)]}
    )
    pins: dict[str, list[str]] = {}
    for n in range(number):
        pins.setdefault(f"a{n % 10}", []).append(f"{n:04}")
    user = person()
    return here.post("/Users", {**user, "schemas": [*user["schemas"], schema], schema: pins})


@pytest.mark.parametrize("case", [pytest.param(case, id=case.send.__name__) for case in CASES])
def test_a_request_within_a_limit_is_accepted_and_one_beyond_it_is_refused(here, case):
    if not here.ask("GET", "/Users?count=0").json()["totalResults"]:
        here.user()
    for size in (case.most - 1, case.most):
        response = case.send(here, size)
        assert response.status_code < 400, f"{size}: {response.text[:500]}"
    before = here.latest_change()
    check_refused(case.row, case.send(here, case.most + 1), case.says)
    assert here.latest_change() == before, "it changed something"


# ---- size of an answer

RESULTS = "resources in a page"


def _load(here, number, resource_type="/Users", **attributes):
    """Many resources at once."""
    kind, new_id = registry().types[resource_type], IdSource()
    now = "2020-01-01T00:00:00.000Z"
    stem = name("loaded")
    puts = [
        make_put(
            {"schemas": [kind.core.id], ("userName" if kind.name == "User" else "displayName"): f"{stem}-{n:05}", **attributes},
            kind, new_id(time.time_ns() // 1_000_000), 1, now, now,
        )
        for n in range(number)
    ]  # fmt: skip
    here.runner.run(
        here.app.storage.load(here.workspace.id, kind.name, puts, ChangeOrigin("key:k", "r", now))
    )
    return stem, [put.stored.id for put in puts]


@covers(RESULTS)
@pytest.mark.parametrize("path", ["/Users", "/", "/Users/.search"])
def test_a_page_has_so_many_resources_and_no_more(here, path):
    stem, _ = _load(here, MAX_RESULTS + 1)
    chosen = f'userName sw "{stem}"'
    for count, found in (
        (MAX_RESULTS - 1, MAX_RESULTS - 1),
        (MAX_RESULTS, MAX_RESULTS),
        (MAX_RESULTS + 1, MAX_RESULTS),
    ):
        if path.endswith(".search"):
            response = here.post(
                path, {"schemas": [SEARCH_REQUEST], "filter": chosen, "count": count}
            )
        else:
            response = here.ask("GET", path, params={"filter": chosen, "count": count})
        page = response.json()
        assert (len(page["Resources"]), page["itemsPerPage"], page["totalResults"]) == (
            found,
            found,
            MAX_RESULTS + 1,
        )


PAGE_BYTES = "bytes of the resources in a page"
SEARCHES = {
    "an indexed value": {"filter": 'userName sw "{stem}"'},
    "an indexed value, sorted": {
        "filter": 'userName sw "{stem}"',
        "sortBy": "userName",
        "sortOrder": "descending",
    },
    "a scan, sorted by what is not indexed": {
        "filter": 'userName co "{stem}"',
        "sortBy": "name.formatted",
    },
    "lifetime of a cursor": {"filter": 'userName sw "{stem}"', "cursor": ""},
    "a projection": {"filter": 'userName sw "{stem}"', "attributes": "userName"},
    "a domain": {"domain": "{stem}.example"},
}


@covers(PAGE_BYTES)
@pytest.mark.parametrize("path", ["/Users", "/"])
@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_a_page_has_so_many_bytes_and_no_more(here, path, search):
    """Commas between resources count: one more byte makes a page of three."""
    if path == "/" and "domain" in search:
        return  # domains are of users alone
    stem = name("bytes").partition("@")[0]
    users = [here.user(f"{stem}-{n}", emails=[{"value": f"a@{stem}.example"}]) for n in range(4)]
    one_more = _fill(here, "/Users", users, "title")
    asked = {key: value.replace("{stem}", stem) for key, value in search.items()}

    def page(count):
        return here.ask("GET", path, params={**asked, "count": count})

    assert len(page(4).json().get("Resources", ())) == 4, page(4).text[:300]
    one_more()
    check_refused(ROWS[PAGE_BYTES], page(4), "MUSTER_MAX_PAGE_BYTES")
    assert len(page(3).json()["Resources"]) == 3


def _fill(here, endpoint, resources, path):
    """Lengthen an attribute of each, so that they fill a page exactly."""

    def sizes():
        found = (
            here.runner.run(here.app.storage.get(here.workspace.id, endpoint[1:-1], one["id"]))
            for one in resources
        )
        return [len(stored.document) for stored in found]

    def lengthen(one, value):
        change = {"op": "replace", "path": path, "value": value}
        response = here.ask(
            "PATCH", f"{endpoint}/{one['id']}", content=json.dumps(patch(change)), headers=JSON
        )
        assert response.status_code in (200, 204), response.text

    for one in resources:
        lengthen(one, "x")
    most = MAX_PAGE_BYTES - (len(resources) - 1)
    left = most - sum(sizes())
    for number, one in enumerate(resources, 1):
        share = left * number // len(resources) - left * (number - 1) // len(resources)
        lengthen(one, "x" * (share + 1))
    assert sum(sizes()) == most
    return lambda: lengthen(resources[0], "x" * (left // len(resources) + 2))


NOTES = "urn:acme:scim:Notes"


@pytest.fixture(scope="module")
def notes(here):
    """Groups have a text of any length."""
    schema = {
        "id": NOTES,
        "name": "Notes",
        "description": "x",
        "extends": ["Group"],
        "attributes": [{"name": "text", "type": "string"}],
    }
    here.made("/api/v1/schemas", schema)


@covers(PAGE_BYTES)
@pytest.mark.parametrize(
    "chosen",
    [
        'members.value eq "{id}"',
        'members[value eq "{id}"]',
        'members[value eq "{id}" and value pr]',
    ],
)
@pytest.mark.usefixtures("notes")
def test_a_page_of_the_groups_of_a_member_has_so_many_bytes_and_no_more(here, chosen):
    user, other = here.user(), here.user()
    few = [here.made("/Groups", group(None, user, other)) for _ in range(4)]
    here.made("/Groups", group(None, user))
    one_more = _fill(here, "/Groups", few, f"{NOTES}:text")

    def page(member, count):
        return here.ask(
            "GET",
            "/Groups",
            params={"filter": chosen.replace("{id}", member["id"]), "count": count},
        )

    assert len(page(other, 10).json()["Resources"]) == 4
    within = page(user, 4).json()  # one more group does not fit, and was not asked for
    assert (len(within["Resources"]), within["totalResults"]) == (4, 5)
    check_refused(ROWS[PAGE_BYTES], page(user, 5), "MUSTER_MAX_PAGE_BYTES")
    one_more()
    check_refused(ROWS[PAGE_BYTES], page(other, 10), "MUSTER_MAX_PAGE_BYTES")
    assert len(page(other, 3).json()["Resources"]) == 3


CHANGES = "changes in an answer of the feed or the audit log"


@covers(CHANGES)
@pytest.mark.parametrize("which", ["/changes", "/audit"])
def test_an_answer_has_so_many_changes_and_no_more(here, which, monkeypatch):
    monkeypatch.setattr(here.app.storage, "page_bytes", 16_000_000)
    rows = "events" if which == "/changes" else "rows"

    def asked(start, limit):
        return here.ask("GET", f"/api/v1{which}", params={"cursor": start, "limit": limit}).json()

    start, more = "", True
    while more:
        answer = asked(start, 1_000)
        start, more = answer["cursor"], answer["more"]
    _load(here, 1_001)
    for limit in (999, 1_000):
        answer = asked(start, limit)
        assert (len(answer[rows]), answer["more"]) == (limit, True)
    refused = here.ask("GET", f"/api/v1{which}", params={"cursor": start, "limit": 1_001})
    assert refused.status_code == 400
    expected = "Expected at most 1,000, got 1,001."
    assert refused.json()["errors"] == [{"pointer": "/limit", "detail": expected}]
    rest = asked(answer["cursor"], 1_000)
    assert (len(rest[rows]), rest["more"]) == (1, False)


CHANGES_BYTES = "bytes of the changes in an answer of the feed, the history or the audit log"


@covers(CHANGES_BYTES)
@pytest.mark.parametrize("which", ["/changes", "/history", "/audit"])
def test_an_answer_has_so_many_bytes_of_changes_and_no_more(here, which):
    """Ten changes of a tenth of the limit fit; a larger one is answered alone."""
    user = here.user()
    start = here.ask("GET", "/api/v1/changes", params={"cursor": "end"}).json()["cursor"]
    most = MAX_PAGE_BYTES // 4
    sizes = [most // 5] * 12 + [MAX_BODY - 1_000] * 2
    for number, size in enumerate(sizes):
        assert (
            here.patch(
                user, {"op": "replace", "path": "title", "value": f"{number} ".ljust(size, "x")}
            ).status_code
            == 200
        )
    answers, at = [], {"cursor": start} if which == "/changes" else {}
    while True:
        path = f"/history/{user['id']}" if which == "/history" else which
        answer = here.ask("GET", f"/api/v1{path}", params={"limit": 200, **at}).json()
        if which == "/history":
            answers.append([change["version"] for change in answer["items"]])
            at, done = {"cursor": answer["nextCursor"]}, answer["nextCursor"] is None
        else:
            found = answer["items"]
            answers.append(
                [
                    row["version"]
                    for row in found
                    if row.get("resourceId", row.get("resource")) == user["id"]
                ]
            )
            at, done = {"cursor": answer["nextCursor"]}, not answer["more"]
        if done:
            break
    told = [version for some in answers for version in some]
    assert [version for version in sorted(told) if version > 1] == list(range(2, len(sizes) + 2)), (
        "each comes once"
    )
    assert max(map(len, answers)) <= 7, answers


# ---- configuration of a workspace


def role(here: Here, number: int) -> httpx.Response:
    return here.post("/api/v1/roles", {"name": f"Role {number}", "permissions": [SCIM]})


def role_mapping(here: Here, number: int) -> httpx.Response:
    mapping = {"idpValue": f"v{number}", "role": {"role": "Auditor"}}
    return here.post("/api/v1/scim/role-mappings", mapping)


def webhook(here: Here, number: int) -> httpx.Response:
    return here.post("/api/v1/webhooks", {"url": f"https://{number}.example.com/"})


def custom_schema(here: Here, number: int) -> httpx.Response:
    return here.post("/api/v1/schemas", schema_of(f"Limited{number}", 1))


def resource_type(here: Here, number: int) -> httpx.Response:
    schema = schema_of(f"Type{number}", 1)
    here.post("/api/v1/schemas", schema)
    names = {"name": f"Type{number}", "endpoint": f"/Type{number}s"}
    return here.post("/api/v1/resource-types", {**names, "schema": schema["id"]})


def schema_of(name: str, attributes: int, subs: int = 0) -> dict:
    within = [{"name": f"s{n}"} for n in range(subs)]
    more = {"type": "complex", "subAttributes": within} if subs else {}
    return {
        "id": f"urn:example:params:scim:schemas:{name}",
        "name": name,
        "attributes": [{"name": f"a{n}", **more} for n in range(attributes)],
    }


CONFIGURED = [
    ("custom schemas", "muster.custom_schemas.schemas.MAX_SCHEMAS", custom_schema),
    ("custom resource types", "muster.custom_schemas.schemas.MAX_TYPES", resource_type),
    ("roles besides the built-in ones", "muster.access.roles._MAX_ROLES", role),
    ("role mappings", "muster.access.role_mappings._MAX_MAPPINGS", role_mapping),
    ("webhooks", "muster.events.webhooks.endpoints._MAX_WEBHOOKS", webhook),
]


@covers(*(what for what, _, _ in CONFIGURED))
@pytest.mark.parametrize(
    ("what", "constant", "create"), CONFIGURED, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_workspace_has_so_many_and_no_more(fresh_here, monkeypatch, what, constant, create):
    row = ROWS[what]
    module, _, name = constant.rpartition(".")
    assert f"{getattr(importlib.import_module(module), name):,}" == row.default
    monkeypatch.setattr(constant, 3)
    for number in range(3):
        assert create(fresh_here, number).status_code == 201, number
    refused = create(fresh_here, 3)
    assert refused.status_code == row.status, refused.text
    assert "at most 3 " in refused.json()["detail"]


@covers("attributes of a custom schema, and sub-attributes of each")
@pytest.mark.parametrize("nested", [False, True])
def test_a_custom_schema_has_so_many_attributes_and_no_more(fresh_here, nested):
    def schema(number: int) -> dict:
        return schema_of(f"S{number}", 1, number) if nested else schema_of(f"S{number}", number)

    assert fresh_here.post("/api/v1/schemas", schema(200)).status_code == 201
    refused = fresh_here.post("/api/v1/schemas", schema(201))
    assert refused.status_code == 400
    assert "200" in refused.json()["errors"][0]["detail"]


@covers("networks in the IP allowlist")
def test_an_allowlist_has_so_many_networks_and_no_more(fresh_here):
    def put(number: int) -> httpx.Response:
        blocks = ["127.0.0.0/8", *(f"10.{n // 250}.{n % 250}.0/24" for n in range(number - 1))]
        body = {"ipAllowlist": blocks}
        return fresh_here.ask("PATCH", "/api/v1/settings", content=json.dumps(body), headers=JSON)

    assert put(500).status_code == 200, put(500).text
    refused = put(501)
    assert refused.status_code == 400
    assert "500" in refused.text


@covers("resources that one undo changes", "changes since the beginning of an undo")
@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("resources that one undo changes", "MAX_RESOURCES"),
        ("changes since the beginning of an undo", "MAX_CHANGES"),
    ],
)
def test_an_undo_covers_so_much_and_no_more(fresh_here, monkeypatch, what, name):
    assert f"{getattr(rollback, name):,}" == ROWS[what].default
    key = fresh_here.ask("GET", "/api/v1/keys").json()["items"][0]["id"]
    since = clock.now()
    until = since + timedelta(hours=1)
    params = {"key": key, "since": since.isoformat(), "until": until.isoformat()}
    users = [fresh_here.user() for _ in range(3)]
    monkeypatch.setattr(rollback, name, 3)
    planned = fresh_here.ask("GET", "/api/v1/undo", params=params)
    assert {step["id"] for step in planned.json()["resources"]} == {user["id"] for user in users}
    fresh_here.user()
    refused = fresh_here.ask("GET", "/api/v1/undo", params=params)
    assert refused.status_code == ROWS[what].status
    assert "3" in refused.json()["detail"]


# ---- time


class Slow:
    """A request over ASGI that takes some `seconds` for each piece."""

    def __init__(
        self,
        here,
        method,
        path,
        body=b"",
        body_seconds=0.0,
        answer_seconds=0.0,
        headers=None,
        query="",
    ):
        self.here, self.body, self.body_seconds, self.answer_seconds = (
            here,
            body,
            body_seconds,
            answer_seconds,
        )
        given = {**here.headers, "host": "x", "content-type": "application/json", **(headers or {})}
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(key.encode(), value.encode()) for key, value in given.items()],
            "client": ("127.0.0.1", 1),
        }

    async def run(self) -> httpx.Response:
        sent = []

        async def receive():
            await asyncio.sleep(self.body_seconds)
            return {"type": "http.request", "body": self.body}

        async def send(message):
            if message["type"] == "http.response.body":
                await asyncio.sleep(self.answer_seconds)
            sent.append(message)

        await self.here.app(self.scope, receive, send)
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=content)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A service that gives bodies and forms half a second."""
    made = Here(
        f"sqlite:///{databases.migrated_file(tmp_path_factory.mktemp('hasty') / 'muster.db')}",
        body_seconds=0.5,
        form_seconds=0.5,
    )
    yield made
    made.close()


@covers("receiving a body of a request with a key")
def test_a_body_may_take_so_long_and_no_longer(hasty):
    def post(seconds):
        return hasty.runner.run(
            Slow(hasty, "POST", "/scim/v2/Users", json.dumps(person()).encode(), seconds).run()
        )

    assert post(0.2).status_code == 201
    before = hasty.latest_change()
    check_refused(ROWS["receiving a body of a request with a key"], post(0.8), "0.5 seconds")
    assert hasty.latest_change() == before


FORMS = (
    "receiving a form of the console; a form with a file, so many times longer as it may have"
    " megabytes"
)


@covers(FORMS)
def test_a_form_may_take_so_long_and_no_longer(hasty):
    def post(seconds):
        return hasty.runner.run(
            Slow(hasty, "POST", "/sign-in", b"csrf=x", seconds, headers=FORM).run()
        )

    assert post(0.2).status_code == 403, "it was read: its token is wrong"
    check_refused(ROWS[FORMS], post(0.8), "0.5 seconds")


@covers("sending one chunk of a streamed answer")
def test_a_piece_of_an_answer_may_take_so_long_and_no_longer(here, monkeypatch):
    monkeypatch.setattr("muster.http.wire.asgi.SEND_SECONDS", 0.5)
    monkeypatch.setattr("muster.http.wire.streaming._WHOLE", 10)
    made = here.made("/Groups", group(None, here.user()))

    def get(seconds):
        return here.runner.run(
            Slow(here, "GET", f"/scim/v2/Groups/{made['id']}", answer_seconds=seconds).run()
        )

    assert [member["value"] for member in get(0.2).json()["members"]] == [
        member["value"] for member in made["members"]
    ]
    with pytest.raises(TimeoutError):  # at which a server closes the connection
        get(0.8)
    assert here.app.service.streams.inside == 0


@covers("a long poll of the feed")
def test_a_long_poll_waits_so_long_and_no_longer(here):
    start = here.ask("GET", "/api/v1/changes", params={"cursor": "end"}).json()["cursor"]
    too_long = here.ask("GET", "/api/v1/changes", params={"cursor": start, "wait": 61})
    assert too_long.status_code == 400
    expected = "Expected at most 60, got 61."
    assert too_long.json()["errors"] == [{"pointer": "/wait", "detail": expected}]
    for asked in (0, 1):
        began = time.monotonic()
        answer = here.ask("GET", "/api/v1/changes", params={"cursor": start, "wait": asked})
        assert (answer.status_code, answer.json()["events"]) == (200, [])
        assert time.monotonic() - began >= asked


SCAN = "a search without an index; on PostgreSQL any statement"


@pytest.mark.slow
@covers(SCAN)
def test_a_search_may_take_so_long_and_no_longer(here, tmp_path):
    """PostgreSQL's timeout belongs to the connection, so this needs a service."""
    search = {
        "filter": " or ".join(f'title co "{n}" or name.familyName ew "{n}x"' for n in range(60)),
        "count": 0,
    }
    database = here.app.settings.database
    shared = not database.startswith("sqlite")
    # PostgreSQL searches faster, and its limit must leave the statements of a start their time.
    users, seconds = (3_000, 0.02) if shared else (400, 0.005)
    _load(here, users, title="x" * 100)
    assert here.ask("GET", "/Users", params=search).status_code == 200
    if not shared:
        # `here` may be in the middle of a transaction, which goes on only while its loop runs.
        database = f"sqlite:///{databases.migrated_file(tmp_path / 'muster.db')}"
    short = Here(database, scan_seconds=seconds)
    try:
        if not shared:
            _load(short, users, title="x" * 100)
        before = short.latest_change()
        check_refused(ROWS[SCAN], short.ask("GET", "/Users", params=search), "too much data")
        assert short.latest_change() == before
    finally:
        short.close()


RATE = "requests per minute per key"


@covers(RATE)
def test_a_key_may_ask_so_often_in_a_minute_and_no_more(tmp_path, clock):
    counting = Here(f"sqlite:///{databases.migrated_file(tmp_path / 'muster.db')}", rate_limit=5)
    try:
        statuses = [counting.ask("GET", "/Users?count=0").status_code for _ in range(5)]
        assert statuses == [200] * 5
        before = counting.latest_change()
        refused = counting.post("/Users", person())
        assert refused.status_code == ROWS[RATE].status
        assert "5 requests" in refused.text, refused.text
        assert counting.latest_change() == before
    finally:
        counting.close()


# ---- at a time


@contextlib.contextmanager
def taken(budget, number, caller):
    """So many places of a budget are taken, each by the caller of its number."""
    seats = [budget.enter(caller(n)) for n in range(number)]
    try:
        yield
    finally:
        for seat in seats:
            seat.leave()


def check_places(row, limit, ask, fill, says):
    """A request is answered while a place is free, and refused otherwise."""
    with fill(limit - 1):
        assert ask().status_code < 400
    with fill(limit):
        refused = ask()
        check_refused(row, refused, says)
        assert int(refused.headers["retry-after"]) > 0
    assert ask().status_code < 400


@covers("requests with a key")
def test_so_many_requests_with_a_key_are_in_flight_and_no_more(here):
    @contextlib.contextmanager
    def fill(number):
        here.app.service.in_flight += number
        try:
            yield
        finally:
            here.app.service.in_flight -= number

    row = dataclasses.replace(ROWS["requests with a key"], beyond="503")
    check_places(row, 1_000, lambda: here.post("/Users", person()), fill, "1000 at a time")


@covers("requests without a key or a session")
def test_so_many_requests_without_a_key_are_in_flight_and_no_more(here):
    def fill(number):
        return taken(here.app.service.anonymous, number, lambda n: f"192.0.2.{n}")

    row = ROWS["requests without a key or a session"]
    check_places(row, 200, lambda: here.ask("GET", "/sign-in"), fill, "200 requests")


@covers("of those, from one address or one IPv6 /64 network")
def test_so_many_requests_without_a_key_are_of_one_address_and_no_more(here):
    def fill(number):
        return taken(here.app.service.anonymous, number, lambda _: "127.0.0.1")

    row = ROWS["of those, from one address or one IPv6 /64 network"]
    check_places(row, 32, lambda: here.ask("GET", "/sign-in"), fill, "32 requests")


STREAMS = "streamed answers, in all and per workspace or administrator"


@covers(STREAMS)
@pytest.mark.parametrize(("limit", "own"), [(200, False), (25, True)])
def test_so_many_answers_are_sent_in_pieces_and_no_more(here, monkeypatch, limit, own):
    monkeypatch.setattr("muster.http.wire.streaming._WHOLE", 10)
    made = here.made("/Groups", group(None, here.user()))

    def fill(number):
        return taken(
            here.app.service.streams,
            number,
            lambda n: str(here.workspace.id) if own else f"other {n}",
        )

    check_places(
        ROWS[STREAMS],
        limit,
        lambda: here.ask("GET", f"/Groups/{made['id']}"),
        fill,
        f"{limit} answers",
    )


CHECKS = "requests of the console whose session is being checked, in all and from one address"


@covers(CHECKS)
@pytest.mark.parametrize(("limit", "own"), [(200, False), (32, True)])
def test_so_many_sessions_are_checked_at_a_time_and_no_more(here, limit, own):
    def fill(number):
        return taken(
            here.app.service.checks, number, lambda n: "127.0.0.1" if own else f"192.0.2.{n}"
        )

    check_places(
        ROWS[CHECKS], limit, lambda: here.ask("GET", "/sign-in"), fill, f"{limit} requests"
    )


def session_of(here):
    """Sign a new administrator in, and return them with the cookie of the session."""
    origin = ChangeOrigin("test", "r", "2026-01-01T00:00:00.000Z", "127.0.0.1")
    administrators = here.app.administrators
    address = name("admin")
    admin = here.runner.run(
        administrators.create(address, "correct horse battery", all_permissions(), origin)
    )
    token = here.runner.run(administrators.begin(admin, origin, "", admin))
    return admin, {"cookie": f"muster_session={token}"}


@pytest.mark.parametrize("cookie", ["", "muster_session=unknown"])
def test_slow_forms_without_a_session_keep_out_no_administrator_at_the_same_address(here, cookie):
    """An unknown session counts as none; slow forms end at MUSTER_FORM_SECONDS elsewhere."""
    _, session = session_of(here)
    service = here.app.service
    form = {"content-type": "application/x-www-form-urlencoded", "cookie": cookie}

    async def beside_slow_forms():
        slow = [
            asyncio.create_task(
                Slow(here, "POST", "/sign-in", b"a=", body_seconds=60, headers=form).run()
            )
            for _ in range(40)
        ]
        while service.anonymous.inside + sum(task.done() for task in slow) < 40:
            await asyncio.sleep(0)
        inside = service.anonymous.inside, service.checks.inside
        answers = [
            await here._client.get("/account", headers=headers)
            for headers in (session, {"cookie": cookie})
        ]
        refused = [(await task).status_code for task in slow if task.done()]
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return inside, [answer.status_code for answer in answers], refused

    assert here.runner.run(beside_slow_forms()) == ((32, 0), [200, 503], [503] * 8)
    assert service.anonymous.inside == 0


SESSIONS = "requests with a session of the console, in all and per administrator"


@covers(SESSIONS)
@pytest.mark.parametrize(("limit", "own"), [(400, False), (32, True)])
def test_so_many_requests_with_a_session_are_in_flight_and_no_more(here, limit, own):
    admin, session = session_of(here)

    def ask():
        return here.ask("GET", "/account", headers=session)

    def fill(number):
        return taken(here.app.service.sessions, number, lambda n: admin.id if own else f"other {n}")

    check_places(ROWS[SESSIONS], limit, ask, fill, f"{limit} requests")


WRITES = "waiting writes"


@covers(WRITES)
def test_so_many_writes_wait_and_no_more(here, monkeypatch):
    for engine in ("sqlite", "postgres"):
        monkeypatch.setattr(f"muster.storage.{engine}.writer.MAX_WAITING", 5)

    def at_once(number):
        async def posts():
            requests = [
                Slow(here, "POST", "/scim/v2/Users", json.dumps(person()).encode()).run()
                for _ in range(number)
            ]
            return await asyncio.gather(*requests)

        before = here.latest_change()
        answers = here.runner.run(posts())
        changes = here.runner.run(here.app.storage.changes(here.workspace.id, before, 100))
        return sorted(answers, key=lambda answer: answer.status_code), len(changes)

    def most(number, created):
        """Send so many at once, again if a write of the background took one of their places."""
        for _ in range(20):
            answers, changes = at_once(number)
            statuses = [answer.status_code for answer in answers]
            assert changes == statuses.count(201) <= created
            assert set(statuses) <= {201, 503}
            if changes == created:
                return answers
        pytest.fail(f"only {changes} of {number} writes waited")

    for number in (4, 5):
        most(number, number)
    answers = most(6, 5)
    check_refused(ROWS[WRITES], answers[-1], "at most 5")
    assert int(answers[-1].headers["retry-after"]) > 0


RECORDED = "requests that wait to be stored in the request log, and bytes of their bodies"


@covers(RECORDED)
def test_so_many_requests_wait_to_be_kept_and_no_more(here, monkeypatch):
    monkeypatch.setattr("muster.http.observe.recorder._WAITING", 5)
    recorder = here.app._recorder
    flush = recorder.flush

    async def wait():
        """Leave the requests waiting."""

    monkeypatch.setattr(recorder, "flush", wait)
    here.runner.run(asyncio.sleep(0.2))  # for a flush that was under way
    for number, lost in ((4, 0), (5, 0), (6, 1)):
        here.runner.run(flush())
        recorder.lost()
        for _ in range(number):
            here.user()
        assert (len(recorder._waiting), recorder.lost()) == (number - lost, lost)


# ---- every row

PAST = "changes since the moment of a past view of a user's groups"


ELSEWHERE = {
    "receiving the headers of a request": "tests/outside/test_limits.py::test_headers_may_take_so_long_and_no_longer",
    "lifetime of a cursor": "tests/http/scim/test_cursors.py::test_a_cursor_expires",
    "attempts to verify the password of a user": "tests/http/management/test_passwords.py::test_passwords_are_not_tried_without_end",
    "attempts to sign in, per name and per address; with a passkey, per address and counted apart": (
        "tests/console/pages/test_sign_in.py::test_sign_in_attempts_are_limited"
    ),
    "waiting searches without an index, in all; running and waiting, per workspace": (
        "tests/storage/query/test_turns.py::test_waiting_searches_are_bounded_per_workspace"
    ),
    "bytes of a CSV file to import": "tests/imports/test_table.py::test_a_file_has_so_many_bytes_and_no_more",
    "rows of a CSV file to import": "tests/imports/test_table.py::test_a_file_has_so_many_rows_and_no_more",
    "lines of a CSV file to import, blank ones included": "tests/imports/test_table.py::test_a_file_has_so_many_lines_and_no_more",
    "used and revoked invitations to one workspace whose links say why they do not work": "tests/access/test_invitations.py::test_so_many_ended_invitations_of_a_workspace_are_kept_and_no_more",
    "columns of a CSV file to import": "tests/imports/test_table.py::test_a_file_has_so_many_columns_and_no_more",
    "CSV imports that are stored": "tests/imports/test_store.py::test_a_workspace_keeps_so_many_imports_and_no_more",
    "protected users": "tests/access/test_protection.py::test_so_many_users_are_protected_and_no_more",
    "passkeys of an administrator": "tests/access/test_passkeys.py::test_an_administrator_has_a_limited_number_of_passkeys",
    "answering the challenge of a passkey": "tests/access/test_passkeys.py::test_a_challenge_works_once_for_one_purpose_in_one_place",
    "lifetime of an invitation": "tests/access/test_invitations.py::test_a_link_says_why_it_does_not_work",
    "pending invitations to one workspace, or to all workspaces; the command line may exceed it": (
        "tests/access/test_invitations.py::test_so_many_invitations_to_a_workspace_are_pending_and_no_more"
    ),
    "pending invitations of one administrator": (
        "tests/access/test_invitations.py::test_so_many_invitations_of_an_administrator_are_pending_and_no_more"
    ),
    "set-up links that work": "tests/access/test_setup_links.py::test_only_so_many_links_work_at_a_time",
    "set-up links that are over": "tests/access/test_setup_links.py::test_only_so_many_ended_links_are_kept",
    "bytes of the logo of the brand": "tests/http/platform/test_brand.py::test_a_logo_has_so_many_bytes_and_no_more",
    "days that usage figures are kept": "tests/upkeep/test_trimmer.py::test_links_that_are_over_and_old_usage_figures_are_deleted",
    "connections of a workspace": "tests/access/test_connections.py::test_a_workspace_has_a_bounded_number_of_connections",
    "active platform keys of the installation": "tests/access/test_platform_keys.py::test_an_installation_has_so_many_keys",
    PAST: "tests/directory/history/test_past.py::test_past_groups_are_refused_after_too_many_changes",
    RECORDED: "tests/http/observe/test_recorder.py::test_beyond_the_byte_limit_requests_are_recorded_without_bodies",
}
WAITED_FOR = {"connections", "connections to PostgreSQL"}
"""Nobody is refused beyond these, and everybody waits."""


def test_the_past_of_a_user_is_read_back_so_far_and_no_further():
    """It is refused beyond that: see `ELSEWHERE`."""
    assert f"{past.MAX_CHANGES:,}" == ROWS[PAST].default


def test_every_row_has_a_test():
    assert set(ROWS) == {*COVERED, *ELSEWHERE, *WAITED_FOR}
    for place in ELSEWHERE.values():
        module, _, function = place.partition("::")
        assert f"\ndef {function}(" in (ROOT / module).read_text(), place
