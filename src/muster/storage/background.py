"""Rounds of background work: an error ends one round, never the work."""

import contextlib
import logging
from collections.abc import Iterator

from muster.storage.port.errors import StatementRejected, StorageError

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def log_and_continue(work: str) -> Iterator[None]:
    """Run one round of background work; an error ends only this round.

    Errors of the storage are expected during an outage and are not logged. All others, and rejected
    statements, are defects and are logged.

    Args:
        work: The name of the work in the log.
    """
    try:
        yield
    except StatementRejected:
        _log.exception("%s failed; it will be tried again", work)
    except StorageError:
        pass
    except Exception:
        _log.exception("%s failed; it will be tried again", work)
