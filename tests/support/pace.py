"""Shorter pauses of background work in the process of the tests, and more recorded refusals.

Served processes keep the product's pauses, but for one: see `cheap_muster.py`.
"""

from muster import app
from muster.custom_schemas import indexer
from muster.events.webhooks import deliverer
from muster.http import service
from muster.http.management import feed
from muster.http.observe import recorder

_SECONDS = 0.05


def quicken() -> None:
    """Look for work after 0.05 s in place of 0.5 s."""
    record_refusals()
    recorder._FLUSH_SECONDS = _SECONDS
    app._TOUCH_SECONDS = deliverer._LOOK_SECONDS = 10 * _SECONDS
    for module in (deliverer, feed, indexer):
        module._ASK_SECONDS = _SECONDS


def record_refusals() -> None:
    """Record more than ten requests without a valid key in a second.

    The tests of a process share a service: those of one would not be recorded if another has just
    sent ten.
    """
    service._ATTRIBUTED = 200
