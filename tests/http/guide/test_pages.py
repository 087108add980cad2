"""The documentation at /docs/guide/: links, caching, compression, and a checkout without a site."""

import asyncio
import gzip
import hashlib
import json
from types import SimpleNamespace

import httpx
import pytest

from muster.http.guide.pages import DEEPEST, MANIFEST, Guide, paths
from muster.http.wire.message import Request

HOME = b"<!doctype html><title>Home</title><script>1</script>"
SCRIPT = "sha256-jyVY2zAjcoCJmoZL8wX0QpL1kL7GZ1eXqDz5Uv0wUoU="
FILES = {
    "index.html": {"media": "text/html; charset=utf-8", "packed": True, "scripts": [SCRIPT]},
    "how-to/guard/index.html": {"media": "text/html; charset=utf-8", "packed": True},
    "assets/main.0123abcd.min.js": {"media": "text/javascript", "packed": True, "unchanging": True},
    "images/user.png": {"media": "image/png"},
}


@pytest.fixture
def guide(tmp_path):
    files = {}
    for name, given in FILES.items():
        body = HOME if name == "index.html" else name.encode() * 20
        path = tmp_path / (f"{name}.gz" if given.get("packed") else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(body) if given.get("packed") else body)
        files[name] = {**given, "digest": hashlib.sha256(body).hexdigest()}
    (tmp_path / MANIFEST).write_text(json.dumps({"version": "1", "files": files}))
    return Guide(tmp_path)


def ask(guide, path, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request("GET", path, "", named.get, None, "127.0.0.1:1", "http", "host")
    answer = asyncio.run(guide.answer(request))
    return SimpleNamespace(status=answer.status, body=answer.body, fields=dict(answer.headers))


def test_a_page_is_sent_as_it_is_stored_or_unpacked(guide):
    packed = ask(guide, "/docs/guide/", accept_encoding="gzip, br")
    assert packed.fields["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == HOME
    plain = ask(guide, "/docs/guide/")
    assert plain.body == HOME
    assert "content-encoding" not in plain.fields
    assert plain.fields["vary"] == "accept-encoding"
    assert ask(guide, "/docs/guide/how-to/guard/").status == 200
    assert ask(guide, "/docs/guide/images/user.png").fields["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("path", "location"),
    [("/docs/guide", "guide/"), ("/docs/guide/how-to/guard", "guard/")],
)
def test_a_page_has_a_slash_at_its_end_because_its_links_are_relative(guide, path, location):
    answer = ask(guide, path)
    assert (answer.status, answer.fields["location"]) == (308, location)


def test_a_file_whose_name_has_its_digest_is_cached_for_good_and_others_are_revalidated(guide):
    script = ask(guide, "/docs/guide/assets/main.0123abcd.min.js")
    assert script.fields["cache-control"] == "public, max-age=31536000, immutable"
    page = ask(guide, "/docs/guide/")
    assert page.fields["cache-control"] == "public, max-age=0, must-revalidate"
    again = ask(guide, "/docs/guide/", if_none_match=page.fields["etag"])
    assert (again.status, again.body) == (304, b"")
    other = ask(guide, "/docs/guide/how-to/guard/", if_none_match=page.fields["etag"])
    assert other.status == 200


def test_a_page_may_run_its_own_scripts_and_no_others(guide):
    policy = ask(guide, "/docs/guide/").fields["content-security-policy"]
    assert f"script-src 'self' '{SCRIPT}';" in policy
    assert "default-src 'none'" in policy
    assert "http:" not in policy
    assert "https:" not in policy
    elsewhere = ask(guide, "/docs/guide/how-to/guard/").fields["content-security-policy"]
    assert "script-src 'self';" in elsewhere


@pytest.mark.parametrize(
    "path",
    [
        "/docs/guide/nosuch",
        "/docs/guide/manifest.json",
        "/docs/guide/index.html.gz",
        "/docs/guide/../pages.py",
        "/docs/guide/%2e%2e/pages.py",
        "/docs/guide//index.html/",
    ],
)
def test_only_files_of_the_manifest_are_answered(guide, path):
    answer = ask(guide, path)
    assert answer.status == 404
    assert b"No such page" in answer.body
    assert "default-src 'none'" in answer.fields["content-security-policy"]


def test_a_page_that_is_missing_leads_back_to_the_contents(guide):
    assert b'href="./"' in ask(guide, "/docs/guide/nosuch").body
    assert b'href="../../"' in ask(guide, "/docs/guide/how-to/nosuch/").body


def test_a_checkout_without_a_site_says_how_to_build_it(tmp_path):
    guide = Guide(tmp_path / "nowhere")
    answer = ask(guide, "/docs/guide/")
    assert answer.status == 200
    assert b"make docs" in answer.body
    assert b"docs/index.md" in answer.body
    assert b'href="../../docs"' in answer.body
    assert ask(guide, "/docs/guide/how-to/guard/").status == 404


def test_there_is_a_route_for_each_depth():
    assert len(list(paths())) == DEEPEST + 1


def test_the_service_answers_it_without_a_key(server):
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/docs/guide").headers["location"] == "guide/"
        assert client.get("/docs/guide/").status_code == 200
        assert client.get("/docs/guide/a/b/c/d/e").status_code == 404
        assert client.post("/docs/guide/").status_code == 405
