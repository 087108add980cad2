"""Browsers for the tests: HTTP with a cookie jar, and Chromium."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

import httpx

from muster.access.workspaces import find_workspace
from tests.support.invitations import invite
from tests.support.people import name

PASSWORD = "correct horse battery staple"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Visitor:
    """A browser without JavaScript: an HTTP client with cookies."""

    def __init__(self, server, **headers):
        self.server = server
        self.http = httpx.Client(
            base_url=server.url, timeout=30, headers={"Accept": "text/html,*/*;q=0.8", **headers}
        )
        self.csrf = ""

    def get(self, path, /, **parameters):
        answer = self.http.get(path, params=parameters or None)
        found = re.search(r'name="csrf" value="([^"]*)"', answer.text)
        if found:
            self.csrf = unescape(found[1])
        return answer

    def post(self, path, /, csrf=None, headers=None, **fields):
        data = {"csrf": self.csrf if csrf is None else csrf, **fields}
        return self.http.post(path, data=data, headers=headers)

    def submit(self, path, /, **fields):
        """Return the page after a form: the target of the redirect, if any."""
        answer = self.post(path, **fields)
        return self.get(answer.headers["location"]) if answer.status_code == 303 else answer

    def stamp(self, path):
        """Return the stamp of a form: of the values that it shows."""
        return re.search(r'name="seen" value="([^"]*)"', self.get(path).text)[1]

    def accept(self, link, email):
        """Become an administrator by a link."""
        path = link.removeprefix(self.server.url)
        assert self.get(path).status_code == 200
        answer = self.post(
            "/first", token=path.partition("token=")[2], email=email, password=PASSWORD
        )
        assert answer.status_code == 303, answer.text
        return self

    def close(self):
        self.http.close()


class Watched:
    """A page that records the errors of its console."""

    def __init__(self, page):
        self.page = page
        self.complaints = []
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type == "error" else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


class Hand:
    """Acts on a page by the words on the screen, and counts its clicks.

    A word that names two things on the screen fails the test, because a reader may choose the
    wrong one. Typing into a field that has no focus counts as a click into it.

    Args:
        page: The page of a browser.
        most: The clicks that the task may take.
    """

    def __init__(self, page, most=10):
        self.page = page
        self.most = most
        self.clicks = 0

    def click(self, text, within=None):
        """Click a link, a button, a summary or a choice whose words begin with whole words."""
        self._count(text)
        scope = self.page.locator(within) if isinstance(within, str) else within or self.page
        # "Connect" is not "Connections". The words of a next element follow without a space.
        words = re.compile(rf"^\s*{re.escape(text)}(?![a-z])")
        scope.locator("a:visible, button:visible, summary:visible, label:visible").filter(
            has_text=words
        ).click()

    def type(self, label, text):
        """Type into a field, by its label."""
        field = self.page.get_by_label(label).locator("visible=true")
        if not field.evaluate("field => field === document.activeElement"):
            self._count(label)
        field.fill(text)

    def choose(self, label, option):
        """Choose an option of a list: a click that opens it, and one on the option."""
        self._count(f"{label}: {option}")
        self._count(option)
        self.page.get_by_label(label).locator("visible=true").select_option(option)

    def _count(self, doing):
        self.clicks += 1
        assert self.clicks <= self.most, f"more than {self.most} clicks, at {doing!r}"

    def copied(self):
        """Return the text in the clipboard."""
        return self.page.evaluate("navigator.clipboard.readText()")


def invitation(server, roles=None, person=""):
    """A link for an administrator: of the installation unless roles are given."""
    token = server.administer(lambda storage: invite(storage, roles, person))
    return f"{server.url}/first?token={token}"


def invited(server, workspace, *permissions):
    """An administrator of one workspace, with some permissions."""
    number = server.administer(lambda storage: find_workspace(storage, workspace)).id
    link, email = invitation(server, {str(number): list(permissions)}, "Sam"), name("admin")
    made = Visitor(server).accept(link, email)
    made.email = email
    return made


def launch(playwright, *more):
    """A started Chromium; more flags are added."""
    program = os.environ.get("MUSTER_TEST_CHROMIUM") or _program(
        playwright.chromium.executable_path
    )
    return playwright.chromium.launch(executable_path=program, args=[*_FLAGS, *more])


def _program(own):
    """Return a Chromium: Playwright's, Debian's, or one that is installed now."""
    for attempt in range(2):
        for program in (
            own,
            shutil.which("chromium"),
            shutil.which("chromium-browser"),
            shutil.which("google-chrome"),
        ):
            if program and os.path.exists(program):
                return program
        if attempt == 0:
            _install()
    raise AssertionError(
        "there is no Chromium: 'playwright install chromium' or 'apt-get install chromium' brings one"
    )


def _install():
    """Install Playwright's browser, or else Debian's; one test process at a time."""
    with (Path(tempfile.gettempdir()) / "muster-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shutil.which("chromium"):
            return
        subprocess.run(
            [sys.executable, "-m", "playwright", "install", "chromium"],
            check=False,
            capture_output=True,
            timeout=120,
        )
        if shutil.which("apt-get") and os.geteuid() == 0:
            for arguments in (["update", "-qq"], ["install", "-y", "-qq", "chromium"]):
                subprocess.run(
                    ["apt-get", *arguments], check=False, capture_output=True, timeout=250
                )
