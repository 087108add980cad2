"""`make screenshots`: the pages of the console, as pictures in docs/images.

Every page of a workspace has a picture, or is listed in WITHOUT; a page that has neither fails the
command. Pictures that no longer belong to a page are deleted.
"""

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.console.browsing import invitation, launch
from tests.console.organisation import (
    BADGE,
    HOST,
    Organisation,
    Station,
    receivers,
    seeded_ids,
    stopped,
)
from tests.support import passwords

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
OTHERS = {"growth", "platform-memory"}
"""Pictures in the folder that are made elsewhere."""
OUTSIDE = {
    "administrators": "/administrators",
    "account": "/account",
    "second-factor": "/account/second-factor",
    "workspaces": "/workspaces",
}
"""Pages outside workspaces, for administrators."""
WITHOUT = {
    "/platform-keys": "a table like that of API keys",
    "/brand": "a form with three fields",
    "/w/{workspace}/palette": "part of every page",
    "/w/{workspace}/requests/live": "a stream",
    "/w/{workspace}/schemas/{urn}/remove": "a question before a removal",
    "/w/{workspace}/connect/{provider}": "shown by connect",
    "/sign-in/openid": "a redirect",
    "/sign-in/openid/callback": "a redirect",
    "/open-id-connector": "like that of a workspace",
    "/setup": "for people without an account; test_accessibility.py looks at each step",
    "/setup/{token}": "a redirect",
    "/brand/style.css": "a style sheet",
    "/brand/logo": "an image",
    "/": "a redirect",
    "/sign-in": "taken without a session",
    "/first": "taken without a session",
}
"""Pages without a picture, each with the reason. Files to download have none either."""


def pages(made):
    """The path of each page within the workspace, by the name of its picture."""
    refused = made.api.get("/requests", params={"status": "400", "limit": 1}).json()["items"][0]
    user, group = f"/users/{made.ids['user']}", f"/groups/{made.ids['group']}"
    webhook = f"/webhooks/{made.ids['webhook']}"
    badge = f"/schemas/{BADGE}"
    return {
        "overview": "",
        "users": "/users",
        "users-deleted": "/users/deleted",
        "users-selection": "/users/selection?action=deactivate&all=1&q=ma",
        "user": user,
        "user-new": "/users/new",
        "user-edit": f"{user}/edit",
        "user-groups": f"{user}/groups",
        "users-import": "/users/import",
        "import": f"/users/import/{made.ids['import']}",
        "protected-users": "/protected-users",
        "groups": "/groups",
        "groups-deleted": "/groups/deleted",
        "groups-selection": "/groups/selection?action=delete&all=1&q=contoso",
        "group": group,
        "group-new": "/groups/new",
        "group-edit": f"{group}/edit",
        "group-members": f"{group}/members",
        "role-mappings": "/role-mappings",
        "roles": "/roles",
        "role": "/roles/Help%20desk",
        "connect": "/connect",
        "connections": "/connections",
        "setup-links": "/setup-links",
        "connection": "/connections/default",
        "single-sign-on": "/open-id-connector",
        "requests": "/requests",
        "request": f"/requests/{refused['number']}",
        "audit": "/audit",
        "doctor": "/doctor",
        "undo": "/undo",
        "undo-review": made.link("/undo", "9 users deactivated"),
        "guard": "/guard",
        "keys": "/keys",
        "key": f"/keys/{made.ids['okta']}",
        "webhooks": "/webhooks",
        "webhook": webhook,
        "delivery": made.link(webhook, "user.deactivated"),
        "schemas": "/schemas",
        "schema": badge,
        "schema-new": "/schemas/new",
        "schema-edit": f"{badge}/edit",
        "resource-type": "/resource-types/Device",
        "resource-type-edit": "/resource-types/Device/edit",
        "resource-type-new": "/resource-types/new",
        "settings": "/settings",
        "workspace-administrators": "/administrators",
        "wipe": "/wipe",
    }


def missing(routes, paths):
    """The routes of pages of which no picture was taken."""
    taken = [path.partition("?")[0] for path in paths]
    found = []
    for route in routes:
        exact = re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(route.path))
        downloads = route.path.endswith((".csv", ".jsonl"))
        if route.method != "GET" or downloads or route.path in WITHOUT:
            continue
        if not any(re.fullmatch(exact, path) for path in taken):
            found.append(route.path)
    return found


class Camera:
    """Takes pictures with a browser in which the administrator is signed in."""

    def __init__(self, browser, cookies):
        self.context = browser.new_context(
            viewport=WIDE, locale="en-GB", timezone_id="UTC", reduced_motion="reduce"
        )
        self.context.add_cookies(
            [{"name": name, "value": value, "url": f"http://{HOST}"} for name, value in cookies]
        )
        self.page = self.context.new_page()
        self.taken = {}

    def take(self, name, path, scheme="light", size=None):
        self.page.set_viewport_size(size or WIDE)
        self.page.emulate_media(color_scheme=scheme)
        answer = self.page.goto(f"http://{HOST}{path}", wait_until="load")
        assert answer.status == 200, f"{path}: {answer.status}"
        self.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")
        self.taken[name] = path
        print(name, flush=True)


def take_all(browser, made):
    cookies = made.dana.http.cookies.items()
    camera, shown = Camera(browser, cookies), pages(made)
    for name, path in shown.items():
        camera.take(name, made.base + path)
    for name in ("overview", "users"):
        camera.take(f"{name}-dark", made.base + shown[name], "dark")
    for name in ("users", "requests"):
        camera.take(f"{name}-phone", made.base + shown[name], size=PHONE)
    for name, path in OUTSIDE.items():
        camera.take(name, path)
    camera.context.clear_cookies()
    camera.take("sign-in", "/sign-in")
    camera.take("first", invitation(made.server).removeprefix(made.server.url))
    return camera.taken


def main():
    passwords.make_cheap()
    with (
        tempfile.TemporaryDirectory() as folder,
        stopped() as clock,
        receivers(clock),
        seeded_ids(),
        Station(Path(folder)) as server,
    ):
        made = Organisation(server, clock).build()
        rule = f"--host-resolver-rules=MAP {HOST}:80 127.0.0.1:{server.listening}"
        with sync_playwright() as playwright:
            browser = launch(playwright, rule)
            taken = take_all(browser, made)
            browser.close()
        made.close()
    for path in IMAGES.glob("*.png"):
        if path.stem not in {*taken, *OTHERS}:
            path.unlink()
    if found := missing(server.app.service._site.routes, taken.values()):
        sys.exit(f"no picture: {' '.join(found)}")


if __name__ == "__main__":
    main()
