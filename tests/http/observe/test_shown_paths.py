"""The token in the address of a set-up link is in no log."""

from types import SimpleNamespace

import pytest

from muster.console.pages.setup import SetupPages
from muster.http.observe.shown_paths import without_token


@pytest.mark.parametrize(
    "path", ["/setup/3q2-7wEvS0", "/setup/3q2-7wEvS0/x", "/setup/3q2-7wEvS0?a"]
)
def test_the_token_of_a_set_up_link_is_masked(path):
    assert without_token(path) == "/setup/•••"


@pytest.mark.parametrize("path", ["/setup", "/setups/x", "/scim/v2/Users/setup/x"])
def test_other_paths_stay(path):
    assert without_token(path) == path


def test_each_form_of_the_page_keeps_its_name():
    pages = SetupPages(SimpleNamespace(storage=None))
    forms = [route.path for route in pages if route.method == "POST"]
    assert forms
    assert list(map(without_token, forms)) == forms
