"""The errors that an engine raises."""

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class StorageError(Exception):
    """The engine cannot answer.

    Attributes:
        status: The HTTP status of the answer.
        retry_after: Seconds after which another attempt may succeed, or None.
    """

    status = 503
    retry_after: int | None = 1


def copy_exception(error: E) -> E:
    """Return a copy of an exception with its cause and without its traceback.

    If several callers wait for one result and it fails, each of them raises a copy: an instance
    that is raised repeatedly collects the frames of all of them.
    """
    copied = type(error).__new__(type(error), *error.args)
    copied.__dict__.update(error.__dict__)
    copied.__cause__ = error.__cause__
    return copied


class StorageFull(StorageError):
    """The disk is full: writes fail, and reads continue."""

    status = 507
    retry_after = None


class StorageCorrupt(StorageError):
    """The database reports that it is damaged."""

    status = 500
    retry_after = None


class StatementRejected(StorageError):
    """The database rejected a statement as wrong: a defect in muster, never an outage.

    The request is answered with 500, and the tests fail if a server under test logs one.
    """

    status = 500
    retry_after = None


class PageTooLarge(StorageError):
    """The documents of a page exceed MUSTER_MAX_PAGE_BYTES."""

    status = 400
    retry_after = None

    def __init__(self) -> None:
        super().__init__(
            "The page would exceed MUSTER_MAX_PAGE_BYTES. Ask for fewer resources with count."
        )


class SecretsLocked(StorageError):
    """The secrets in the database are encrypted under a key that is not known here."""

    retry_after = None


class Outdated(StorageError):
    """A change was based on a state that has changed since; nothing was stored."""

    status = 409

    def __init__(self) -> None:
        super().__init__("Somebody else has changed this in the meantime. Reload it and try again.")


class NewerDatabase(StorageError):
    """The database was migrated by a later version of muster."""


class Conflict(Exception):
    """Another resource has a unique value.

    Attributes:
        attribute: The path of the attribute with the value.
    """

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute


class NoSuchMember(Exception):
    """A group's new member is not a user or group of the workspace.

    Attributes:
        id: The id as the client sent it.
    """

    def __init__(self, resource_id: str) -> None:
        super().__init__(resource_id)
        self.id = resource_id


class Held(Exception):
    """The guard refuses a write.

    Attributes:
        done: Users who lost access within the guard's window.
        allowed: Users who may lose access within it.
    """

    def __init__(self, done: int, allowed: int) -> None:
        super().__init__(done, allowed)
        self.done = done
        self.allowed = allowed


class Owned(Exception):
    """Another connection owns a resource exclusively.

    Attributes:
        connection: The id of the connection; None for `default`.
    """

    def __init__(self, connection: str | None) -> None:
        super().__init__(connection)
        self.connection = connection


class KeyTaken(Exception):
    """Another resource has the key of a generated id; generate another id."""


class TooExpensive(Exception):
    """A search exceeded its time budget."""
