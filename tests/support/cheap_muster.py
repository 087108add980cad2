"""`python -m muster` with cheap password hashes, for the servers that many tests share."""

import sys

from muster.cli.main import main
from tests.support.passwords import make_cheap

make_cheap()  # the workers are forks of this process
if __name__ == "__main__":
    sys.exit(main())
