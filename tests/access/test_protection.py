"""Protected users: a limited number of each workspace, and a reason for each."""

import pytest

from muster.access import protection
from muster.access.protection import MOST_PROTECTED, Protection
from muster.scim.errors import ScimError


@pytest.mark.slow
def test_so_many_users_are_protected_and_no_more(bench, administrator):
    protected = Protection(bench.storage)
    for number in range(MOST_PROTECTED):
        bench.run(protected.protect(administrator, f"user-{number}", ""))
    with pytest.raises(ScimError) as refused:
        bench.run(protected.protect(administrator, "one-more", ""))
    assert (refused.value.status, f"{MOST_PROTECTED:,}" in refused.value.detail) == (409, True)
    changed = bench.run(protected.protect(administrator, "user-1", "a reason"))
    assert changed.reason == "a reason"
    assert len(bench.run(protected.all(administrator.workspace.id))) == MOST_PROTECTED


def test_a_reason_has_so_many_characters_and_no_more(bench, administrator):
    protected = Protection(bench.storage)
    longest = "x" * protection._MAX_REASON
    assert bench.run(protected.protect(administrator, "a", longest)).reason == longest
    with pytest.raises(ScimError) as refused:
        bench.run(protected.protect(administrator, "b", longest + "x"))
    assert refused.value.status == 400
    assert bench.run(protected.find(administrator.workspace.id, "b")) is None
