"""Every page of the console with several pages of data and every filter set."""

import html
import itertools
import re
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.support.people import group, person, replace
from tests.support.tenant import Tenant

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
MANY = 120
_TEXTS = {
    "path": "/Users",
    "resource": "x",
    "q": "a",
    "filter": 'userName sw "a"',
    "actor": "key:",
    "type": "User",
    "action": "create",
}


class Page(HTMLParser):
    """The links and GET forms of a page; a form has values to try for each field."""

    def __init__(self, text):
        super().__init__()
        self.links, self.forms, self._form, self._select = set(), [], None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag == "form":
            self._form = (given.get("action"), {}) if given.get("method", "get") == "get" else None
            if self._form:
                self.forms.append(self._form)
        elif self._form and tag == "input" and given.get("name"):
            self._form[1][given["name"]] = {
                given.get("value") or "",
                _TEXTS.get(given["name"], given.get("value") or ""),
            }
        elif tag == "select" and self._form:
            self._select = self._form[1].setdefault(given["name"], set())
        elif tag == "option" and self._select is not None:
            self._select.add(given.get("value", ""))

    def handle_endtag(self, tag):
        self._form = None if tag == "form" else self._form
        self._select = None if tag == "select" else self._select

    def asked(self):
        """Yield URLs of each form: with all fields set, and with each value alone."""
        for action, fields in self.forms:
            choices = {name: sorted(values) for name, values in fields.items()}
            first = {key: values[0] for key, values in choices.items()}
            yield f"{action}?{urlencode({key: values[-1] for key, values in choices.items()})}"
            for key, values in choices.items():
                yield from (f"{action}?{urlencode({**first, key: value})}" for value in values)


@pytest.fixture(scope="module")
def filled(server):
    """A workspace with more than a page of everything."""
    with Tenant(server) as tenant:
        operations = [
            {"method": "POST", "bulkId": str(n), "path": "/Users", "data": person(f"a{n}")}
            for n in range(MANY)
        ]
        made = tenant.scim.post("/Bulk", json={"schemas": [BULK], "Operations": operations}).json()
        users = [
            {"id": operation["location"].rpartition("/")[2]} for operation in made["Operations"]
        ]
        tenant.scim.post("/Groups", json=group("all", *users)).raise_for_status()
        more = [
            {
                "method": "POST",
                "bulkId": str(n),
                "path": "/Groups",
                "data": group(f"g{n}", users[0]),
            }
            for n in range(MANY)
        ]
        tenant.scim.post("/Bulk", json={"schemas": [BULK], "Operations": more}).raise_for_status()
        for number in range(MANY):
            tenant.scim.patch(
                f"/Users/{users[0]['id']}", json=replace("title", f"t{number}")
            ).raise_for_status()
        tenant.scim.post("/Users", json=person("a1"))
        tenant.recorded(MANY + 3)
        yield tenant


def shape(url):
    """A URL without its values: pages of one shape need no second look."""
    parts = urlsplit(url)
    path = re.sub(r"/(users|groups|requests|keys)/[^/]+", r"/\1/{}", parts.path)
    return path, tuple(
        (key, bool(value)) for key, value in parse_qsl(parts.query, keep_blank_values=True)
    )


@pytest.mark.slow
def test_every_page_and_every_filter_with_two_pages_of_data(root, filled):
    """Follows every link and asks every form, three of each shape."""
    start = f"/w/{filled.name}"
    user = filled.scim.get("/Users", params={"filter": 'userName eq "a0"'}).json()["Resources"][0][
        "id"
    ]
    all_of_them = filled.scim.get("/Groups", params={"filter": 'displayName eq "all"'}).json()[
        "Resources"
    ][0]["id"]
    waiting, seen, counted = (
        [start, f"{start}/users/{user}", f"{start}/groups/{all_of_them}"],
        set(),
        {},
    )
    while waiting:
        url = waiting.pop(0)
        shaped = shape(url)
        if (
            url in seen
            or counted.get(shaped, 0) >= 3
            or not urlsplit(url).path.startswith(start)
            or "/live" in url
        ):
            continue
        seen.add(url)
        counted[shaped] = counted.get(shaped, 0) + 1
        answer = root.http.get(url)
        assert answer.status_code == 200, (url, answer.text[-300:])
        if "text/html" in answer.headers["content-type"]:
            page = Page(answer.text)
            waiting += sorted(page.links | set(page.asked()))
    names = {
        (path.removeprefix(start), key) for path, query in counted for key, value in query if value
    }
    for wanted in (
        ("/requests", "before"), ("/audit", "before"), ("/users", "cursor"), ("/groups", "cursor"), ("/users/{}", "before"),
        ("/groups/{}", "members"), ("/requests", "path"), ("/requests", "status"), ("/requests", "key"), ("/audit", "action"),
    ):  # fmt: skip
        assert wanted in names, wanted


def test_the_second_page_of_requests_keeps_every_filter(root, filled):
    keys = re.findall(
        r'<option value="([0-9a-f]{16})"', root.get(f"/w/{filled.name}/requests").text
    )
    resource = filled.scim.get("/Users", params={"filter": 'userName eq "a0"'}).json()["Resources"][
        0
    ]["id"]
    for status, path, key, chosen in itertools.product(
        ("", "2"), ("", "/Users"), ("", keys[0]), ("", resource)
    ):
        asked = {"status": status, "path": path, "key": key, "resource": chosen}
        first = root.get(f"/w/{filled.name}/requests", **asked)
        older = html.unescape(re.search(r'href="([^"]*before=[^"]*)"', first.text)[1])
        assert (
            dict(parse_qsl(urlsplit(older).query)).items()
            >= {name: value for name, value in asked.items() if value}.items()
        )
        second = root.http.get(older)
        assert second.status_code == 200
        numbers = [set(re.findall(r"/requests/(\d+)", answer.text)) for answer in (first, second)]
        assert all(numbers)
        assert not numbers[0] & numbers[1]
