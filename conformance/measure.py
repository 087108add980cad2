"""Runs a suite against a target and counts its cases."""

from conformance.results import Run
from conformance.suites import Suite
from conformance.target import Target
from muster.base.clock import timestamp


def measure(suite: Suite, target: Target) -> Run:
    """Run a suite. Returns its numbers, with the reason of each case that did not pass."""
    day = timestamp()[:10]
    found = Run(suite.name, suite.version, day, target.engine, target.mode)
    found.add(suite.run(target), suite.deviations)
    return found
