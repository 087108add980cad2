"""Rounds of background work: an error ends a round, never the work."""

import contextlib
import logging
from collections.abc import Iterator

from muster.storage.port.errors import StatementRejected, StorageError

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def log_and_continue(what: str) -> Iterator[None]:
    """Around a round, which is tried again with the next. The storage's errors are passed over; any other is ours, and logged.

    what: the work, as the log names it.
    """
    try:
        yield
    except StatementRejected:
        _log.exception("%s failed, and will be tried again", what)
    except StorageError:
        pass
    except Exception:
        _log.exception("%s failed, and will be tried again", what)
