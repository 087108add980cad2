"""`python -m muster` whose lists of groups break off after their first bytes."""

import sys

from muster.cli.main import main
from muster.http.scim import listing

_streamed = listing.streamed


async def _breaking(body):
    async for piece in body:
        yield piece + b" " * 300_000  # more than is collected, so it is sent in pieces
        raise TimeoutError("the disk does not answer")


listing.streamed = lambda status, headers, body: _streamed(status, headers, _breaking(body))
if __name__ == "__main__":
    sys.exit(main())
