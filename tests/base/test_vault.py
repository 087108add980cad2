"""The vault: which keys decrypt, and how the key file is made."""

import base64
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.base.vault import LockedError, Vault, is_sealed, sealed_with

ONE, TWO = "1" * 32, "2" * 32


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_a_value_is_read_as_it_was_written(plain, context):
    vault = Vault([ONE])
    sealed = vault.seal(plain, context)
    assert is_sealed(sealed)
    assert sealed != vault.seal(plain, context)
    assert Vault([TWO, ONE]).open(sealed, context) == plain


def test_the_first_key_encrypts_and_every_key_decrypts():
    old = Vault([ONE]).seal(b"x", b"")
    both = Vault([TWO, ONE])
    new = both.seal(b"x", b"")
    assert both.open(old, b"") == both.open(new, b"") == b"x"
    assert sealed_with(new) == both.key_id() == Vault([TWO]).key_id() != sealed_with(old)
    with pytest.raises(LockedError, match=f"{sealed_with(old)}.*MUSTER_SECRET_KEY") as error:
        Vault([TWO]).open(old, b"")
    assert ONE not in str(error.value)
    assert TWO not in str(error.value)


@given(st.data())
def test_a_value_that_was_changed_or_moved_is_not_read(data):
    sealed = Vault([ONE]).seal(b"secret", b"here")
    place = data.draw(st.integers(len(b"muster-sealed-1:") + 4, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(LockedError, match="changed or moved"):
        Vault([ONE]).open(bytes(changed), b"here")
    with pytest.raises(LockedError, match="changed or moved"):
        Vault([ONE]).open(sealed, b"there")


def test_a_truncated_value_is_not_read():
    sealed = Vault([ONE]).seal(b"secret", b"")
    for length in range(len(b"muster-sealed-1:"), len(sealed)):
        with pytest.raises(LockedError):
            Vault([ONE]).open(sealed[:length], b"")


def test_a_key_file_is_made_for_its_owner_only_and_kept(tmp_path):
    file = tmp_path / "m.db.key"
    vault = Vault(file=file)
    assert vault.usable
    assert not file.exists()
    sealed = vault.seal(b"x", b"")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Vault(file=file).open(sealed, b"") == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["m.db.key"]
    line = file.read_text().splitlines()[1]
    assert len(base64.b64decode(line)) == 32
    assert Vault([line]).open(sealed, b"") == b"x"  # the same key as a setting


def test_processes_that_start_together_use_one_key_file(tmp_path):
    file, barrier, sealed = tmp_path / "m.db.key", threading.Barrier(8), []

    def begin():
        vault = Vault(file=file)
        barrier.wait()
        sealed.append(vault.seal(b"x", b""))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({sealed_with(value) for value in sealed}) == 1


def test_a_running_process_finds_a_key_that_another_one_adds(tmp_path):
    file = tmp_path / "m.db.key"
    running, command = Vault(file=file), Vault(file=file)
    old = running.seal(b"old", b"")
    command.add_key()
    new = command.seal(b"new", b"")
    assert sealed_with(new) != sealed_with(old)
    assert running.open(new, b"") == b"new"
    assert command.open(old, b"") == b"old"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_lost_key_file_is_not_replaced_by_another(tmp_path):
    file = tmp_path / "m.db.key"
    sealed = Vault(file=file).seal(b"x", b"")
    file.unlink()
    with pytest.raises(LockedError, match=f"key file of its server at {file}"):
        Vault(file=file).open(sealed, b"")
    assert not file.exists()


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe" * 40, b"short\n", "\u00e4".encode() * 40])
def test_a_damaged_key_file_has_no_keys_and_is_not_replaced(tmp_path, damaged):
    file = tmp_path / "key"
    sealed = Vault(file=file).seal(b"x", b"")
    file.write_bytes(damaged)
    with pytest.raises(LockedError, match="which is not known here"):
        Vault(file=file).open(sealed, b"")
    assert file.read_bytes() == damaged


def test_the_other_lines_of_a_damaged_key_file_are_read(tmp_path):
    file = tmp_path / "key"
    sealed = Vault(file=file).seal(b"x", b"")
    file.write_bytes(b"\xff" * 50 + b"\n" + file.read_bytes())
    assert Vault(file=file).open(sealed, b"") == b"x"


def test_a_key_file_that_is_a_folder_cannot_be_read(tmp_path):
    """Docker makes one where it is told to mount a file that does not exist."""
    sealed = Vault([ONE]).seal(b"x", b"")
    with pytest.raises(LockedError, match="cannot be read: is a directory"):
        Vault(file=tmp_path).open(sealed, b"")


def test_a_vault_without_keys_encrypts_nothing():
    assert not Vault().usable
    with pytest.raises(ValueError, match="no key"):
        Vault().seal(b"x", b"")
    with pytest.raises(ValueError, match="no key file"):
        Vault([ONE]).add_key()
    assert Vault([ONE]).origin == "MUSTER_SECRET_KEY"
