"""Settings: which values are allowed."""

import pytest

from muster.config import Settings


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///muster", "postgresql://muster@h/m", "postgresql://m:p%40%2F@h:1/m", "postgresql://m@h1:1,h2:2/m",
        "postgresql://m@[::1]:5432/m", "postgresql:///m?host=/socket/dir", "postgresql://h/m?user=a%40b", "postgres://u@x@",
    ],
)  # fmt: skip
def test_urls_of_postgresql(url):
    if url.endswith("@"):
        with pytest.raises(ValueError, match="PGPASSWORD"):
            Settings(database=url)
    else:
        assert Settings(database=url).database == url
