"""Encrypts the secrets in the database under a key that the database does not contain.

The key comes from `MUSTER_SECRET_KEY`, or from a file beside the SQLite database. Several keys may
be given: the first one encrypts, and each of them decrypts, so that a key can be replaced while the
service runs. Values are encrypted with AES-256-GCM and bound to their place: a value that is copied
to another row is not decrypted there.
"""

import base64
import hmac
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"muster-sealed-1:"
"""The beginning of an encrypted value, before the id of its key."""
LEAST = 32
"""The fewest characters of a key."""
_ID_BYTES, _NONCE = 4, 12
_HEADER = "# The key of the secrets in the database. Keep a copy apart from its backups.\n"


class LockedError(Exception):
    """A value is encrypted under a key that is not known here; the message names it."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A key.

    Attributes:
        id: A fingerprint, stored with the values that the key encrypts.
    """

    id: bytes
    secret: bytes


def _read(text: str) -> _Key:
    secret = hmac.digest(text.encode(), b"muster secrets 1", "sha256")
    return _Key(hmac.digest(secret, b"id", "sha256")[:_ID_BYTES], secret)


class Vault:
    """The keys of an installation.

    Args:
        given: The keys of MUSTER_SECRET_KEY; the first one encrypts.
        file: The key file; None if there is to be none. It is made when it is first needed.
    """

    def __init__(self, given: Sequence[str] = (), file: Path | None = None) -> None:
        self._given = [_read(text) for text in given]
        self._filed: list[_Key] = []
        self.file = file

    @property
    def usable(self) -> bool:
        """Whether it can encrypt, making the key file if there is none."""
        return bool(self._given) or self.file is not None

    @property
    def origin(self) -> str:
        """The place of the key that encrypts."""
        return "MUSTER_SECRET_KEY" if self._given else str(self.file)

    def key_id(self) -> str:
        """Return the id of the key that encrypts. Raises OSError if no key file can be made."""
        return self._first().id.hex()

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt a value.

        Args:
            plain: The value.
            context: Its place, which must be the same when it is decrypted.

        Raises:
            OSError: The key file cannot be made.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key, nonce = self._first(), secrets.token_bytes(_NONCE)
        return MAGIC + key.id + nonce + AESGCM(key.secret).encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt a value.

        Raises:
            LockedError: Its key is not known here, or it was changed or moved.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key_id, rest = sealed[len(MAGIC) :][:_ID_BYTES], sealed[len(MAGIC) + _ID_BYTES :]
        key = self._find(key_id)
        if key is None:
            raise LockedError(self._missing(key_id.hex()))
        try:
            return AESGCM(key.secret).decrypt(rest[:_NONCE], rest[_NONCE:], context)
        except (InvalidTag, ValueError):  # a nonce that is cut short is a ValueError
            raise LockedError(
                f"A secret under the key {key_id.hex()} was changed or moved, and cannot be read."
            ) from None

    def add_key(self) -> None:
        """Add a new key to the key file, which encrypts from now on; the others still decrypt."""
        if self.file is None:
            raise ValueError("there is no key file")
        kept = _lines(self.file)
        _replace(self.file, [base64.b64encode(secrets.token_bytes(32)).decode(), *kept])
        self._load()

    def _first(self) -> _Key:
        if self._given:
            return self._given[0]
        if not self._filed and self.file is not None:
            _create(self.file)
            self._load()
        if not self._filed:
            raise ValueError("no key is given")
        return self._filed[0]

    def _find(self, key_id: bytes) -> _Key | None:
        found = self._known(key_id)
        if found is None:
            try:
                self._load()  # another process may have added it
            except OSError as error:
                raise LockedError(
                    f"The key file {self.file} cannot be read: {str(error.strerror).lower()}."
                ) from error
            found = self._known(key_id)
        return found

    def _known(self, key_id: bytes) -> _Key | None:
        return next((key for key in (*self._given, *self._filed) if key.id == key_id), None)

    def _load(self) -> None:
        self._filed = [] if self.file is None else [_read(line) for line in _lines(self.file)]

    def _missing(self, key_id: str) -> str:
        known = ", ".join(key.id.hex() for key in (*self._given, *self._filed)) or "none"
        place = "" if self.file is None else f", or put the key file of its server at {self.file}"
        return (
            f"The secrets in the database are encrypted with the key {key_id}, which is not known"
            f" here (known: {known}). Set MUSTER_SECRET_KEY to that key{place}."
        )


def is_sealed(value: bytes) -> bool:
    """Tell whether a value is encrypted."""
    return value.startswith(MAGIC)


def sealed_with(value: bytes) -> str:
    """Return the id of the key of an encrypted value."""
    return value[len(MAGIC) :][:_ID_BYTES].hex()


def _lines(file: Path) -> list[str]:
    """Return the keys in a file; other lines, such as those of a damaged file, are left out."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return []
    lines = [line.strip().decode() for line in content.splitlines() if line.isascii()]
    return [line for line in lines if len(line) >= LEAST and not line.startswith("#")]


def _create(file: Path) -> None:
    """Make a key file, complete or not at all, unless another process does so first."""
    if not file.exists():
        _write(file, [base64.b64encode(secrets.token_bytes(32)).decode()], os.link)


def _replace(file: Path, lines: Iterable[str]) -> None:
    _write(file, lines, os.replace)


def _write(file: Path, lines: Iterable[str], publish: Callable[[Path, Path], None]) -> None:
    # Threads, and processes of two containers, may have the same process id.
    partial = file.with_name(f"{file.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(_HEADER + "".join(f"{line}\n" for line in lines))
            opened.flush()
            os.fsync(opened.fileno())
        try:
            publish(partial, file)
        except FileExistsError:
            return
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        partial.unlink(missing_ok=True)
