"""Static files are vendored unchanged, compressed, and cached for good under a path that changes with them."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from muster.console import assets

CONSOLE = Path(assets.__file__).parent
VENDORED = json.loads((CONSOLE / "vendored.json").read_text())
MOST_BYTES = 100_000
"""Of a page, without the assets that a browser caches."""


def test_vendored_files_are_those_that_were_published():
    recorded = {file: digest for files in VENDORED.values() for file, digest in files.items()}
    for file, digest in recorded.items():
        assert hashlib.sha256((CONSOLE / file).read_bytes()).hexdigest() == digest, file
    found = {
        path.relative_to(CONSOLE).as_posix()
        for folder in ("static/vendor", "icons")
        for path in (CONSOLE / folder).rglob("*")
        if path.is_file() and path.name != "LICENSE"
    }
    assert found == set(recorded)


def test_every_icon_is_used_and_has_a_licence():
    templates = "".join(path.read_text() for path in (CONSOLE / "templates").glob("*.html"))
    code = "".join(path.read_text() for path in CONSOLE.rglob("*.py"))
    for path in (CONSOLE / "icons").glob("*.svg"):
        assert f'"{path.stem}"' in templates + code, path.name
    assert "MIT License" in (CONSOLE / "icons" / "LICENSE").read_text()


@pytest.mark.parametrize(
    "name", ["console.css", "console.js", "theme.js", "icon.svg", "vendor/tabler/tabler.min.css"]
)
def test_an_asset_is_served_compressed_and_cached_for_good(root, name):
    path = assets.path_of(name)
    body = (CONSOLE / "static" / name).read_bytes()
    found = root.http.get(path)
    assert found.content == body
    assert found.headers["content-encoding"] == "gzip"
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "accept-encoding" in found.headers["vary"]
    assert int(found.headers["content-length"]) == len(gzip.compress(body, mtime=0))
    plain = root.http.get(path, headers={"accept-encoding": "identity"})
    assert plain.content == body
    assert "content-encoding" not in plain.headers
    assert "immutable" not in root.http.get(f"/static/{name}").headers["cache-control"]


def test_a_path_changes_with_the_content():
    digest = hashlib.sha256((CONSOLE / "static" / "console.css").read_bytes()).hexdigest()[:12]
    assert assets.path_of("console.css") == f"/static/console.{digest}.css"


@pytest.mark.parametrize(
    "path",
    ["/static/console.000000000000.css", "/static/vendor", "/static/", "/static/../web.py"],
)
def test_other_paths_are_not_found(root, path):
    assert root.http.get(path).status_code == 404


def test_a_page_loads_nothing_from_elsewhere_and_is_small(root, fresh):
    page = root.get(f"/w/{fresh.name}/settings")
    assert len(page.content) < MOST_BYTES
    links = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    for link in links:
        if link.startswith("/static/"):
            assert re.search(r"\.[0-9a-f]{12}\.", link), link
            assert root.http.get(link).status_code == 200
    assert "style=" not in page.text
    assert "<style" not in page.text
