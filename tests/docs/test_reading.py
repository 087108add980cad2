"""The documentation in a browser: search, both themes, and nothing from elsewhere."""

import pytest
from tools.guide.__main__ import pack

from muster.http.guide import pages
from tests.console.browsing import Watched
from tests.docs.served import ListeningServer


@pytest.fixture
def served(site, tmp_path, monkeypatch):
    """A service with the documentation in it, whose proxy keeps the path of the public URL."""
    pack(site, tmp_path / "packed")
    monkeypatch.setattr(pages, "FOLDER", tmp_path / "packed")
    server = ListeningServer(tmp_path)
    server.environment["MUSTER_BASE_URL"] = f"{server.url}/idp"
    with server:
        yield f"{server.url}/idp"


@pytest.mark.xdist_group("site")
def test_a_reader_searches_in_the_theme_of_their_device_and_no_other_host_is_asked(
    served, chromium
):
    page = chromium.new_page(color_scheme="dark")
    watched = Watched(page)
    elsewhere = []
    page.on("request", lambda sent: sent.url.startswith(served) or elsewhere.append(sent.url))
    page.goto(f"{served}/docs/guide")
    assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
    page.keyboard.press("/")
    page.keyboard.type("hash chain", delay=20)
    for _ in range(100):  # the results are in a closed shadow tree, and a worker finds them
        page.keyboard.press("Enter")
        page.wait_for_timeout(200)
        if not page.url.endswith("/docs/guide/"):
            break
    assert not page.url.endswith("/docs/guide/")
    page.locator("article").wait_for()
    page.emulate_media(color_scheme="light")
    page.locator("body[data-md-color-scheme=default]").wait_for()
    assert watched.complaints == []
    assert elsewhere == []
