"""Cookies and forms are parsed in linear time, within limits."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.console.web import _browser, _in_words, _moments, read_cookies
from muster.http.wire.message import MAX_HEADER
from muster.scim.errors import ScimError

NAMES = st.text("abcXYZ_-!", min_size=1, max_size=8)
VALUES = st.text("abc123=+/_-\\%", max_size=12)


@given(
    st.dictionaries(NAMES, VALUES, max_size=6), st.sampled_from(["; ", ";", " ; "]), st.booleans()
)
def test_cookies_round_trip(cookies, joined, quoted):
    pairs = [
        f'{name}="{value}"' if quoted else f"{name}={value}" for name, value in cookies.items()
    ]
    assert {
        name: value for name, value in read_cookies(joined.join(pairs)).items() if name
    } == cookies


@given(st.text(st.characters(max_codepoint=255), max_size=200))
def test_any_cookie_header_is_parsed(header):
    assert all(isinstance(value, str) for value in read_cookies(header).values())


def test_the_first_cookie_of_a_name_wins():
    assert read_cookies("a=1; a=2; b") == {"a": "1", "b": ""}


def test_long_cookie_headers_are_rejected():
    assert read_cookies("a=" + "x" * (MAX_HEADER - 2))["a"].startswith("x")
    with pytest.raises(ScimError) as refused:
        read_cookies("a=" + "x" * (MAX_HEADER - 1))
    assert (refused.value.status, refused.value.detail) == (
        431,
        "The cookies are 16,385 bytes long; the limit is 16,384.",
    )


@pytest.mark.parametrize("filler", ["\\", '"', ";", "=", "a=b;", '"\\', ","])
@pytest.mark.parametrize("path", ["/sign-in", "/", "/w/default/users", "/first"])
def test_malformed_cookies_are_answered(server, path, filler):
    for length in (1_000, MAX_HEADER - 100, MAX_HEADER + 100, 60_000):
        value = 'muster_session="' + filler * (length // len(filler)) + '"'
        answer = httpx.get(f"{server.url}{path}", headers={"Cookie": value})
        assert answer.status_code in ((200, 303, 403, 410) if length < MAX_HEADER else (431,))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("code: wrong code. Enter another", "Wrong code. Enter another"),
        ("old: wrong password", "Current password: wrong password"),
        ("expires: must be in the future", "Expires: must be in the future"),
        ("rateLimit: enter a whole number", "Requests per minute: enter a whole number"),
        ("Too many attempts. Try again: later", "Too many attempts. Try again: later"),
        ("", ""),
    ],
)
def test_an_error_names_its_field_by_the_label(error, words):
    assert _in_words(error) == words


def test_moments_in_a_text_are_marked_for_the_zone_of_the_reader():
    marked = _moments("<b> was reactivated at 2026-11-30 20:25 UTC.")
    time = '<time datetime="2026-11-30T20:25:00Z" data-moment="minute">2026-11-30 20:25 UTC</time>'
    assert marked == f"&lt;b&gt; was reactivated at {time}."


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like"
            " Gecko) Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
            " Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1",
            "Chrome on iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("my-script 1.0", "my-script 1.0"),
    ],
)
def test_a_browser_is_named_in_words(agent, words):
    assert _browser(agent) == words
