"""The stored brand: every process sees a change at once, and two changes at once both count."""

import asyncio

import pytest

from muster.access.brands import Brands
from muster.base.brand import Brand, Logo
from muster.scim.errors import ScimError
from tests.access.conftest import HERE

SETTINGS = Brand("Operator", Logo("image/png", b"\x89PNG\r\n\x1a\n"), "#112233")
LOGO = Logo("image/svg+xml", b"<svg></svg>")


@pytest.fixture
def brands(bench):
    one, other = (Brands(bench.storage, SETTINGS) for _ in range(2))
    yield bench, one, other
    bench.run(one.change(dict.fromkeys(("name", "logo", "accent")), HERE))


def test_another_process_shows_a_change_at_its_next_request(brands):
    bench, one, other = brands
    assert bench.run(other.current()) == SETTINGS
    bench.run(one.change({"name": " Acme ", "logo": LOGO}, HERE))
    shown = bench.run(other.current())
    assert shown == Brand("Acme", LOGO, "#112233")
    assert shown.version != SETTINGS.version
    assert bench.run(other.own()).inherited == ["accent"]


def test_two_changes_at_once_both_count(brands):
    bench, one, other = brands

    async def both():
        await asyncio.gather(
            one.change({"name": "Acme"}, HERE), other.change({"accent": "#445566"}, HERE)
        )

    bench.run(both())
    own = bench.run(one.own())
    assert (own.name, own.accent) == ("Acme", "#445566")


@pytest.mark.parametrize(
    "given", [{"name": ""}, {"name": "x" * 61}, {"name": "a\x00"}, {"accent": "red"}]
)
def test_an_invalid_part_changes_nothing(brands, given):
    bench, one, other = brands
    with pytest.raises(ScimError) as refused:
        bench.run(one.change({"logo": LOGO, **given}, HERE))
    assert refused.value.status == 400
    assert bench.run(other.current()) == SETTINGS
