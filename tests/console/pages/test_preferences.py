"""The theme of the console."""

import pytest


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_kept(root, theme):
    root.get("/account")
    answer = root.post("/theme", theme=theme, to="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert f'<html lang="en" data-bs-theme="{theme}">' in root.get("/account").text
    root.post("/theme", theme="", to="/account")
    assert '<html lang="en">' in root.get("/account").text


@pytest.mark.parametrize("to", ["//example.com", "https://example.com", "/\\example.com", ""])
def test_the_theme_leads_nowhere_else(root, to):
    root.get("/account")
    assert root.post("/theme", theme="", to=to).headers["location"] == "/"


def test_an_unknown_theme_is_that_of_the_device(root):
    root.get("/account")
    root.post("/theme", theme='"><script>', to="/account")
    assert '<html lang="en">' in root.get("/account").text
