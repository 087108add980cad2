"""The overview page."""

import re

from tests.support.people import group, person
from tests.support.waiting import until


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
        title = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"}[range_]
        assert f"<dt>Errors ({title})</dt><dd>1</dd>" in page
        assert page.count('<tr><td data-label="Time (UTC)">') == parts
        assert page.count('<rect class="refused"') == 2  # in the chart and its legend
    assert 'range=24h" aria-current="true"' in root.get(f"/w/{fresh.name}", range="x").text


def test_new_users_are_counted_also_if_they_are_not_active(root, fresh):
    fresh.user()
    fresh.user(active=False)

    def counted():
        page = root.get(f"/w/{fresh.name}", range="7d").text
        return re.search(r"New users <strong>2</strong>.*Became active <strong>.1</strong>", page)

    until(counted)
