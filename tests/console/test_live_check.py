"""The requests that show whether a client is connected, and its attempts without a valid key."""

import asyncio
from dataclasses import replace

from muster.console.live_check import LATEST, LiveCheck
from muster.storage.port.accounts import KeyRecord
from muster.storage.port.items import INSTALLATION
from muster.storage.records.requests import RecordedRequest

HERE = 7
KEY = KeyRecord(HERE, "k", "Okta", b"", (), None, "2026-01-01T00:00:00.000Z", None, None, None)


def kept(number, key="k", answer=""):
    texts = ("GET", "/Users", "", 401, 1, "192.0.2.7", "", "", "", "", answer)
    return RecordedRequest(number, "2026-01-01T00:00:00.000Z", "r", key, "find", *texts)


class Requests:
    """Requests of workspaces, newest first."""

    def __init__(self, **found):
        self.found, self.asked = found, []

    async def find(self, workspace, wanted):
        self.asked.append((workspace, wanted))
        return self.found.get(f"w{workspace}", [])[: wanted.limit]


def attempts(requests, keys, others=()):
    return asyncio.run(LiveCheck(requests).attempts(HERE, keys, others))


def test_the_latest_requests_are_those_of_the_credential():
    requests = Requests(w7=[kept(number) for number in range(9)])
    assert len(asyncio.run(LiveCheck(requests).latest(HERE, "k"))) == LATEST
    [(workspace, wanted)] = requests.asked
    assert (workspace, wanted.key, wanted.limit) == (HERE, "k", LATEST)


def test_an_attempt_says_which_key_it_used_and_why_it_failed():
    detail = '{"detail":"The key \\"Okta\\" is revoked."}'
    revoked = replace(KEY, revoked="2026-01-02T00:00:00.000Z")
    requests = Requests(w7=[kept(2, answer=detail), kept(1, key="")])
    found = attempts(requests, {"k": revoked})
    assert [one.key for one in found] == ['The revoked key "Okta"', "An unknown key"]
    assert [one.reason for one in found] == [
        'The key "Okta" is revoked.',
        "The API key is not valid.",
    ]
    assert attempts(requests, {"k": KEY})[0].key.startswith('A token that resembles the key "Okta"')


def test_other_places_are_searched_only_if_that_is_asked():
    requests = Requests(w7=[kept(1)], **{f"w{INSTALLATION}": [kept(2)]})
    assert [one.page for one in attempts(requests, {})] == [True]
    found = attempts(requests, {}, [INSTALLATION])
    assert [(one.kept.number, one.page) for one in found] == [(2, False), (1, True)]
