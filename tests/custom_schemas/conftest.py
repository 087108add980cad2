"""A storage of each engine with a workspace, its schemas, and an administrator."""

import tempfile
from pathlib import Path

import pytest

from muster.access.audit_notes import Administrator
from muster.access.permissions import ADMIN
from muster.custom_schemas.schemas import CustomSchemas
from muster.directory.service import Directory
from muster.storage.port.changes import ChangeOrigin
from tests.storage.conftest import ENGINES, Bench


@pytest.fixture(params=list(ENGINES))
def here(request):
    with tempfile.TemporaryDirectory() as folder:
        made = Bench(ENGINES[request.param](Path(folder)))
        made.schemas, made.directory = CustomSchemas(made.storage), Directory(made.storage)
        made.by = Administrator(
            made.workspace,
            ChangeOrigin("test", "request", "2026-01-01T00:00:00.000Z", ""),
            (ADMIN,),
        )
        yield made
        made.close()
