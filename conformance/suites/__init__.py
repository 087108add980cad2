"""The suites, by the name that `make conformance SUITE=…` takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conformance.results import Case, Deviation
from conformance.target import Target


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite.

    Attributes:
        name: Its name on the command line and in the results.
        title: Its name for people.
        version: Its version, or the date of the document that it is written from.
        about: The cases, as a sentence.
        sources: The pages or packages that it comes from.
        run: Runs it.
        deviations: The cases that do not pass, and why.
    """

    name: str
    title: str
    version: str
    about: str
    sources: tuple[str, ...]
    run: Callable[[Target], Sequence[Case]]
    deviations: tuple[Deviation, ...] = ()


def every() -> dict[str, Suite]:
    """Return the suites by name. Their imports take a second, so they are made here."""
    from conformance.suites import (
        clients,
        entra,
        okta,
        openapi,
        oracles,
        sanity,
        tester,
    )

    found = (
        tester.SUITE,
        *sanity.SUITES,
        *openapi.SUITES,
        okta.SPEC,
        okta.ENTITLEMENTS,
        entra.SUITE,
        clients.SUITE,
        *oracles.SUITES,
    )
    return {suite.name: suite for suite in found}
