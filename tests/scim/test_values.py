"""Folding and order of values."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.values import fold, is_base64, mail_domain, sortable_date_time


@given(st.text())
def test_folding_is_idempotent(text):
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_folding_ignores_case(text):
    assert (
        fold(text.lower()) == fold(text)
        or "İ" in text
        or text.lower().casefold() != text.casefold()
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("ZOË@EXÄMPLE.COM", "zoë@exämple.com"), ("straße", "STRASSE"), ("ﬁ", "FI"), ("é", "é")],
)
def test_equivalent_texts_fold_alike(one, other):
    assert fold(one) == fold(other)


_moments = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29))
_zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(_moments, _zones, _moments, _zones)
def test_date_times_sort_like_time(one, zone, other, other_zone):
    one, other = one.replace(tzinfo=zone), other.replace(tzinfo=other_zone)
    keys = [sortable_date_time(moment.isoformat()) for moment in (one, other)]
    assert None not in keys
    assert (keys[0] < keys[1]) == (one < other)
    assert (keys[0] == keys[1]) == (one == other)


_fractions = st.text("0123456789", min_size=1, max_size=9)


@given(_moments, _zones, _fractions, _moments, _zones, _fractions, st.booleans())
def test_no_digit_of_a_fraction_is_lost(
    one, zone, digits, other, other_zone, other_digits, same_second
):
    """The oracle computes with exact fractions, which datetime cannot hold."""
    other = one if same_second else other

    def moment(at, zone, digits):
        at = at.replace(microsecond=0)
        local = at.replace(tzinfo=UTC).astimezone(zone)
        return (
            int((at - datetime(1, 1, 1)).total_seconds()) * 10**9 + int(digits.ljust(9, "0")),
            local.replace(tzinfo=None),
            local,
        )

    (first, _, local), (second, _, other_local) = (
        moment(one, zone, digits),
        moment(other, other_zone, other_digits),
    )
    text, other_text = (
        at.isoformat().replace(at.isoformat()[19:], f".{d}{at.isoformat()[19:]}")
        for at, d in ((local, digits), (other_local, other_digits))
    )
    keys = sortable_date_time(text), sortable_date_time(other_text)
    assert None not in keys
    assert (keys[0] < keys[1]) == (first < second)
    assert (keys[0] == keys[1]) == (first == second)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2020-01-01T00:00:00.1234567Z", "2020-01-01T00:00:00.1234568Z"),
        ("2020-01-01T00:00:00.123456Z", "2020-01-01T00:00:00.1234561Z"),
        ("2020-01-01T00:00:00.1234569Z", "2020-01-01T00:00:00.123457Z"),
        ("2020-01-01T00:00:00.12345609Z", "2020-01-01T00:00:00.1234561Z"),
        ("2020-01-01T23:59:59.9999999Z", "2020-01-01T24:00:00Z"),
        ("2020-01-01T24:00:00Z", "2020-01-02T00:00:00.0000001Z"),
    ],
)
def test_fractions_and_midnight_are_in_order(earlier, later):
    assert sortable_date_time(earlier) < sortable_date_time(later)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2019-12-31T24:00:00Z", "2020-01-01T00:00:00Z"),
        ("2020-02-28T24:00:00.000Z", "2020-02-29T00:00:00"),
        ("2020-01-01T24:00:00+02:00", "2020-01-01T22:00:00Z"),
        ("2020-01-01T00:00:00.1234560Z", "2020-01-01T00:00:00.123456Z"),
        ("2020-01-01T00:00:00.12345670Z", "2020-01-01T01:00:00.1234567+01:00"),
    ],
)
def test_two_spellings_of_one_time_are_equal(one, other):
    assert sortable_date_time(one) == sortable_date_time(other)


def test_a_date_time_without_an_offset_is_utc():
    assert sortable_date_time("2020-01-01T00:00:00") == sortable_date_time("2020-01-01T00:00:00Z")
    assert datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020",
        "2020-01-01",
        "2020-01-01 00:00:00",
        "2020-02-30T00:00:00Z",
        "2020-01-01T25:00:00Z",
        "2020-01-01T24:00:01Z",
        "2020-01-01T24:30:00Z",
        "2020-01-01T24:00:00.0000001Z",
        "9999-12-31T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+10:00",
        "x" * 10000,
    ],
)
def test_an_invalid_date_time_is_refused(text):
    assert sortable_date_time(text) is None


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("a@B.com", "b.com"),
        ("a@x@C.org", "c.org"),
        ("nobody", None),
        ("@x.com", None),
        ("a@", None),
    ],
)
def test_the_domain_of_an_email_address(address, domain):
    assert mail_domain(address) == domain


def test_base64_and_base64url_are_recognised():
    assert is_base64("MTIz")
    assert is_base64("_-8=")
    assert not is_base64("not base64!")
