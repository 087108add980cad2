"""The token endpoint: who is authenticated, how often, and with which errors."""

import base64
import itertools

import pytest

from muster.access.oauth.clients import PRIVATE_KEY, SECRET, OAuthClients
from muster.access.oauth.key_sets import KeySets
from muster.access.oauth.server import ASSERTION_TYPE, OAuthError, TokenRequest, TokenServer
from muster.access.oauth.tokens import AccessTokens
from muster.access.oauth.trusts import Trust, Trusts, trust_from_item
from muster.base import clock
from muster.storage.port.errors import StorageFull
from tests.support.people import name
from tests.support.signed import KEYS, RSA, STRANGER, public, signed

ISSUER = "https://muster.example"
_addresses = itertools.count(1)


class Place:
    """Token servers over one storage, as several worker processes have them."""

    def __init__(self, bench, by):
        self.run, self.storage, self.by = bench.run, bench.storage, by
        self.address = f"198.51.100.{next(_addresses)} {name('a')}"
        self.clients, self.keys = OAuthClients(bench.storage), [RSA]
        self.worker, self.other = self.make(), self.make()

    def make(self):
        async def fetch(url):
            if url.endswith("openid-configuration"):
                return {"issuer": "https://issuer.example", "jwks_uri": "https://issuer.example/k"}
            return public(*self.keys)

        tokens = AccessTokens(self.storage.signing_secret, ISSUER)
        clients, key_sets = OAuthClients(self.storage), KeySets(fetch)
        return TokenServer(self.storage, clients, Trusts(self.storage, key_sets), key_sets, tokens)

    def client(self, auth=SECRET, **given):
        return self.run(self.clients.create(self.by, "default", "x", auth, **given))

    def ask(self, form, authorization="", worker=None, address=None):
        form = {"grant_type": "client_credentials", **form}
        request = TokenRequest(
            [(key, value) for key, value in form.items() if value is not None],
            authorization,
            address or self.address,
            ISSUER,
            f"{ISSUER}/oauth/token",
        )
        return self.run((worker or self.worker).issue(request))

    def refused(self, *arguments, **options):
        with pytest.raises(OAuthError) as refusal:
            self.ask(*arguments, **options)
        return refusal.value.status, refusal.value.code

    def assertion(self, client, **claims):
        now = int(clock.seconds())
        made = {"iss": client.id, "sub": client.id, "aud": ISSUER, "iat": now, "exp": now + 60}
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed({**made, "jti": name("j"), **claims}),
        }


@pytest.fixture
def place(bench, administrator):
    return Place(bench, administrator)


def basic(client_id, secret):
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def test_the_answer_is_that_of_rfc_6749_section_5_1(place):
    client, secret = place.client()
    answer = place.ask({"client_id": client.id, "client_secret": secret})
    assert answer.pop("access_token").count(".") == 2
    assert answer == {"token_type": "Bearer", "expires_in": 3600, "scope": "scim"}
    assert place.ask({}, basic(client.id, secret))
    assert place.ask({}, basic(client.id.replace(".", "%2E"), secret))  # section 2.3.1
    assert place.ask({"client_id": client.id}, "bAsIc" + basic(client.id, secret)[5:])


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic YQ", "Basic /w==", "Bearer YTpi"])
def test_malformed_headers_are_refused(place, header):
    assert place.refused({}, header) == (401, "invalid_client")


def test_the_way_of_authentication_is_that_of_the_client(place):
    client, secret = place.client()
    signer, _ = place.client(PRIVATE_KEY, jwks=KEYS)
    assert place.refused(place.assertion(client)) == (401, "invalid_client")
    assert place.refused({}, basic(signer.id, "")) == (401, "invalid_client")
    both = {"client_id": client.id, "client_secret": secret}
    assert place.refused(both, basic(client.id, secret)) == (400, "invalid_request")
    assert place.refused({**place.assertion(signer), **both}) == (400, "invalid_request")
    other = {**place.assertion(signer), "client_id": client.id}
    assert place.refused(other) == (401, "invalid_client")
    kind = {**place.assertion(signer), "client_assertion_type": "x"}
    assert place.refused(kind) == (400, "invalid_request")


def test_an_assertion_is_used_once_across_processes(place):
    client, _ = place.client(PRIVATE_KEY, jwks=KEYS)
    assertion = place.assertion(client)
    assert place.ask(assertion)
    assert place.refused(assertion, worker=place.other) == (401, "invalid_client")
    assert place.refused(assertion) == (401, "invalid_client")
    again = place.assertion(client, jti="j")
    assert place.ask(again, worker=place.other)
    other, _ = place.client(PRIVATE_KEY, jwks=KEYS)
    assert place.ask(place.assertion(other, jti="j"))  # ids are the client's own


def test_a_full_disk_refuses_assertions_and_no_secret(place, monkeypatch):
    """Their use could only be counted in one process, so that another would accept them again."""
    signer, _ = place.client(PRIVATE_KEY, jwks=KEYS)
    client, secret = place.client()
    assertion = place.assertion(signer)

    async def full(*_):
        raise StorageFull("the disk is full")

    monkeypatch.setattr(place.storage, "transact", full)
    assert place.ask({}, basic(client.id, secret))
    with pytest.raises(StorageFull):
        place.ask(assertion)
    monkeypatch.undo()
    assert place.ask(assertion)
    assert place.refused(assertion) == (401, "invalid_client")


def test_an_assertion_is_used_once_for_as_long_as_it_is_valid(place, clock):
    client, _ = place.client(PRIVATE_KEY, jwks=KEYS)
    now = int(clock.moment.timestamp())
    assertion = place.assertion(client, iat=now + 60, exp=now + 3600)  # signed by a fast clock
    assert place.ask(assertion)
    for _ in range(12):
        clock.advance(seconds=60)
        assert place.refused(assertion) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({"iat": -300}, True),
        ({"iat": -361}, False),
        ({"iat": 60}, True),
        ({"iat": 62}, False),
        ({"iat": None, "exp": 300}, True),
        ({"iat": None, "exp": 362}, False),
        ({"exp": -61}, False),
        ({"nbf": 62}, False),
        ({"exp": 86_400}, True),
    ],
    ids=str,
)
def test_an_assertion_is_at_most_five_minutes_old(place, clock, claims, accepted):
    client, _ = place.client(PRIVATE_KEY, jwks=KEYS)
    now = int(clock.moment.timestamp())
    moved = {key: value if value is None else now + value for key, value in claims.items()}
    assertion = place.assertion(client, **moved)
    if accepted:
        assert place.ask(assertion)
    else:
        assert place.refused(assertion) == (401, "invalid_client")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["https://other.example", ISSUER]},
        {"aud": f"{ISSUER}/oauth/token"},
    ],
    ids=str,
)
def test_audiences_of_an_assertion(place, claims):
    client, _ = place.client(PRIVATE_KEY, jwks=KEYS)
    assert place.ask(place.assertion(client, **claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": f"{ISSUER}/"},
        {"aud": "https://other.example"},
        {"aud": {"x": ISSUER}},
        {"aud": [[ISSUER]]},
        {"iss": "x"},
        {"iss": None},
        {"jti": ""},
        {"jti": ["x"]},
        {"iat": True},
        {"iat": "now"},
        {"iat": [1]},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(place, claims):
    client, _ = place.client(PRIVATE_KEY, jwks=KEYS)
    assert place.refused(place.assertion(client, **claims)) == (401, "invalid_client")


def test_keys_are_fetched_from_the_url_of_the_client(place, clock):
    client, _ = place.client(PRIVATE_KEY, jwks_uri="https://client.example/keys")
    place.keys = []
    assert place.refused(place.assertion(client)) == (503, "temporarily_unavailable")
    place.keys = [RSA]
    clock.advance(seconds=61)
    assert place.ask(place.assertion(client))


def test_a_token_of_a_trusted_issuer_is_an_assertion_of_its_trust(place):
    item = Trust(
        place.by.workspace.id,
        "0123456789abcdef",
        "default",
        "https://issuer.example",
        name("audience"),
        "subject",
        "tenant",
        "2026-01-01T00:00:00.000Z",
    ).to_item()
    trust = trust_from_item(item)
    place.run(place.storage.administer([item]))

    def exchange(key=RSA, client_id=trust.client_id, **claims):
        given = {
            "iss": trust.issuer,
            "aud": trust.audience,
            "sub": trust.subject,
            "tid": trust.tenant,
            "exp": int(clock.seconds()) + 60,
            **claims,
        }
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed(given, key)}
        return {**form, "client_id": client_id}

    for _ in range(2):
        assert place.ask(exchange())["expires_in"] == 3_600
    for wrong in (
        exchange(sub="other"),
        exchange(aud="other"),
        exchange(aud=[trust.audience, "other"]),
        exchange(iss="https://other.example"),
        exchange(tid="other"),
        exchange(tid=None),
        exchange(exp=1),
        exchange(exp=None),
        exchange(STRANGER),
    ):
        assert place.refused(wrong) == (401, "invalid_client")
    workspace = place.by.workspace.id
    for client_id in (f"{workspace + 1}.{trust.id}", f"{workspace}.{'0' * 16}", trust.id, ""):
        elsewhere = f"{place.address} elsewhere"
        refusal = place.refused(exchange(client_id=client_id or None), address=elsewhere)
        assert refusal == (401, "invalid_client")
    secret = {"client_id": trust.client_id, "client_secret": "x"}
    assert place.refused(secret) == (401, "invalid_client")


def test_attempts_are_limited_by_client_and_address_in_all_processes_together(place):
    client, secret = place.client()
    wrong = {"client_id": client.id, "client_secret": "wrong"}
    right = {"client_id": client.id, "client_secret": secret}
    for worker in [place.worker, place.other] * 5:
        assert place.refused(wrong, worker=worker) == (401, "invalid_client")
    with pytest.raises(OAuthError) as refusal:
        place.ask(right, worker=place.other)
    assert refusal.value.status == 429
    assert 0 < refusal.value.retry_after <= 600
    elsewhere = f"{place.address} elsewhere"
    assert place.ask(right, address=elsewhere)  # nobody locks a client out elsewhere


def test_attempts_with_many_client_ids_are_limited_by_address(place):
    for number in range(50):
        form = {"client_id": f"1.{number:016x}", "client_secret": "x"}
        assert place.refused(form)[0] == 401
    client, secret = place.client()
    assert place.refused({"client_id": client.id, "client_secret": secret})[0] == 429


def test_successes_do_not_use_up_the_attempts(place):
    client, secret = place.client()
    for _ in range(12):
        assert place.ask({"client_id": client.id, "client_secret": secret})


def test_parameters_without_a_value_count_as_left_out(place):
    client, secret = place.client()
    assert place.ask({"scope": "", "client_assertion": "", "x": "y"}, basic(client.id, secret))
    assert place.refused({"grant_type": ""}, basic(client.id, secret)) == (400, "invalid_request")
    long = {"scope": "x" * 20_000}
    assert place.refused(long, basic(client.id, secret)) == (400, "invalid_request")
