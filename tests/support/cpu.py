"""A plugin that prints the processor time of each test and file: `pytest -p tests.support.cpu`.

Unlike the durations that pytest prints, processor time changes little on a busy machine. It counts
all threads of the process of the test and the children that have ended. A fixture that several
tests share counts for the first of them, and a process that outlives its test for nobody.
"""

import os
from collections import Counter

import pytest

_FILES, _TESTS = 15, 40
_PROPERTY = "cpu"
_totals: Counter[str] = Counter()


def _seconds() -> float:
    return sum(os.times()[:4])


_last = _seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Note the processor time since the last phase of a test. Workers send it on."""
    global _last  # noqa: PLW0603 (a process runs one test at a time)
    report = yield
    now = _seconds()
    report.user_properties.append((_PROPERTY, now - _last))
    _last = now
    return report


def pytest_runtest_logreport(report):
    _totals[report.nodeid] += dict(map(tuple, report.user_properties)).get(_PROPERTY, 0.0)


def pytest_terminal_summary(terminalreporter):
    files: Counter[str] = Counter()
    for test, seconds in _totals.items():
        files[test.partition("::")[0]] += seconds
    terminalreporter.section(f"processor time: {sum(files.values()):.1f} s")
    for name, seconds in (*files.most_common(_FILES), *_totals.most_common(_TESTS)):
        terminalreporter.write_line(f"{seconds:7.2f} s  {name}")
