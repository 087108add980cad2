"""Platform keys: stored as hashes, checked by their whole token, and ended at once."""

from datetime import timedelta

import pytest

from muster.access.platform_keys import MAX_KEYS, PREFIX, PlatformKeys
from muster.scim.errors import ScimError
from muster.storage.port.changes import ChangeOrigin
from muster.storage.port.engine import Statement
from muster.storage.port.items import INSTALLATION

ORIGIN = ChangeOrigin("admin:a@example.com", "r", "2026-01-01T00:00:00.000Z", "192.0.2.1")


@pytest.fixture
def keys(bench):
    made = PlatformKeys(bench.storage)
    yield made
    for key in bench.run(made.all()):
        if key.revoked is None:
            bench.run(made.revoke(key.id, ORIGIN))


def test_a_key_is_known_by_its_whole_token_and_stored_as_a_hash(bench, keys):
    token, made = bench.run(keys.create(" signup ", ORIGIN))
    assert (made.name, made.created_by) == ("signup", ORIGIN.actor)
    assert token.startswith(f"{PREFIX}{made.id}_")
    assert bench.run(keys.check(token)) == made
    secret = token.rpartition("_")[2]
    for wrong in (
        token[:-1], token + "x", token.upper(), token.replace("platform", "plat"), secret, "",
        token.replace(made.id, "0" * 16), token[:-1] + ("a" if token[-1] != "a" else "b"), f" {token}",
    ):  # fmt: skip
        assert bench.run(keys.check(wrong)) is None
    (item,) = bench.run(bench.storage.items(INSTALLATION, "platform-key"))[:1]
    assert secret not in str(item.body)


def test_a_revoked_key_ends_in_every_process_at_once(bench, keys):
    other = PlatformKeys(bench.storage)
    token, made = bench.run(keys.create("revoked", ORIGIN))
    assert bench.run(other.check(token)) == made
    revoked = bench.run(keys.revoke(made.id, ORIGIN))
    assert bench.run(other.check(token)) is None
    assert revoked in bench.run(keys.all())
    for key_id, status in ((made.id, 409), ("x", 404)):
        with pytest.raises(ScimError) as refused:
            bench.run(keys.revoke(key_id, ORIGIN))
        assert refused.value.status == status


def test_a_key_expires(bench, keys, clock):
    token, made = bench.run(keys.create("expires", ORIGIN, timedelta(days=1)))
    assert bench.run(keys.check(token)) == made
    clock.advance(days=1, seconds=1)
    assert bench.run(keys.check(token)) is None
    bench.run(keys.create("Expires", ORIGIN))  # its name is free again


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb", "a\x00"])
def test_a_name_that_no_key_can_have_is_refused(bench, keys, name):
    with pytest.raises(ScimError) as refused:
        bench.run(keys.create(name, ORIGIN))
    assert refused.value.status == 400


def test_two_active_keys_have_two_names(bench, keys):
    bench.run(keys.create("one", ORIGIN))
    with pytest.raises(ScimError) as refused:
        bench.run(keys.create("ONE", ORIGIN))
    assert refused.value.status == 409


def test_an_installation_has_so_many_keys(bench, keys, monkeypatch):
    monkeypatch.setattr("muster.access.platform_keys.MAX_KEYS", 2)
    for number in range(2):
        bench.run(keys.create(f"many {number}", ORIGIN))
    with pytest.raises(ScimError) as refused:
        bench.run(keys.create("one more", ORIGIN))
    assert (refused.value.status, MAX_KEYS) == (400, 100)


def test_the_last_use_of_keys_is_recorded_and_no_cache_is_lost(bench, keys):
    _, made = bench.run(keys.create("used", ORIGIN))
    query = Statement("SELECT epoch FROM installation", ())
    epoch = bench.run(bench.storage.query(query))
    bench.run(keys.touch({made.id}))
    assert made.id in bench.run(keys.last_used())
    assert bench.run(bench.storage.query(query)) == epoch
