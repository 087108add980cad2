"""A browser for the readers of tutorials."""

import pytest

from tests.console.browsing import launch


@pytest.fixture
def chromium():
    """A browser that needs no server of the suite."""
    from playwright.sync_api import sync_playwright  # takes 0.2 s

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
