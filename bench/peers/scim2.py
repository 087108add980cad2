"""Runs scim2-server (PyPI) with the users and groups of a JSON Lines file.

Usage: python -m bench.peers.scim2 FILE PORT
"""

import sys
from pathlib import Path
from typing import Any

import orjson
from scim2_models import EnterpriseUser, Group, Resource, ResourceType, User
from scim2_server.memory import InMemoryStorage
from scim2_server.testserver import cli
from scim2_server.utils import load_default_resource_types

_MODELS: dict[str, type[Resource[Any]]] = {"User": User[EnterpriseUser], "Group": Group}


class Filled(InMemoryStorage):
    """The server's own storage, filled from the file."""

    def __init__(self) -> None:
        super().__init__()
        self._ids: list[str] = []
        kinds = load_default_resource_types()
        for line in _file.read_bytes().splitlines():
            document = orjson.loads(line)
            self._ids = [document.pop("id")]
            name = document.pop("meta")["resourceType"]
            self.create(kinds[name], _MODELS[name].model_validate(document))

    def generate_id(self, resource_type: ResourceType, resource: Resource[Any]) -> str:
        """Return the id in the file while the file is being read."""
        return self._ids.pop() if self._ids else super().generate_id(resource_type, resource)


if __name__ == "__main__":
    cli.InMemoryStorage = Filled  # type: ignore[misc]  # replaces the server's storage class
    _file = Path(sys.argv[1])
    sys.argv = ["scim2-server", "--port", sys.argv[2]]
    cli.main()
