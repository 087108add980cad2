"""The brand over the platform API: its fallbacks, its limits, and the pages that show it."""

import base64

import httpx
import pytest

from muster.base.brand import MAX_LOGO
from tests.console.browsing import Visitor
from tests.support.in_process import InProcessServer
from tests.support.platform import Platform
from tests.support.tenant import problem

PNG = b"\x89PNG\r\n\x1a\n"


def data_url(body=PNG, media="image/png"):
    return f"data:{media};base64,{base64.b64encode(body).decode()}"


@pytest.fixture
def unbranded(platform):
    """A platform key of an installation without a brand, which other tests may have given it."""
    nothing = dict.fromkeys(("name", "logo", "accent"))
    platform.api.patch("/brand", json=nothing).raise_for_status()
    yield platform
    platform.api.patch("/brand", json=nothing).raise_for_status()


def test_the_brand_is_changed_and_shown_on_the_pages_of_set_up_links(unbranded, server):
    before = unbranded.api.get("/brand").json()
    inherited = ["name", "logo", "accent"]
    nothing = {"name": "muster", "logo": None, "accent": None, "inherited": inherited}
    assert before == nothing
    given = {"name": " Acme & Co ", "logo": data_url(), "accent": "#0a5c36"}
    answer = unbranded.api.patch("/brand", json=given)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["name"], made["accent"], made["inherited"]) == ("Acme & Co", "#0a5c36", [])
    assert (made["logo"]["mediaType"], made["logo"]["size"]) == ("image/png", len(PNG))
    assert unbranded.api.get("/brand").json() == made
    image = httpx.get(made["logo"]["url"])
    assert (image.content, image.headers["content-type"]) == (PNG, "image/png")
    visitor = Visitor(server)
    page = visitor.get("/setup")
    assert 'alt="Acme &amp; Co"' in page.text
    version = made["logo"]["url"].partition("v=")[2]
    assert f"/brand/style.css?v={version}" in page.text
    assert "--accent:#0a5c36" in visitor.get("/brand/style.css").text
    visitor.close()
    part = unbranded.api.patch("/brand", json={"logo": None}).json()
    assert (part["name"], part["logo"], part["inherited"]) == ("Acme & Co", None, ["logo"])
    rows = unbranded.api.get("/audit", params={"type": "Brand", "limit": 1000}).json()["items"]
    first, second = [row["document"] for row in rows[-2:]]
    assert first["before"] == {"name": None, "logo": None, "accent": None}
    assert first["after"]["logo"]["size"] == len(PNG)
    assert base64.b64encode(PNG).decode() not in str(rows)
    assert second == {"before": {"logo": first["after"]["logo"]}, "after": {"logo": None}}


def test_a_change_to_the_same_values_is_not_recorded(unbranded):
    unbranded.api.patch("/brand", json={"name": "Acme"})
    count = len(
        unbranded.api.get("/audit", params={"type": "Brand", "limit": 1000}).json()["items"]
    )
    unbranded.api.patch("/brand", json={"name": "Acme"}).raise_for_status()
    unbranded.api.patch("/brand", json={}).raise_for_status()
    rows = unbranded.api.get("/audit", params={"type": "Brand", "limit": 1000}).json()["items"]
    assert len(rows) == count


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "  "}, "/name"),
        ({"name": "x" * 61}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"accent": "green"}, "/accent"),
        ({"accent": "#0a5c3"}, "/accent"),
        ({"logo": "https://app.example/logo.png"}, "/logo"),
        ({"logo": "data:image/png,abc"}, "/logo"),
        ({"logo": "data:image/png;base64,iVBO="}, "/logo"),
        ({"logo": data_url(b"GIF89a", "image/gif")}, "/logo"),
        ({"logo": data_url(b"GIF89a")}, "/logo"),
        ({"logo": data_url(PNG + bytes(MAX_LOGO))}, "/logo"),
        ({"font": "Inter"}, "/font"),
    ],
)
def test_anything_else_is_refused_by_name(unbranded, body, pointer):
    refused = unbranded.api.patch("/brand", json=body)
    problem(refused, 400)
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert unbranded.api.get("/brand").json()["name"] == "muster"


def test_a_logo_has_so_many_bytes_and_no_more(unbranded):
    body = PNG + bytes(MAX_LOGO - len(PNG))
    made = unbranded.api.patch("/brand", json={"logo": data_url(body)})
    assert made.json()["logo"]["size"] == MAX_LOGO
    problem(unbranded.api.patch("/brand", json={"logo": data_url(body + b"x")}), 400)


def test_parts_that_are_not_set_are_those_of_the_settings(tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg></svg>")
    settings = {"MUSTER_BRAND_NAME": "Operator", "MUSTER_BRAND_ACCENT": "#112233"}
    with InProcessServer(tmp_path, **settings, MUSTER_BRAND_LOGO=str(logo)) as server:
        platform = Platform(server)
        found = platform.api.get("/brand").json()
        assert (found["name"], found["accent"]) == ("Operator", "#112233")
        assert found["logo"]["mediaType"] == "image/svg+xml"
        changed = platform.api.patch("/brand", json={"accent": "#445566"}).json()
        assert (changed["name"], changed["accent"]) == ("Operator", "#445566")
        assert changed["inherited"] == ["name", "logo"]
        assert platform.api.patch("/brand", json={"accent": None}).json() == found
        platform.close()
