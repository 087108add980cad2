"""Every page of the console: axe-core, open questions and dialogs, and no overflow at any width."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.console.browsing import invitation, launch
from tests.console.organisation import HOST, Organisation, Station, receivers, stopped
from tests.console.screenshots import OUTSIDE, missing, pages

PARTS = 5
WIDTHS = {1440: "light", 768: "light", 390: "dark"}
WIDEST = """[...document.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.tagName + "." + e.className).slice(0, 8).join(" ")"""
"""What lies beyond the right edge."""
AXE = Axe()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An organisation with something on every page."""
    folder = tmp_path_factory.mktemp("organisation")
    with stopped() as clock, receivers(clock), Station(folder) as server:
        organisation = Organisation(server, clock).build()
        yield organisation
        organisation.close()


@pytest.fixture(scope="module")
def paths(made):
    """The path of every page, by the name of its picture."""
    inside = {name: made.base + path for name, path in pages(made).items()}
    more = {
        "unknown": "/nothing",
        "used": "/first?token=unknown",
        "month": f"{made.base}?range=30d",
    }
    return inside | OUTSIDE | more


@pytest.fixture(scope="module")
def chromium(made):
    rule = f"--host-resolver-rules=MAP {HOST}:80 127.0.0.1:{made.server.listening}"
    with sync_playwright() as playwright:
        browser = launch(playwright, rule)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(chromium, made):
    """A page of the administrator; axe needs scripts that the policy forbids."""
    context = chromium.new_context(bypass_csp=True, reduced_motion="reduce")
    cookies = made.dana.http.cookies.items()
    context.add_cookies(
        [{"name": name, "value": value, "url": f"http://{HOST}"} for name, value in cookies]
    )
    return context.new_page()


def violations(page, scope=None):
    """What axe finds: the rule, and the first elements."""
    found = AXE.run(page, context=scope).response["violations"]
    return [(one["id"], [node["html"][:150] for node in one["nodes"]][:2]) for one in found]


def too_wide(page):
    """What lies beyond the right edge, if anything does."""
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [("wide", wide, page.evaluate(WIDEST))] if wide > 0 else []


@pytest.mark.slow
def test_every_page_has_a_path(made, paths):
    assert missing(made.server.app.service._site.routes, paths.values()) == []


@pytest.fixture(scope="module")
def asked():
    """The questions that were opened, by width: the rows of a table ask the same one."""
    return {}


def questions(page, name, asked):
    """Open each new question of a page. Returns what is wrong with it."""
    found = []
    for question in page.locator("details.confirm").all():
        label = (name.partition("-")[0], question.locator("summary").inner_text())
        if label in asked:
            continue
        asked.add(label)
        question.locator("summary").click()
        found += [(*label, *one) for one in too_wide(page)]
        found += [(*label, *one) for one in violations(page, "details[open].confirm")]
        page.keyboard.press("Escape")
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_pages_at_each_width_in_light_and_dark(page, paths, asked, part):
    found = []
    for name in sorted(paths)[part::PARTS]:
        page.set_viewport_size({"width": 1440, "height": 900})
        page.emulate_media(color_scheme="light")
        page.goto(f"http://{HOST}{paths[name]}")
        for width, scheme in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            found += [(name, width, *one) for one in too_wide(page)]
            if width != 768:
                found += [(name, width, *one) for one in violations(page)]
                found += questions(page, name, asked.setdefault(width, set()))
    assert found == []
    assert asked.keys() == {1440, 390}
    assert all(asked.values()), "no question was found"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dialogs(page, paths, scheme):
    page.set_viewport_size({"width": 390, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"http://{HOST}{paths['overview']}")
    page.keyboard.press("Control+k")
    page.keyboard.type("ma")
    page.locator("#palette [role=option]").nth(3).wait_for()
    found = too_wide(page) + violations(page, "#palette")
    page.keyboard.press("Escape")
    page.locator("#palette").wait_for(state="hidden")
    page.keyboard.press("?")
    page.locator("#shortcuts").wait_for()
    assert found + too_wide(page) + violations(page, "#shortcuts") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_before_the_sign_in(chromium, made, scheme):
    context = chromium.new_context(bypass_csp=True, color_scheme=scheme)
    page, found = context.new_page(), []
    for path in ("/sign-in", invitation(made.server).removeprefix(made.server.url)):
        page.goto(f"http://{HOST}{path}")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found += too_wide(page)
            found += violations(page)
    context.close()
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_steps_of_a_set_up(chromium, made, scheme):
    connection = made.api.post("/connections", json={"name": f"New in the {scheme}"}).json()
    body = {"returnUrl": "https://app.example/", "connection": connection["id"]}
    link = made.api.post("/setup-links", json=body).json()
    context = chromium.new_context(bypass_csp=True, color_scheme=scheme)
    page, found = context.new_page(), []

    def look():
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found.extend(too_wide(page) + violations(page))

    def press(button):
        with page.expect_navigation():  # otherwise it may be the page before that is looked at
            page.click(button)
        look()

    page.goto(f"http://{HOST}/setup/{link['url'].rpartition('/')[2]}")
    look()
    press("text=Microsoft Entra ID")
    press("button:has-text('Create an OAuth client')")
    for button in ("Continue", "Continue", "Continue", "Finish"):
        press(f"button:has-text('{button}')")
    page.goto(f"http://{HOST}/setup/unknown")
    look()
    context.close()
    assert found == []
