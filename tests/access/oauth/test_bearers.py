"""Bearer tokens: the workspace and connection that each opens, and when it ends."""

from datetime import timedelta

import pytest

from muster.access.keys import Keys
from muster.access.oauth.bearers import Bearers
from muster.access.oauth.clients import SECRET, OAuthClients
from muster.access.oauth.key_sets import KeySets
from muster.access.oauth.tokens import AccessTokens
from muster.access.oauth.trusts import Trusts
from muster.access.permissions import SCIM
from muster.base import clock
from tests.support.people import name
from tests.support.signed import RSA, public, signed

ISSUER, MUSTER = "https://issuer.example", "https://muster.example"


async def fetch(url):
    if url.endswith("openid-configuration"):
        return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
    return public(RSA)


class Place:
    """The credentials of a storage, as two processes read them."""

    def __init__(self, bench, by):
        self.run, self.storage, self.by = bench.run, bench.storage, by
        self.tokens = AccessTokens(bench.storage.signing_secret, MUSTER)
        self.clients = OAuthClients(bench.storage)
        self.trusts = Trusts(bench.storage, KeySets(fetch))
        self.keys, self.other = self._keys(), self._keys()
        self.audience = name("api://")

    def _keys(self):
        trusts = Trusts(self.storage, KeySets(fetch))
        tokens = AccessTokens(self.storage.signing_secret, MUSTER)
        return Keys(self.storage, bearers=Bearers(tokens, OAuthClients(self.storage), trusts))

    def client(self, by=None):
        return self.run(self.clients.create(by or self.by, "default", "x", SECRET))[0]

    def access_token(self, client):
        return self.run(self.tokens.sign(client.id, MUSTER, client.edition))

    def trust(self, by=None, subject="s"):
        given = (by or self.by, "default", ISSUER, self.audience, subject, None)
        return self.run(self.trusts.create(*given))

    def federated(self, subject="s", **claims):
        now = int(clock.seconds())
        made = {"iss": ISSUER, "aud": self.audience, "sub": subject, "exp": now + 3600}
        return signed({**made, **claims}, typ=claims.pop("typ", "JWT"))

    def grant(self, token, keys=None):
        return self.run((keys or self.keys).check(token))

    def opens(self, token):
        """Return whether two processes accept a token; they always agree."""
        found = [self.grant(token, keys) is not None for keys in (self.keys, self.other)]
        assert found[0] == found[1]
        return found[0]


@pytest.fixture
def place(bench, administrator):
    return Place(bench, administrator)


def test_each_token_opens_its_own_workspace_for_scim_alone(place, newcomer):
    second = newcomer()
    owners = {}
    for by in (place.by, second):
        owners[place.access_token(place.client(by))] = by
        subject = f"of {by.workspace.id}"
        place.trust(by, subject)
        owners[place.federated(subject)] = by
    for token, by in owners.items():
        grant = place.grant(token)
        assert grant.workspace == by.workspace
        assert grant.permissions == (SCIM,)
        assert grant.connection.id == "default"


def test_a_client_id_of_another_workspace_in_a_token_opens_nothing(place, newcomer):
    client = place.client()
    forged = f"{newcomer().workspace.id}.{client.id.partition('.')[2]}"
    assert not place.opens(place.run(place.tokens.sign(forged, MUSTER, 0)))


def test_tokens_of_a_deleted_client_end_in_every_process_at_once(place):
    client = place.client()
    token = place.access_token(client)
    assert place.opens(token)
    place.run(place.clients.delete(place.by, client))
    assert not place.opens(token)


def test_a_rotation_without_an_overlap_ends_the_tokens_and_one_with_an_overlap_does_not(place):
    client = place.client()
    token = place.access_token(client)
    client, _ = place.run(place.clients.rotate(place.by, client, timedelta(hours=1)))
    assert place.opens(token)
    client, _ = place.run(place.clients.rotate(place.by, client, timedelta()))
    assert not place.opens(token)
    assert place.opens(place.access_token(client))


def test_tokens_of_a_deleted_trust_end_in_every_process_at_once(place):
    trust, token = place.trust(), place.federated()
    assert place.opens(token)
    place.run(place.trusts.delete(place.by, trust))
    assert not place.opens(token)


def test_access_tokens_of_other_issuers_are_federated_ones(place):
    """Okta, Auth0 and Keycloak also send `at+jwt` with a client_id (RFC 9068)."""
    place.trust()
    now = int(clock.seconds())
    claims = {"iss": ISSUER, "aud": place.audience, "sub": "s", "exp": now + 60, "client_id": "x"}
    grant = place.grant(signed(claims, typ="at+jwt"))
    assert grant.actor.startswith("trust:")


def test_an_access_token_ends_at_its_time_and_a_federated_one_within_the_leeway(place, clock):
    place.trust()
    access, federated = place.access_token(place.client()), place.federated()
    clock.advance(seconds=3_599)
    assert place.opens(access)
    clock.advance(seconds=1)
    assert not place.opens(access)
    assert place.opens(federated)
    clock.advance(seconds=61)
    assert not place.opens(federated)


def test_a_long_lived_federated_token_is_verified_again_within_the_hour(place, clock):
    place.trust()
    token = place.federated(exp=int(clock.moment.timestamp()) + 86_400 * 30)
    grant = place.grant(token)
    assert grant.expires <= clock.moment.timestamp() + 3_600


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "é.é.é", "e30.e30.e30"])
def test_other_texts_open_nothing(place, token):
    assert not place.opens(token)
