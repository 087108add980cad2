"""Secrets in parameters that name attributes, and in the paths of bulk operations, are masked."""

from urllib.parse import quote

import orjson
import pytest

from muster.scim.masking import MASK, Masker
from muster.scim.schema.model import registry

SECRET = "S3cretWords"


@pytest.mark.parametrize("name", ["sortBy", "attributes", "excludedAttributes", "SORTBY"])
@pytest.mark.parametrize(
    "value", [f'password[value eq "{SECRET}"]', f"userName,password:{SECRET}", f"password={SECRET}"]
)
def test_a_secret_in_a_list_of_names_is_masked(name, value):
    masker = Masker(registry(), "/Users")
    assert masker.query(f"{name}={quote(value)}") == f"{name}={MASK}"
    answer = orjson.dumps({"detail": f"sortBy: unknown {value}", "other": value})
    assert SECRET not in orjson.dumps(masker.answer(answer)).decode()


@pytest.mark.parametrize("value", ["password", "userName,emails.value", "name.givenName", "100"])
def test_names_of_attributes_are_kept(value):
    query = f"attributes={quote(value)}"
    assert Masker(registry(), "/Users").query(query) == query


@pytest.mark.parametrize("mark", ["?password=", ";", "?x=1&token="])
def test_a_secret_in_a_bulk_path_is_masked_in_the_answer_too(mark):
    path = f"/Users/7{mark}{SECRET}"
    body = {"Operations": [{"method": "DELETE", "path": path}]}
    masker = Masker(registry(), "/Bulk")
    assert SECRET not in orjson.dumps(masker.message(orjson.dumps(body))).decode()
    answer = orjson.dumps({"Operations": [{"location": f"https://x{path}", "status": "404"}]})
    assert SECRET not in orjson.dumps(masker.answer(answer)).decode()
