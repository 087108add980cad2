"""Compare the results of generated filters with an independent oracle."""

import pytest

from tests.oracles.examples import check
from tests.oracles.searches import Directory

"""The server's loop shares its process with the oracle, whose garbage is collected on it."""


@pytest.fixture(scope="module", params=[False, True], ids=["lenient", "strict"])
def directory(host, request):
    return Directory(host.space(request.param))


@pytest.mark.timeout(0)
def test_filters_agree_with_the_oracle(directory):
    check(directory.faults())


@pytest.mark.timeout(0)
def test_broken_filters_are_refused_or_understood(directory):
    check(directory.faults_of_broken())


@pytest.mark.parametrize(
    "text",
    ['title\teq\t"x"', 'title eq"x"', 'title eq "x"and title pr', 'title eq "x" or(title pr)'],
)
def test_strict_workspaces_require_the_single_spaces_of_the_grammar(directory, text):
    answers = directory.answers("User", text)
    assert [answer.status for answer in answers] == [
        400 if directory.space.strict else answers[0].status
    ] * 2
