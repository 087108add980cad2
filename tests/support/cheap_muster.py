"""`python -m muster` for the servers that many tests share: cheap password hashes, quick figures."""

import sys

from muster import app
from muster.cli.main import main
from tests.support.pace import record_refusals
from tests.support.passwords import make_cheap

# The workers are forks of this process.
make_cheap()
record_refusals()
app._TOUCH_SECONDS = 1.0  # 30 s in the product: tests wait for the last use of a key, and for usage
if __name__ == "__main__":
    sys.exit(main())
