"""Static files: paths that change with the content, compression and caching."""

import gzip
import hashlib

import pytest

from muster.http.wire.message import Request
from muster.http.wire.static import StaticFiles
from muster.scim.errors import ScimError

BODY = b"body { margin: 0 }\n" * 10


@pytest.fixture
def files(tmp_path):
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "a.css").write_bytes(BODY)
    (tmp_path / "secret.py").write_text("1")
    return StaticFiles(tmp_path, "/static/")


def ask(files, path, method="GET", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(method, path, "", named.get, None, "127.0.0.1:1", "http", "host")
    return files.answer(request, [("x-more", "1")])


def test_a_path_has_the_digest_of_the_file_and_is_cached_for_good(files):
    path = files.path_of("vendor/a.css")
    assert path == f"/static/vendor/a.{hashlib.sha256(BODY).hexdigest()[:12]}.css"
    headers = dict(ask(files, path).headers)
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "text/css; charset=utf-8"
    assert headers["x-more"] == "1"
    assert "immutable" not in dict(ask(files, "/static/vendor/a.css").headers)["cache-control"]


def test_a_file_is_compressed_for_those_who_accept_it(files):
    packed = ask(files, "/static/vendor/a.css", accept_encoding="br, gzip")
    assert gzip.decompress(packed.body) == BODY
    assert dict(packed.headers)["content-encoding"] == "gzip"
    assert ask(files, "/static/vendor/a.css").body == BODY


@pytest.mark.parametrize("path", ["/static/secret.py", "/static/../a.css", "/static/", "/static/b"])
def test_other_files_are_not_found(files, path):
    with pytest.raises(ScimError, match="not found"):
        ask(files, path)


def test_a_file_is_only_read(files):
    with pytest.raises(ScimError, match="not found"):
        ask(files, "/static/vendor/a.css", "POST")
