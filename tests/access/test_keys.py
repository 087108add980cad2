"""API keys: valid and invalid tokens, expiry, rotation and revocation."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from muster.access.keys import KeyOptions, Keys
from muster.access.permissions import ADMIN, SCIM, allows
from muster.storage.sqlite import SqliteStorage
from tests.support.databases import migrated_file


class Installation:
    """A storage, its keys and its workspace."""

    def __init__(self, path, clock):
        self.runner = asyncio.Runner()
        self.storage = SqliteStorage(migrated_file(path))
        self.run(self.storage.start())
        self.clock = clock
        self.keys = Keys(self.storage)
        self.workspace = self.run(self.storage.add_workspace("w", "rfc7644", False, "x"))

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def key(self, **fields):
        return self.run(self.keys.create(self.workspace, "k", KeyOptions(**fields)))

    def close(self):
        self.run(self.storage.close())
        self.runner.close()


@pytest.fixture
def here(tmp_path, clock):
    clock.moment = datetime(2026, 1, 1, tzinfo=UTC)
    made = Installation(tmp_path / "here.db", clock)
    yield made
    made.close()


def test_a_key_grants_its_workspace_and_permissions(here):
    token, record = here.key(permissions=(SCIM,))
    grant = here.run(here.keys.check(token))
    assert (grant.workspace, grant.key) == (here.workspace, record)
    assert allows(grant.key.permissions, SCIM)
    assert not allows(grant.key.permissions, "Edit Roles")
    assert allows((ADMIN,), "Edit Roles")


def test_a_token_is_a_jwt_with_256_random_bits_stored_only_as_a_digest(here, tmp_path):
    token, _ = here.key()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert len(base64.urlsafe_b64decode(claims["jti"] + "=")) == 32
    here.run(here.storage.touch_keys({}))
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("here.db*"))
    assert token.encode() not in stored
    assert claims["jti"].encode() not in stored


def test_a_revoked_key_stops_at_the_next_check_in_every_worker(here):
    token, record = here.key()
    other = Keys(here.storage)
    assert here.run(here.keys.check(token))
    assert here.run(other.check(token))
    here.run(here.keys.revoke(here.workspace, record))
    assert here.run(here.keys.check(token)) is None
    assert here.run(other.check(token)) is None


def test_an_expired_key_stops(here):
    token, _ = here.key(lifetime=timedelta(hours=1))
    assert here.run(here.keys.check(token))
    here.clock.advance(hours=1)
    assert here.run(here.keys.check(token)) is None


def test_a_rotated_key_stays_valid_for_the_overlap(here):
    token, record = here.key(rate_limit=7)
    new_token, new = here.run(here.keys.rotate(here.workspace, record, timedelta(minutes=5)))
    assert (new.name, new.permissions, new.rate_limit) == (record.name, record.permissions, 7)
    assert here.run(here.keys.check(token))
    assert here.run(here.keys.check(new_token))
    here.clock.advance(minutes=5)
    assert here.run(here.keys.check(token)) is None
    assert here.run(here.keys.check(new_token))


def _tampered(token):
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    yield f"{part({'alg': 'none', 'typ': 'JWT'})}.{payload}."
    yield f"{part({'alg': 'none', 'typ': 'JWT'})}.{payload}.{signature}"
    yield f"{header}.{part(claims | {'wid': claims['wid'] + 1})}.{signature}"
    yield f"{header}.{payload}.{signature[:-2]}"
    yield f"{header}.{payload}."
    yield f"{header}.{payload}"
    yield jwt.encode(claims, b"another secret of thirty-two bytes", algorithm="HS256")
    yield from ("", ".", "..", "x", token + "x", "é" * 10, "\udcff", "a" * 100_000)


def test_forged_tokens_are_rejected(here):
    token, _ = here.key()
    assert here.run(here.keys.check(token))
    for forged in _tampered(token):
        assert here.run(here.keys.check(forged)) is None, forged


def test_signed_tokens_that_are_not_keys_are_rejected(here):
    token, record = here.key()
    claims = jwt.decode(token, options={"verify_signature": False})
    secret = here.run(here.storage.signing_secret())
    for changed in ({"jti": "other"}, {"wid": "1"}, {"wid": 10**30}, {"sub": 5}, {"sub": "nosuch"}):
        forged = (
            jwt.encode(claims | changed, secret, algorithm="HS256")
            if changed.get("sub") != 5
            else "x"
        )
        assert here.run(here.keys.check(forged)) is None, changed
    here.run(here.storage.administer([replace(record, id="other")]))
    assert here.run(here.keys.check(token))


def test_keys_of_another_installation_are_rejected(here, tmp_path):
    there = Installation(tmp_path / "there.db", here.clock)
    token, _ = there.key()
    there.close()
    here.key()
    assert here.run(here.keys.check(token)) is None


def test_settings_take_effect_at_the_next_check(here):
    token, _ = here.key()
    assert here.run(here.keys.check(token)).workspace.strict is False
    here.run(here.storage.administer([replace(here.workspace, strict=True)]))
    assert here.run(here.keys.check(token)).workspace.strict is True


def test_a_rotated_key_keeps_its_lifetime(here):
    _, endless = here.key()
    assert (
        here.run(here.keys.rotate(here.workspace, endless, timedelta(hours=1)))[1].expires is None
    )
    _, record = here.key(lifetime=timedelta(days=90))
    here.clock.advance(days=80)
    _, made = here.run(here.keys.rotate(here.workspace, record, timedelta(days=30)))
    assert datetime.fromisoformat(made.expires) == here.clock.moment + timedelta(days=90)
    kept = here.run(here.storage.key(here.workspace.id, record.id))
    assert kept.expires == record.expires  # the overlap gives it no more time than it had


def test_a_key_revoked_concurrently_stays_revoked(here):
    token, read = here.key()
    here.run(here.keys.revoke(here.workspace, read))
    here.run(here.keys.limit(here.workspace, read, 5))
    here.run(here.keys.rotate(here.workspace, read, timedelta(hours=1)))
    kept = here.run(here.storage.key(here.workspace.id, read.id))
    assert (kept.revoked is None, kept.rate_limit) == (False, 5)
    assert here.run(here.keys.check(token)) is None


def test_a_key_used_concurrently_can_be_revoked(here):
    token, read = here.key()
    here.run(here.storage.touch_keys({(here.workspace.id, read.id): "2030-01-01"}))
    here.run(here.keys.revoke(here.workspace, read))
    assert here.run(here.keys.check(token)) is None


@pytest.mark.parametrize(
    ("contract", "installation", "workspace", "key", "limit"),
    [
        ("rfc7644", 1500, None, None, 1500),
        ("cortex", 1500, None, None, 1000),
        ("cortex", 600, None, None, 600),
        ("cortex", 0, None, None, 0),
        ("cortex", 1500, 3000, None, 3000),
        ("cortex", 1500, 3000, 5000, 5000),
        ("cortex", 1500, None, 0, 0),
        ("rfc7644", 1500, 3000, None, 3000),
        ("rfc7644", 1500, 3000, 7, 7),
        ("rfc7644", None, None, None, None),
        ("cortex", None, None, None, None),
    ],
)
def test_the_rate_limit_comes_from_key_then_workspace_then_contract(
    here, contract, installation, workspace, key, limit
):
    changed = replace(here.workspace, contract=contract, rate_limit=workspace)
    here.run(here.storage.administer([changed], [], []))
    token, _ = here.run(Keys(here.storage).create(changed, "k", KeyOptions(rate_limit=key)))
    grant = here.run(Keys(here.storage, installation).check(token))
    assert grant.limit == limit


@pytest.mark.parametrize(
    ("installation", "ceiling", "key", "limit"),
    [
        (1500, 0, 0, 0),
        (1500, 0, 90_000, 90_000),
        (1500, 3000, 0, 3000),
        (1500, 3000, 90_000, 3000),
        (1500, 3000, 3000, 3000),
        (1500, 3000, 7, 7),
        (1500, 3000, None, 1500),
        (0, 3000, None, 3000),
    ],
)
def test_the_ceiling_caps_every_rate_limit(here, installation, ceiling, key, limit):
    token, _ = here.run(Keys(here.storage).create(here.workspace, "k", KeyOptions(rate_limit=key)))
    grant = here.run(Keys(here.storage, installation, ceiling).check(token))
    assert grant.limit == limit
