"""Errors of the storage."""

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class StorageError(Exception):
    """The engine cannot answer. retry_after: seconds after which another try may succeed, or None. status: for the edge."""

    status = 503
    retry_after: int | None = 1


def copy_of(error: E) -> E:
    """A copy of an exception with its cause and without its traceback.

    Where several callers wait for one result that fails, each raises a copy: an instance that is raised again and again collects
    the frames of all of them.
    """
    copied = type(error).__new__(type(error), *error.args)
    copied.__dict__.update(error.__dict__)
    copied.__cause__ = error.__cause__
    return copied


class StorageFull(StorageError):
    """There is no room for a write; reads go on."""

    status = 507
    retry_after = None


class StorageCorrupt(StorageError):
    """The database says that it is damaged."""

    status = 500
    retry_after = None


class StatementRejected(StorageError):
    """The database refused a statement as wrong: a defect in muster, never an outage.

    A request is answered 500, and the tests fail if a server under test logs one.
    """

    status = 500
    retry_after = None


class PageTooLarge(StorageError):
    """The documents of a page are too many bytes together."""

    status = 400
    retry_after = None

    def __init__(self) -> None:
        super().__init__(
            "the page is larger than a page may be (MUSTER_MAX_PAGE_BYTES): ask for fewer resources by count"
        )


class Outdated(StorageError):
    """What a change was decided from has been changed by somebody else since: nothing was kept."""

    status = 409

    def __init__(self) -> None:
        super().__init__("somebody else has changed this just now: look again, and try once more")


class NewerDatabase(StorageError):
    """The database was migrated by a later version of muster."""


class Conflict(Exception):
    """A unique value is another resource's. attribute: the path whose value it is."""

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute


class NoSuchMember(Exception):
    """What is to be a member is no user or group of the workspace. id: as it was given."""

    def __init__(self, resource_id: str) -> None:
        super().__init__(resource_id)
        self.id = resource_id


class Held(Exception):
    """The guard holds a write. done: how many were deprovisioned in its window; allowed: how many may be."""

    def __init__(self, done: int, allowed: int) -> None:
        super().__init__(done, allowed)
        self.done = done
        self.allowed = allowed


class KeyTaken(Exception):
    """The id's key is another resource's: make another id."""


class TooExpensive(Exception):
    """A scan used up its time."""
