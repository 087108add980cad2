"""Role mappings: map values of a user's `roles` to roles of the workspace.

The roles of a user are computed when they are read and never stored.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from muster.access.audit_notes import Administrator
from muster.scim.errors import ScimError, invalid_value, not_found
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.items import Item

MAPPING_KIND = "role-mapping"
_MAX_MAPPINGS = 10_000
_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """Grants a role, with an optional tag, to users with a value among their `roles`."""

    id: str
    idp_value: str
    role: str
    tag: str | None

    def granted(self) -> dict[str, Json]:
        """Return the granted role as JSON."""
        return {"role": self.role, "tag": self.tag}


class RoleMappings:
    """Creates and removes the role mappings of a workspace."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def all(self, workspace: int) -> Sequence[RoleMapping]:
        """Return the mappings of a workspace, ordered by value."""
        found = [
            RoleMapping(item.id, **item.body)
            for item in await self._accounts.items(workspace, MAPPING_KIND)
        ]
        return sorted(found, key=order)

    async def create(
        self, by: Administrator, idp_value: str, role: str, tag: str | None
    ) -> tuple[RoleMapping, bool]:
        """Create a mapping.

        Args:
            by: The administrator.
            idp_value: A value of `roles`, as the identity provider sends it.
            role: The name of the role that it grants.
            tag: The tag of the role.

        Returns:
            The mapping, and whether it is new.

        Raises:
            ScimError: 400 if a text is blank or too long, 409 if there are too many mappings.
        """
        mapping = mapping_of(idp_value, role, tag)
        there = {item.id for item in await self._accounts.items(by.workspace.id, MAPPING_KIND)}
        if mapping.id in there:
            return mapping, False
        if len(there) >= _MAX_MAPPINGS:
            raise ScimError(409, f"A workspace can have at most {_MAX_MAPPINGS:,} role mappings.")
        body = {"idp_value": mapping.idp_value, "role": mapping.role, "tag": mapping.tag}
        note = by.note(
            "RoleMapping", mapping.id, "create", idpValue=mapping.idp_value, role=mapping.granted()
        )
        await self._accounts.administer(
            [Item(by.workspace.id, MAPPING_KIND, mapping.id, body)], [note]
        )
        return mapping, True

    async def delete(self, by: Administrator, mapping_id: str) -> RoleMapping:
        """Remove a mapping and return it.

        Raises:
            ScimError: 404 if it does not exist.
        """
        mapping = await self.get(by.workspace.id, mapping_id)
        note = by.note(
            "RoleMapping", mapping.id, "delete", idpValue=mapping.idp_value, role=mapping.granted()
        )
        await self._accounts.administer(
            [Item(by.workspace.id, MAPPING_KIND, mapping_id, None)], [note]
        )
        return mapping

    async def get(self, workspace: int, mapping_id: str) -> RoleMapping:
        """Return a mapping.

        Raises:
            ScimError: 404 if it does not exist.
        """
        item = await self._accounts.item(workspace, MAPPING_KIND, mapping_id)
        if item is not None:
            return RoleMapping(item.id, **item.body)
        raise not_found(f"Role mapping {mapping_id[:100]!r} not found.")


def order(mapping: RoleMapping) -> tuple[str, str, str]:
    """Return the sort key of a mapping."""
    return (mapping.idp_value, mapping.role, mapping.tag or "")


def mapping_of(idp_value: str, role: str, tag: str | None) -> RoleMapping:
    """Return the mapping with these texts, which need not be stored.

    Raises:
        ScimError: 400 if a text is blank or too long.
    """
    _check(idp_value, "idpValue")
    _check(role, "role.role")
    if tag is not None:
        _check(tag, "role.tag")
    digest = hashlib.sha256(orjson.dumps([idp_value, role, tag])).hexdigest()[:24]
    return RoleMapping(digest, idp_value, role, tag)


def _check(value: str, where: str) -> None:
    if not value.strip() or len(value) > _MAX_LENGTH or "\0" in value:
        raise invalid_value(f"{where}: expected 1 to {_MAX_LENGTH} characters, not all blank")


def granted(roles: Json, mappings: Iterable[RoleMapping]) -> list[dict[str, Any]]:
    """Return the workspace roles granted by a user's `roles`.

    Each role lists the mappings that grant it under `because`, with the matching value.
    """
    values = {
        role["value"]: role
        for role in roles or ()
        if isinstance(role, dict) and isinstance(role.get("value"), str)
    }
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for mapping in mappings:
        if mapping.idp_value in values:
            entry = found.setdefault(
                (mapping.role, mapping.tag), {**mapping.granted(), "because": []}
            )
            entry["because"].append({"mapping": mapping.id, "idpValue": mapping.idp_value})
    return list(found.values())
