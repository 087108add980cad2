"""Tokens of positions among the changes of a workspace."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.http.management.tokens import Tokens
from muster.scim.errors import ScimError

sequences = st.integers(0, 2**63 - 1)
workspaces = st.integers(1, 2**31)


class Accounts:
    def __init__(self, secret=b"s" * 32):
        self._secret = secret

    async def signing_secret(self):
        return self._secret


def write(workspace, sequence, **accounts):
    return asyncio.run(Tokens(Accounts(**accounts)).write(workspace, sequence))


def read(workspace, text, name="cursor"):
    return asyncio.run(Tokens(Accounts()).read(workspace, text, name))


@given(workspaces, sequences)
def test_a_token_is_always_the_same_and_stands_for_its_position(workspace, sequence):
    token = write(workspace, sequence)
    assert token == write(workspace, sequence)
    assert read(workspace, token) == sequence


@given(workspaces, workspaces, sequences)
def test_a_token_of_another_workspace_or_installation_is_refused(workspace, other, sequence):
    if workspace != other:
        with pytest.raises(ScimError):
            read(other, write(workspace, sequence))
    with pytest.raises(ScimError):
        read(workspace, write(workspace, sequence, secret=b"t" * 32))


@given(workspaces, st.text(max_size=60))
def test_any_other_text_is_the_clients_mistake(workspace, text):
    with pytest.raises(ScimError, match=r"before: it was not given for this workspace"):
        read(workspace, text, "before")
