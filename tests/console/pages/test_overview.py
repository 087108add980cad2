"""The overview page and its chart."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from muster.console.pages.overview import _CHART_HEIGHT, _CHART_WIDTH, _bars
from muster.insight.overview import HOURS
from tests.support.people import group, person

NOW = datetime(2026, 1, 31, 12, 34, tzinfo=UTC)
_counts = st.integers(0, 10_000).flatmap(
    lambda asked: st.tuples(st.just(asked), st.integers(0, asked))
)


def hour(ago):
    return (NOW - timedelta(hours=ago)).strftime("%Y-%m-%dT%H")


@given(st.dictionaries(st.integers(0, HOURS + 5), _counts))
def test_a_bar_is_as_high_as_the_requests_of_its_hour(counts):
    bars = _bars({hour(ago): count for ago, count in counts.items()}, NOW)
    assert [bar.x for bar in bars] == [n * _CHART_WIDTH // HOURS for n in range(HOURS)]
    most = max((asked for asked, _ in counts.values()), default=0)
    for ago, bar in zip(range(HOURS - 1, -1, -1), bars, strict=True):
        asked, failed = counts.get(ago, (0, 0))
        assert 0 <= bar.failed <= bar.height <= _CHART_HEIGHT
        assert bar.height == (round(asked / most * _CHART_HEIGHT) if most else 0)
        assert f"{hour(ago)[-2:]}:00: {asked} requests, {failed} failed" == bar.label


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
    assert "1 requests failed in the last 24 hours." in text
    assert "Automatic provisioning is off" in text
    for link in ("/doctor", "/settings"):
        assert f'href="/w/{fresh.name}{link}"' in page
    assert page.count("<rect") >= 2 or "<rect" in page
