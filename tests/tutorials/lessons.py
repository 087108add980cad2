"""What the reader of each tutorial does in a browser, at which point of the page.

The browser acts by the words on the screen, as the page names them. Each act has the name of a
picture of the page, which it takes if there is a camera, or of a comment in the page.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.console.browsing import PASSWORD, invitation
from tests.support.ports import free_port
from tests.tutorials.reader import FIRST, Reader

ROOT = Path(__file__).parents[2]
Take = Callable[[str, Page], None]
_SOON = 60_000


class Lesson:
    """A tutorial, its reader and their browser.

    Args:
        server: A server with an empty database, that may send webhooks to this machine.
        browser: A browser.
        folder: An empty folder.
        take: Takes a picture by its name.
    """

    page = ""
    terminals: tuple[str, ...] = (FIRST,)
    files_in = FIRST
    product_port = 0
    """The port of the reader's own product; 0 for a free one."""

    def __init__(self, server, browser, folder, take: Take = lambda *_: None, **options):
        self.server = server
        self.take = take
        self.folder = folder
        context = browser.new_context(**options)
        self.context, self.browser = context, context.new_page()
        self.product_port = self.product_port or free_port()
        source = folder / "muster"
        source.mkdir()
        (source / ".venv").symlink_to(sys.prefix)
        (source / "examples").symlink_to(ROOT / "examples")
        (folder / "home").mkdir()
        self.source = source

    def follow(self) -> None:
        """Follow the page to its end."""
        self.reader = Reader(
            self.page,
            dict.fromkeys(self.terminals, self.source),
            self.instead(),
            {**self.typed(), **self._addresses()},
            self.act,
            self.files_in,
            HOME=str(self.folder / "home"),
            PATH=f"{sys.prefix}/bin:{os.environ['PATH']}",
            MUSTER_DATABASE=self.server.environment["MUSTER_DATABASE"],
        )
        self.reader.follow()
        self.context.close()

    def _addresses(self) -> Mapping[str, Callable[[], str]]:
        ours = self.product_port
        return {
            "http://127.0.0.1:8080": lambda: self.server.url,
            "127.0.0.1:8000": lambda: f"127.0.0.1:{ours}",
            "127.0.0.1:8001": lambda: f"127.0.0.1:{ours}",
            "--port 8000": lambda: f"--port {ours}",
            "noreload 8001": lambda: f"noreload {ours}",
        }

    def instead(self) -> Mapping[str, Callable[[], str]]:
        """Return the acts that stand for blocks."""
        return {}

    def typed(self) -> Mapping[str, Callable[[], str]]:
        """Return the texts that the reader replaces."""
        return {}

    def act(self, act: str) -> None:
        """Do what the page says at a picture or a comment, in the browser."""
        getattr(self, act.replace("-", "_"))()

    def started(self) -> str:
        """The output of `make serve`."""
        return "".join(self.server.greeting)

    def first_key(self) -> str:
        """The API key in it."""
        return re.search(r"shown again:\n +(\S+)", self.started())[1]

    def sign_in(self) -> None:
        """Create an administrator by a link, as in the first tutorial."""
        self.browser.goto(invitation(self.server))
        self._create_account()

    def _create_account(self) -> None:
        self.browser.get_by_label("E-mail").fill("you@example.com")
        self.browser.get_by_label("Password").fill(PASSWORD)
        self.browser.get_by_role("button", name="Create account").click()
        expect(self.browser.locator("h1")).to_have_text("Overview")

    def open(self, text: str) -> None:
        """Select a page in the menu."""
        self.browser.locator("#sidebar").get_by_role("link", name=text, exact=True).click()

    def enter(self, workspace: str) -> None:
        """Choose a workspace."""
        self.browser.goto(f"{self.server.url}/w/{workspace}")

    def select(self, text: str) -> None:
        """Select a link in the main part of the page."""
        self.browser.locator("main").get_by_role("link", name=text).first.click()

    def press(self, text: str) -> None:
        """Press a button in the main part of the page."""
        self.browser.locator("main").get_by_role("button", name=text, exact=True).first.click()

    def sees(self, text: str) -> None:
        """Wait for a text on the page."""
        shown = self.browser.get_by_text(text).locator("visible=true")
        expect(shown.first).to_be_visible(timeout=_SOON)

    def copied(self, row: str) -> str:
        """Copy the value of a row of the page."""
        cell = self.browser.get_by_role("row", name=row).locator(".copyable")
        return cell.inner_text()


class FirstUser(Lesson):
    page = "first-user"

    def instead(self):
        return {"make serve": self.started}

    def typed(self):
        return {"PASTE-THE-KEY": self.first_key}

    def first_user(self):
        link = re.search(r"http\S+/first\?token=\S+", self.started())[0]
        self.browser.goto(link)
        self._create_account()
        self.open("Users")
        self.select("Barbara Jensen")
        self.sees("Deactivated by")
        self.take("first-user", self.browser)

    def restore(self):
        self.browser.reload()
        self.browser.locator("summary", has_text="Restore").first.click()
        self.press("Restore Barbara Jensen")
        self.sees("Inactive")


class ConnectOkta(Lesson):
    page = "connect-okta"

    def typed(self):
        return {"PASTE-THE-KEY": lambda: self.key}

    def okta_key(self):
        self.sign_in()
        self.open("Connect a provider")
        self.select("Okta")
        self.press("Create API key")
        self.sees("Copy this key now")
        self.take("okta-key", self.browser)
        self.key = self.copied("Authorization (Bearer)")
        assert self.copied("SCIM connector base URL") == f"{self.server.url}/scim/v2"

    def okta_check(self):
        self.sees("Connected. GET /Users returned 200")
        self.sees("Attempts without a valid key")
        self.browser.get_by_text("Live check").scroll_into_view_if_needed()
        self.take("okta-check", self.browser)

    def okta_users(self):
        self.open("Groups")
        self.select("Engineering")
        self.sees("Grace Hopper")
        self.open("Users")
        self.select("Grace Hopper")
        self.sees("Deactivated by key")
        self.open("Users")
        self.sees("Ada King")
        self.take("okta-users", self.browser)


class ConnectEntra(Lesson):
    page = "connect-entra"

    def typed(self):
        return {
            "PASTE-THE-KEY": self.first_key,
            "PASTE-THE-CLIENT-ID": lambda: self.client[0],
            "PASTE-THE-CLIENT-SECRET": lambda: self.client[1],
        }

    def entra_client(self):
        link = json.loads((self.source / "link.json").read_text())
        self.browser.goto(link["url"])
        self.press("Create an OAuth client")
        self.sees("You won't see it again")
        self.take("entra-client", self.browser)
        self.client = self.copied("Client identifier"), self.copied("Client secret")
        self.press("Continue")
        self.press("Continue")

    def entra_test(self):
        self.sees("Connected.")
        self.take("entra-test", self.browser)
        self.press("Continue")

    def finish(self):
        self.sees("2 users have arrived")
        self.sees("Alan Turing")
        self.press("Finish")
        self.sees("is connected")


class UndoABadSync(Lesson):
    page = "undo-a-bad-sync"

    def undo_overview(self):
        self.sign_in()
        self.enter("accident")
        self.sees("10 users lost access")
        self.take("undo-overview", self.browser)
        self.open("Users")
        self.select("Annie Bauer")
        self.sees('Deactivated by key "okta"')

    def undo_events(self):
        self.open("Rollback")
        self.sees("10 users deactivated")
        self.take("undo-events", self.browser)
        self.select("Review the deactivations")

    def undo_review(self):
        self.sees("10 resources")
        self.browser.get_by_text("Select none").scroll_into_view_if_needed()
        self.browser.mouse.wheel(0, 300)
        self.take("undo-review", self.browser)
        self.press("Roll back selected…")
        self.press("Roll back 10 resources")
        self.sees("Rolled back 10 resources")

    def undo_guard(self):
        self.open("Guard")
        self.sees("Reject all 5")
        self.take("undo-guard", self.browser)
        self.browser.locator("summary", has_text="Reject all 5").click()
        self.press("Reject all 5")
        self.sees("No changes to review")


class AThousandCustomers(Lesson):
    page = "a-thousand-customers"
    terminals = (FIRST, "muster")
    number = 12
    """The customers that the reader signs up; a thousand take a while."""

    def typed(self):
        return {
            "PASTE-THE-PLATFORM-KEY": self.platform_key,
            "PASTE-THE-KEY-OF-THE-LINK": lambda: self.key,
            "python thousand.py 1000": lambda: f"python thousand.py {self.number}",
            "100 of 1000\n200 of 1000\n…\n1000 of 1000": lambda: f"{self.number} of {self.number}",
        }

    def platform_key(self):
        return self.server.muster("keys", "create", "--platform", "--name", "reader").stdout.strip()

    def thousand_setup(self):
        link = (self.folder / "home" / "signup" / "link.txt").read_text().strip()
        self.browser.goto(link)
        self.press("Okta")
        self.press("Create an API key")
        self.sees("You won't see it again")
        self.take("thousand-setup", self.browser)
        self.key = self.copied("Authorization (Bearer)")

    def thousand_workspaces(self):
        self.sign_in()
        self.browser.goto(f"{self.server.url}/workspaces")
        self.sees("customer-0001")
        self.take("thousand-workspaces", self.browser)


class WithProduct(Lesson):
    terminals = (FIRST, "muster", "product")
    files_in = "product"

    def instead(self):
        return {
            "MUSTER_WEBHOOKS_PRIVATE=true make serve": self.started,
            "export DIRECTORY_URL": self.paste,
        }

    def paste(self):
        """Paste the three lines of the other terminal."""
        self.reader.shells["product"].run(self.reader.shells["muster"].said)
        return ""


class FastApi(WithProduct):
    page = "fastapi"

    def fastapi_webhook(self):
        self.sign_in()
        self.enter("product")
        self.open("Webhooks")
        self.select("127.0.0.1")
        self.sees("user.deactivated")
        self.take("fastapi-webhook", self.browser)


class Django(WithProduct):
    page = "django"

    def django_people(self):
        self.browser.goto(f"http://127.0.0.1:{self.product_port}/")
        self.browser.get_by_label("User name").fill("ada@example.com")
        self.browser.get_by_role("button", name="Sign in").click()
        self.sees("Grace Hopper")
        self.browser.set_viewport_size({"width": 640, "height": 240})
        self.take("django-people", self.browser)

    def signed_out(self):
        self.browser.reload()
        self.browser.get_by_label("User name").fill("ada@example.com")
        self.browser.get_by_role("button", name="Sign in").click()
        self.sees("You are not a user of this product")


LESSONS = (
    FirstUser,
    ConnectOkta,
    ConnectEntra,
    AThousandCustomers,
    FastApi,
    Django,
    UndoABadSync,
)
