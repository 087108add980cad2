"""`python -m tools.guide`: build the site, check it, and pack it for the service.

zensical builds `.build/site`. Its strict mode finds broken links in the Markdown; the checks here
read the finished HTML, and find pages that the navigation lacks.
"""

import argparse
import fcntl
import gzip
import hashlib
import json
import mimetypes
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from muster.http.guide.pages import DEEPEST, FOLDER, MANIFEST
from muster.version import __version__
from tools.guide.site import Page, broken_links, loads_from_elsewhere, read_pages, target_of

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "zensical.toml"
_PACKED = {".html", ".css", ".js", ".json", ".svg", ".xml", ".txt"}
_UNUSED = {"404.html", "sitemap.xml", "objects.inv"}
"""Files that need the site's public address, which a copy in the wheel does not know."""
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_DECISION = re.compile(r"decisions/\d")
_HASHED = re.compile(r"\.[0-9a-f]{8,}\.(min\.)?\w+$")
_MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".woff2": "font/woff2",
}


class BuildFailed(Exception):
    """The site has a fault."""


def build(copy: Path | None = None) -> Path:
    """Build the site with zensical, strictly, in its folder; two builds take turns.

    Args:
        copy: A folder for a copy, which the next build leaves alone.

    Returns:
        The folder of the copy, or else of the site.
    """
    folder = ROOT / str(_project()["site_dir"])
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _run_zensical()
        _leave_decisions_out_of_the_search(folder / "search.json")
        return folder if copy is None else Path(shutil.copytree(folder, copy))


def _run_zensical() -> None:
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(
        [*command, "--config-file", str(CONFIGURATION)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    output = _COLORS.sub("", done.stdout + done.stderr)
    if done.returncode or "warning" in output.lower():
        raise BuildFailed(output.partition("Traceback")[0])


def _leave_decisions_out_of_the_search(index: Path) -> None:
    """Remove single decisions from the index of the search.

    They are for contributors, and their sections came before the pages that most readers look for.
    The list of decisions stays in the index, with every title.
    """
    found = json.loads(index.read_text())
    found["items"] = [one for one in found["items"] if not _DECISION.match(one["location"])]
    index.write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")))


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(CONFIGURATION.read_text())["project"]
    return project


def navigated(entries: list[Any]) -> Iterator[str]:
    """Yield the pages of a navigation."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for under in entry.values():
                yield from navigated(under if isinstance(under, list) else [under])


def faults(folder: Path) -> list[str]:
    """Return what is wrong with a built site."""
    project = _project()
    named = list(navigated(project["nav"]))
    docs = ROOT / project["docs_dir"]
    written = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    pages = read_pages(folder)
    return [
        *(f"zensical.toml: nav: {page}: twice" for page in {*named} if named.count(page) > 1),
        *(f"zensical.toml: nav: {page}: no such page" for page in sorted({*named} - written)),
        *(f"docs/{page}: not in the nav of zensical.toml" for page in sorted(written - {*named})),
        *broken_links(folder, {name: page for name, page in pages.items() if name not in _UNUSED}),
        *(f"docs/{page}: too deep" for page in sorted(written) if page.count("/") >= DEEPEST - 1),
        *(f"{link}: loaded from another host" for link in loads_from_elsewhere(pages)),
        *(
            f"{name}: {picture}: a picture without a text for those who cannot see it"
            for name, page in pages.items()
            for picture in page.unnamed
        ),
    ]


def pack(folder: Path, into: Path) -> int:
    """Pack a built site for the service.

    Pictures that no page shows are left out.

    Returns:
        The size of the packed files in bytes.
    """
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    pages = read_pages(folder)
    shown = _shown(pages)
    files: dict[str, dict[str, Any]] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name in _UNUSED or path.suffix in (".map", ".md", ".gz"):
            continue
        if name.startswith("images/") and name not in shown:
            continue
        body = path.read_bytes()
        packed = path.suffix in _PACKED
        files[name] = _entry(path, name, body, packed, pages.get(name))
        stored = gzip.compress(body, 9, mtime=0) if packed else body
        target = into / (f"{name}.gz" if packed else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(stored)
        size += len(stored)
    manifest = {"version": __version__, "files": files}
    (into / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return size


def _shown(pages: dict[str, Page]) -> set[str]:
    """Return the files that the pages link to."""
    targets = (target_of(name, link) for name, page in pages.items() for link in page.links)
    return {found[0] for found in targets if found is not None}


def _entry(path: Path, name: str, body: bytes, packed: bool, page: Page | None) -> dict[str, Any]:
    media = _MEDIA.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    entry: dict[str, Any] = {"media": media, "digest": hashlib.sha256(body).hexdigest()}
    if packed:
        entry["packed"] = True
    if _HASHED.search(name):
        entry["unchanging"] = True
    if page is not None and page.scripts:
        entry["scripts"] = sorted(set(page.scripts))
    return entry


def main() -> None:
    """Build, check and pack the site."""
    parser = argparse.ArgumentParser(prog="python -m tools.guide", description=main.__doc__)
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder for the packed site")
    options = parser.parse_args()
    try:
        folder = build()
        found = faults(folder)
        if found:
            raise BuildFailed("\n".join(found))
    except BuildFailed as failed:
        print(failed, file=sys.stderr)
        sys.exit(1)
    size = pack(folder, options.into)
    print(f"{folder.relative_to(ROOT)}, and {size / 1e6:.1f} MB packed for the service")


if __name__ == "__main__":
    main()
