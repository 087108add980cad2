"""Claims: items by which one of several concurrent writers wins.

A writer whose decision depends on items that it cannot name, such as that no key has a certain
name, reads a claim before it decides. It writes the next state of the claim together with its
change, on the condition that the claim is as it was read. The storage raises Outdated for all
writers but the first.
"""

from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.items import Item


async def read_claim(accounts: Accounts, workspace: int, kind: str, claim_id: str) -> Item:
    """Return a claim as it stands; its body is None before the first writer."""
    return await accounts.item(workspace, kind, claim_id) or Item(workspace, kind, claim_id, None)


def claimed(claim: Item, **more: Json) -> Item:
    """Return the next state of a claim; its number makes it differ from the last.

    Args:
        claim: The claim as it was read.
        more: Further members of its body.
    """
    number = 0 if claim.body is None else claim.body["number"]
    return Item(claim.workspace, claim.kind, claim.id, {"number": number + 1, **more})
