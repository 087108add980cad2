"""The registry of each workspace: standard and custom resource types and schemas."""

from collections import OrderedDict

from muster.scim.schema.custom import CustomSchema, extended
from muster.scim.schema.interop import interoperable
from muster.scim.schema.model import Registry, registry
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts, Workspace

SCHEMA_KIND = "schema"
TYPE_KIND = "resource-type"
PROGRESS_KIND = "index-progress"
_KEPT = 2000
_Configured = tuple[list[Json], list[Json], bool, bool]


class Registries:
    """Builds and caches registries; rebuilds one after its definitions have changed."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._made: OrderedDict[int, tuple[_Configured, Registry]] = OrderedDict()

    async def of(self, workspace: Workspace) -> Registry:
        """Return the registry for the current configuration of a workspace."""
        schemas = [item.body for item in await self._accounts.items(workspace.id, SCHEMA_KIND)]
        types = [item.body for item in await self._accounts.items(workspace.id, TYPE_KIND)]
        configured = (schemas, types, workspace.unique_group_names, workspace.is_ipsie)
        if not any(configured):
            return registry()
        made = self._made.get(workspace.id)
        if made is None or made[0] != configured:
            custom = [CustomSchema.from_json(body) for body in schemas]
            found = extended(registry(), custom, types, workspace.unique_group_names)
            made = configured, interoperable(found) if workspace.is_ipsie else found
            self._made[workspace.id] = made
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return made[1]
