"""Signed tokens: only sound ones are accepted."""

import asyncio
import base64
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.base.signing import ExpiredToken, InvalidToken, NumberSigner, Signer

ALPHABET = string.ascii_letters + string.digits + "-_"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
VALUES = st.lists(JSON, max_size=4)
CONTEXTS = st.tuples(st.integers(1, 5), st.text(max_size=5))
NUMBERS = st.integers(0, 2**64 - 1)
WORKSPACES = st.integers(0, 2**31)


async def secret():
    return bytes(range(32))


def signer(purpose="listing"):
    return Signer(secret, purpose)


def numbers(purpose="changes"):
    return NumberSigner(secret, purpose)


def result(coroutine):
    """Run a coroutine that waits for nothing: an event loop takes longer to start."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def sign(made, *arguments):
    return result(made.sign(*arguments))


def read(made, token, context):
    """The values of a token; None if it is refused."""
    try:
        return result(made.read(token, context))
    except InvalidToken:
        return None


def changed(token, data):
    """The token with a character replaced, inserted or removed."""
    position = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(ALPHABET + "=+/ !.\n\0é"))
    how = data.draw(st.sampled_from(["replace", "insert", "remove", "append"]))
    if how == "append":
        return token + other
    rest = token[position:] if how == "insert" else token[position + 1 :]
    return token[:position] + ("" if how == "remove" else other) + rest


@given(VALUES, CONTEXTS)
def test_a_token_is_read_as_it_was_signed(values, context):
    assert read(signer(), sign(signer(), values, context, 60), context) == values


@given(VALUES, CONTEXTS, CONTEXTS)
def test_a_token_of_another_context_is_refused(values, context, other):
    token = sign(signer(), values, context, 60)
    assert (read(signer(), token, other) is None) == (context != other)


@given(VALUES, CONTEXTS, st.data())
def test_a_changed_token_is_refused(values, context, data):
    token = sign(signer(), values, context, 60)
    other = changed(token, data)
    assert other == token or read(signer(), other, context) is None


@given(VALUES, CONTEXTS)
def test_no_other_value_of_any_byte_is_accepted(values, context):
    raw = base64.urlsafe_b64decode(sign(signer(), values, context, 60) + "===")
    for position in range(len(raw)):
        flipped = bytearray(raw)
        flipped[position] ^= 1 << position % 8
        token = base64.urlsafe_b64encode(bytes(flipped)).rstrip(b"=").decode()
        assert read(signer(), token, context) is None


@given(VALUES, CONTEXTS)
def test_a_token_of_another_purpose_is_refused(values, context):
    token = sign(signer("openid"), values, context, 60)
    assert read(signer("cursor"), token, context) is None
    assert read(signer("openid"), token, context) == values


def test_a_token_of_another_installation_is_refused():
    async def other():
        return b"another secret"

    token = sign(Signer(other, "listing"), [1], (1,), 60)
    assert read(signer(), token, (1,)) is None


@given(st.text(max_size=60) | st.text(ALPHABET, max_size=60))
def test_no_text_is_a_token(text):
    assert read(signer(), text, (1,)) is None
    assert read(numbers(), text, 1) is None


def test_a_token_expires(clock):
    clock.moment = datetime(2026, 1, 1, tzinfo=UTC)
    token = sign(signer(), ["x"], (1,), 60)
    clock.advance(seconds=59.9)
    assert read(signer(), token, (1,)) == ["x"]
    clock.advance(seconds=0.1)
    with pytest.raises(ExpiredToken):
        asyncio.run(signer().read(token, (1,)))


def test_the_time_of_a_forged_token_is_not_told():
    with pytest.raises(InvalidToken) as raised:
        asyncio.run(signer().read("AAAA" * 10, (1,)))
    assert not isinstance(raised.value, ExpiredToken)


@given(NUMBERS, WORKSPACES)
def test_a_number_has_one_token_in_a_workspace(number, workspace):
    token = sign(numbers(), number, workspace)
    assert read(numbers(), token, workspace) == number
    assert sign(numbers(), number, workspace) == token
    assert len(token) == 22


@given(NUMBERS, WORKSPACES, WORKSPACES)
def test_the_token_of_a_number_in_another_workspace_is_refused(number, workspace, other):
    found = read(numbers(), sign(numbers(), number, workspace), other)
    assert found == (number if workspace == other else None)


@given(NUMBERS, WORKSPACES, st.data())
def test_a_changed_token_of_a_number_is_refused(number, workspace, data):
    token = sign(numbers(), number, workspace)
    other = changed(token, data)
    assert other == token or read(numbers(), other, workspace) is None


@given(NUMBERS, WORKSPACES)
def test_no_other_bit_of_a_number_token_is_accepted(number, workspace):
    raw = base64.urlsafe_b64decode(sign(numbers(), number, workspace) + "==")
    for bit in range(128):
        flipped = (int.from_bytes(raw) ^ 1 << bit).to_bytes(16)
        token = base64.urlsafe_b64encode(flipped).rstrip(b"=").decode()
        assert read(numbers(), token, workspace) is None


def test_tokens_of_numbers_do_not_show_the_number():
    tokens = [base64.urlsafe_b64decode(sign(numbers(), n, 1) + "==")[8:] for n in range(50)]
    assert len({token[:4] for token in tokens}) == 50
    assert tokens != sorted(tokens)


def test_neither_kind_of_token_is_taken_for_the_other():
    number = sign(numbers(), 7, 1)
    values = sign(signer(), [7], (1,), 60)
    assert read(signer("changes"), number, (1,)) is None
    assert read(signer(), number, (1,)) is None
    assert read(numbers("listing"), values, 1) is None


@pytest.mark.parametrize(
    ("workspace", "number", "token"),
    [
        (1, 0, "xZyBLVPzbgwf5eIROiE8GA"),
        (1, 1, "0c1tojAL9FQQACmSToq82Q"),
        (7, 123456789, "DSNmwYvvieIPfqIhvzyq5g"),
        (2, 2**62, "2ker3cKB4QhD2VYep8eyxQ"),
    ],
)
def test_feed_tokens_of_version_0_1_are_read(workspace, number, token):
    """Clients of the feed keep them for as long as they like."""
    assert read(numbers("changes"), token, workspace) == number
    assert sign(numbers("changes"), number, workspace) == token


def test_a_cursor_of_version_0_1_is_read(clock):
    clock.moment = datetime(2026, 1, 1, tzinfo=UTC)
    token = (
        "y7sJIUJmACUUIAkq3BXGo1sxNzY3MjI1NjYwLDEsW1siw6kiLDQ2MTE2ODYwMTg0MjczODc5MDRdLG51bGxdLDdd"
    )
    assert read(signer("cursor"), token, (1, "q")) == [1, [["é", 2**62], None], 7]
