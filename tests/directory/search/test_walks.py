"""Remembered positions: the latest ones, each for its own list and offset."""

import pytest

from muster.directory.search import walks
from muster.directory.search.walks import Walks, WalkStep
from muster.storage.port.resources import Position


def step(number):
    return WalkStep(Position(None, number), number, number)


def test_a_step_is_recalled_for_its_list_and_offset_only():
    remembered = Walks()
    remembered.remember(("users",), 100, step(1))
    remembered.remember(("groups",), 100, step(2))
    remembered.remember(("users",), 200, step(3))
    assert remembered.recall(("users",), 100) == step(1)
    assert remembered.recall(("groups",), 100) == step(2)
    assert remembered.recall(("groups",), 200) is None
    remembered.remember(("users",), 100, step(4))
    assert remembered.recall(("users",), 100) == step(4)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(walks, "_REMEMBERED", 3)


@pytest.mark.usefixtures("few")
def test_the_step_remembered_longest_ago_is_forgotten_first():
    remembered = Walks()
    for number in (1, 2, 3, 1, 4):
        remembered.remember(("users",), number, step(number))
    kept = [number for number in range(5) if remembered.recall(("users",), number)]
    assert kept == [1, 3, 4]
