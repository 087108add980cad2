"""A plugin that runs tests in forked processes: `pytest -p tests.support.forks --forks 4`.

The workers of pytest-xdist import and collect every test each, which takes seconds of processor
time in each of them. Here one process collects, and its forks begin with all modules imported. They
take the next group of tests as soon as they are done with one, and send their reports to the first
process. Tests of one file stay together, because they share fixtures.
"""

import itertools
import multiprocessing
import os
import traceback
from multiprocessing.connection import Connection, wait

import pytest

_MOST = 60
"""The most tests in a group, so that a long file at the end does not keep one process alone."""


def pytest_addoption(parser):
    parser.addoption("--forks", type=int, default=0, help="run the tests in so many processes")


def _groups(items):
    """Return ranges of tests of one file each."""
    ranges, start = [], 0
    for _, some in itertools.groupby(items, key=lambda item: item.path):
        end = start + len(list(some))
        ranges += [range(at, min(at + _MOST, end)) for at in range(start, end, _MOST)]
        start = end
    return ranges


class _Sender:
    """Sends the reports of a fork, whose terminal reporter would print them."""

    def __init__(self, config, pipe: Connection) -> None:
        self._config, self._pipe = config, pipe

    def pytest_runtest_logreport(self, report):
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._pipe.send(data)


def _next(groups, turn):
    with turn.get_lock():
        at, turn.value = turn.value, turn.value + 1
    return groups[at] if at < len(groups) else None


def _work(session, groups, turn, pipe: Connection) -> None:
    """Run group after group until none is left."""
    config = session.config
    config.pluginmanager.unregister(name="terminalreporter")
    config.pluginmanager.register(_Sender(config, pipe))
    item = None
    # A test is told the one after it, which decides which fixtures are taken down in between.
    for group in iter(lambda: _next(groups, turn), None):
        for index in group:
            if item is not None:
                config.hook.pytest_runtest_protocol(item=item, nextitem=session.items[index])
            item = session.items[index]
    if item is not None:
        config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    pipe.send(None)


def _fork(session, groups, turn) -> Connection:
    """Start a fork, and return the end of a pipe that receives its reports."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    if os.fork():
        sending.close()
        return receiving
    status = 1
    try:
        receiving.close()
        _work(session, groups, turn, sending)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)  # the plugins of the first process alone end the run


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Run the collected tests in forks."""
    config = session.config
    if not config.option.forks or session.testsfailed or config.option.collectonly:
        return None
    config._tmp_path_factory.getbasetemp()  # made here, for all of them
    groups, turn = _groups(session.items), multiprocessing.Value("i", 0)
    # The largest groups first: the last ones are short, and the forks end together.
    groups.sort(key=len, reverse=True)
    pipes = [_fork(session, groups, turn) for _ in range(config.option.forks)]
    while pipes:
        for pipe in wait(pipes):
            try:
                data = pipe.recv()
            except EOFError:
                pipes.remove(pipe)
                session.shouldfail = "a process of the tests died"
                continue
            if data is None:
                pipes.remove(pipe)
                continue
            report = config.hook.pytest_report_from_serializable(config=config, data=data)
            config.hook.pytest_runtest_logreport(report=report)
        if session.shouldfail or session.shouldstop:
            turn.value = len(groups)
    for _ in range(config.option.forks):
        os.wait()
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True
