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


def invitation(server):
    """A link for an administrator of the installation."""
    return server.muster("admins", "invite").stdout.strip()


def launch(playwright):
    """A started Chromium."""
    program = os.environ.get("MUSTER_TEST_CHROMIUM") or _program(
        playwright.chromium.executable_path
    )
    return playwright.chromium.launch(executable_path=program, args=_FLAGS)


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
