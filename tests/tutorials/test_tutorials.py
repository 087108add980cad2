"""Every tutorial is followed to the letter, and shows the files of examples/."""

import re

import pytest

from tests.tutorials.lessons import LESSONS, ROOT
from tests.tutorials.reader import DOCS, files

EXAMPLES = {
    "fastapi": "fastapi_people",
    "django": "django_people",
    "a-thousand-customers": "signup",
}
PAGES = sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "index")


def _plain(text):
    """The lines of a file without the blank ones, of which a page shows fewer."""
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(("page", "folder"), EXAMPLES.items())
def test_the_files_of_a_page_are_those_of_the_example(page, folder):
    shown = files((DOCS / f"{page}.md").read_text())
    place = ROOT / "examples" / folder
    stored = {
        str(path.relative_to(place)): path.read_text()
        for path in place.rglob("*")
        if path.suffix in (".py", ".html")
        and path.stat().st_size
        and "migrations" not in path.parts
    }
    assert shown.keys() == stored.keys()
    for name, text in stored.items():
        assert _plain(shown[name]) == _plain(text), name


def test_the_versions_that_a_page_installs_are_those_of_the_tests():
    locked = (ROOT / "requirements" / "dev.lock").read_text()
    installed = {
        pinned
        for page in PAGES
        for line in re.findall(r"^pip install (.+)$", (DOCS / f"{page}.md").read_text(), re.M)
        for pinned in line.split()
    }
    assert len(installed) >= 5
    assert [pinned for pinned in installed if f"\n{pinned} " not in locked] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_at_the_top_what_it_is_about(page):
    top = (DOCS / f"{page}.md").read_text().partition("\n## ")[0]
    for promise in ("**At the end**", "**You need**", "**It takes**"):
        assert promise in top, promise


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_is_there_in_light_and_dark_and_small(page):
    text = (DOCS / f"{page}.md").read_text()
    light = re.findall(r"\(([^)]+)-light\.webp#gh-light-mode-only\)", text)
    dark = re.findall(r"\(([^)]+)-dark\.webp#gh-dark-mode-only\)", text)
    assert light == dark
    assert len(light) == len(set(light))
    for stem in light:
        for mode in ("light", "dark"):
            assert 5_000 < (DOCS / f"{stem}-{mode}.webp").stat().st_size < 100_000, stem


def test_every_page_is_followed():
    assert sorted(lesson.page for lesson in LESSONS) == PAGES


@pytest.mark.outside
@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.page)
def test_a_reader_follows_the_page(lesson, tmp_path, chromium):
    from tests.tutorials.serving import serving

    with serving(tmp_path) as server:
        lesson(server, chromium, tmp_path).follow()
