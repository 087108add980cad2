"""The documentation site builds strictly, and needs no other host."""

import json
import re
import tomllib

import pytest
from tools.guide.__main__ import CONFIGURATION, ROOT, faults, navigated, pack
from tools.guide.site import broken_links, loads_from_elsewhere, read_page, target_of

from muster.http.guide.pages import MANIFEST, Guide
from muster.version import __version__
from tests.http.guide.test_pages import ask

MOST_PACKED = 5_000_000
PROJECT = tomllib.loads(CONFIGURATION.read_text())["project"]
GROUPS = {
    title: list(navigated([{title: under}]))
    for entry in PROJECT["nav"]
    for title, under in entry.items()
}
"""The pages below each title of the navigation."""


@pytest.mark.outside
@pytest.mark.xdist_group("site")
def test_the_site_has_no_broken_link_no_orphan_and_nothing_of_other_hosts(site):
    assert faults(site) == []


@pytest.mark.outside
@pytest.mark.xdist_group("site")
def test_the_search_has_every_page_but_the_single_decisions(site):
    items = json.loads((site / "search.json").read_text())["items"]
    found = {item["location"].partition("#")[0] for item in items}
    pages = {path.parent.relative_to(site).as_posix() + "/" for path in site.rglob("*/index.html")}
    left_out = pages - found
    assert len(left_out) > 40
    assert all(re.match(r"decisions/\d", page) for page in left_out)


@pytest.mark.outside
@pytest.mark.xdist_group("site")
def test_the_packed_site_is_small_and_whole(site, tmp_path):
    size = pack(site, tmp_path)
    assert size < MOST_PACKED
    files = json.loads((tmp_path / MANIFEST).read_text())["files"]
    guide = Guide(tmp_path)
    for name in files:
        assert ask(guide, f"/docs/guide/{name}").status == 200, name
    for page in re.findall(r'href="([^"#?:]+)"', (site / "index.html").read_text()):
        path, _ = target_of("index.html", page)
        assert path in files, page


def test_the_site_shows_the_version_of_muster():
    assert PROJECT["site_name"] == f"muster {__version__}"


def test_each_kind_begins_with_a_page_that_lists_its_questions():
    titles = {"Tutorials": "tutorials", "How-to guides": "how-to"}
    titles |= {"Reference": "reference", "Explanation": "explanation"}
    assert {*GROUPS} == {"Home", *titles}
    for title, folder in titles.items():
        assert GROUPS[title][0] == f"{folder}/index.md"


def test_a_page_says_what_it_links_to_loads_and_runs():
    page = read_page(
        '<p id="a"><a href="b/#c">x</a><img src="d.png"><script src="https://e/f.js"></script>'
        '<script>1 < 2</script><script type="application/json">{}</script>'
    )
    assert page.links == ["b/#c", "d.png", "https://e/f.js"]
    assert page.loaded == ["d.png", "https://e/f.js"]
    assert page.anchors == {"a"}
    assert page.unnamed == ["d.png"]
    assert len(page.scripts) == 1


@pytest.mark.parametrize(
    ("page", "link", "target"),
    [
        ("a/index.html", "../b/", ("b/index.html", "")),
        ("a/index.html", "..", ("index.html", "")),
        ("a/index.html", "#x", ("a/index.html", "x")),
        ("index.html", "a/#x", ("a/index.html", "x")),
        ("index.html", "i/p.png", ("i/p.png", "")),
        ("index.html", "https://example.com/", None),
        ("index.html", "mailto:a@example.com", None),
    ],
)
def test_a_link_leads_to_a_file_and_an_anchor(page, link, target):
    assert target_of(page, link) == target


def test_broken_links_and_other_hosts_are_found(tmp_path):
    (tmp_path / "index.html").write_text("")
    pages = {"index.html": read_page('<a href="no/"></a><a href="#no"></a><a href="//e/"></a>')}
    assert broken_links(tmp_path, pages) == [
        "index.html: #no: no such anchor",
        "index.html: no/: no such file",
    ]
    assert loads_from_elsewhere(pages) == []
    pages = {"index.html": read_page('<img src="//e/x.png"><link href="https://e/" rel="preload">')}
    assert len(loads_from_elsewhere(pages)) == 2


@pytest.mark.parametrize("kind", ["tutorials", "how-to", "reference", "explanation"])
def test_the_index_of_a_kind_links_to_each_of_its_pages(kind):
    index = (ROOT / "docs" / kind / "index.md").read_text()
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", index)}
    pages = {path.name for path in (ROOT / "docs" / kind).glob("*.md")} - {"index.md"}
    assert pages <= linked
