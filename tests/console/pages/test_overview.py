"""The overview page."""

import re

from tests.support.people import group, person


def test_the_page_shows_the_figures_and_leads_to_what_needs_attention(root, fresh):
    users = [fresh.user(active=active) for active in (True, True, False)]
    fresh.scim.post("/Groups", json=group("Crew", *users)).raise_for_status()
    assert fresh.scim.post("/Users", json=person(users[0]["userName"])).status_code == 409
    fresh.api.patch("/settings", json={"automaticProvisioning": False}).raise_for_status()
    fresh.recorded(5)
    page = root.get(f"/w/{fresh.name}").text
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for figure in ("3", "2", "1", "5"):
        assert f" {figure} " in text
    assert "1 request failed in the last 24 hours." in text
    assert "Automatic provisioning is off" in text
    for link in ("/doctor", "/settings"):
        assert f'href="/w/{fresh.name}{link}"' in page


def test_the_page_keeps_the_range_and_draws_without_styles(root, fresh):
    fresh.scim.get("/Users/nobody")
    fresh.recorded(1)
    for range_, parts in (("24h", 24), ("7d", 28), ("30d", 30)):
        page = root.get(f"/w/{fresh.name}", range=range_).text
        assert re.search(rf'range={range_}" aria-current="true"', page)
        assert "style=" not in page
        assert page.count('<tr><td data-label="Time (UTC)">') == parts
        assert page.count('<rect class="refused"') == 2  # in the chart and its legend
    assert 'range=24h" aria-current="true"' in root.get(f"/w/{fresh.name}", range="x").text
