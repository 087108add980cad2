"""The IP allowlist, against arithmetic on the addresses as integers."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.access.allowlist import admits, networks

BITS = {4: 32, 6: 128}


@st.composite
def blocks(draw):
    """A block and an address that is often close to it."""
    version = draw(st.sampled_from([4, 6]))
    bits = BITS[version]
    prefix = draw(st.integers(0, bits))
    base = draw(st.integers(0, 2**bits - 1))
    near = base ^ draw(st.integers(0, 2 ** draw(st.integers(0, bits)) - 1))
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    inside = base >> (bits - prefix) == near >> (bits - prefix)
    return f"{kind(base)}/{prefix}", kind(near), inside


@given(blocks())
def test_an_address_is_admitted_if_its_first_bits_are_the_blocks(drawn):
    block, address, inside = drawn
    mapped = getattr(address, "ipv4_mapped", None)
    assert admits(networks([block]), str(address)) == (inside and mapped is None)


@given(st.lists(blocks(), max_size=4), blocks())
def test_several_blocks_admit_the_union_of_their_addresses(drawn, last):
    address = str(last[1])
    allowed = [block for block, *_ in drawn]
    assert admits(networks(allowed), address) == any(
        admits(networks([block]), address) for block in allowed
    )


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_a_mapped_address_is_the_address_that_it_maps(address, prefix):
    allowed = networks([f"{address}/{prefix}"])
    assert admits(allowed, f"::ffff:{address}")
    assert admits(networks([str(address)]), str(address))


@pytest.mark.parametrize("text", ["", "nonsense", "10.0.0.1:443", "10.0.0", "[::1]"])
def test_text_that_is_no_address_is_never_admitted(text):
    assert not admits(networks(["0.0.0.0/0", "::/0"]), text)


@pytest.mark.parametrize("block", ["10.0.0.0/33", "::/129", "ten", ""])
def test_a_block_that_is_none_is_refused(block):
    with pytest.raises(ValueError):
        networks([block])
