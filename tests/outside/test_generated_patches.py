"""Compare the results of generated PATCH operations with an independent oracle."""

import pytest

from tests.oracles.examples import check, run
from tests.oracles.ground import Ground
from tests.oracles.patches import fault_of_case

"""The server's loop shares its process with the oracle, whose garbage is collected on it."""


@pytest.mark.timeout(0)
@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
def test_patches_agree_with_the_oracle(wary_host, strict):
    ground = Ground(wary_host.space(strict))
    check(run(wary_host.runner, lambda number: fault_of_case(ground, number)))
