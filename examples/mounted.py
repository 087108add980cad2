"""Mounts muster in a Starlette application under /provisioning.

Run it with: uvicorn examples.mounted:app
"""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import muster
from muster.scim.schema.model import registry
from muster.storage.port.resources import Query

scim = muster.create_app(muster.Settings())


async def home(_: Request) -> JSONResponse:
    """Show the number of users that the identity provider has created."""
    workspace = await scim.storage.find_workspace("default")
    page = await scim.storage.find(Query(workspace.id, registry().types["/Users"], limit=0))
    return JSONResponse({"users": page.total})


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Open muster's database before the first request, and close it after the last."""
    async with scim.lifespan():
        yield


app = Starlette(routes=[Route("/", home), Mount("/provisioning", app=scim)], lifespan=lifespan)
