"""Compare POST and PUT of generated documents with an independent oracle."""

import pytest

from tests.oracles.documents import fault_of_case
from tests.oracles.examples import check, run
from tests.oracles.ground import Ground

"""The server's loop shares its process with the oracle, whose garbage is collected on it."""


@pytest.mark.timeout(0)
@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_documents_are_stored_as_the_oracle_says(wary_host, strict):
    ground = Ground(wary_host.space(strict))
    check(run(wary_host.runner, lambda number: fault_of_case(ground, number)))
