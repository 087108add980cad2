"""People to list, and to select from."""

import pytest

from muster.scim.schema.model import ENTERPRISE_USER
from tests.support.identity_provider import identity_provider


@pytest.fixture
def people(fresh):
    """Six users: two inactive, two in Sales, one in a group."""
    return [
        fresh.user(
            userName=f"{letter}.{number}@lists.example",
            displayName=f"{letter.title()} of lists {number}",
            title=("Lead" if number < 2 else None),
            active=number > 1,
            **{ENTERPRISE_USER: {"department": "Sales" if number in (0, 3) else "Tours"}},
        )
        for number, letter in enumerate("fedcba")
    ]


@pytest.fixture(scope="module")
def provider():
    """The issuer of an identity provider."""
    with identity_provider() as issuer:
        yield issuer
