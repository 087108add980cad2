"""Mounts muster in a Starlette application under /provisioning, and reads its users.

It uses nothing of muster but its public names, and the endpoints of SCIM, in the same process. Run
it with:

    pip install starlette httpx uvicorn
    export DIRECTORY_KEY=$(muster keys create --name product --permission "Read directory")
    uvicorn examples.mounted:app
"""

import contextlib
import os
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

import muster

scim = muster.create_app(muster.Settings())
directory = httpx.AsyncClient(transport=httpx.ASGITransport(app=scim), base_url="http://directory")


async def home(_: Request) -> JSONResponse:
    """Show the number of users that the identity provider has created."""
    key = {"Authorization": "Bearer " + os.environ["DIRECTORY_KEY"]}
    answer = await directory.get("/scim/v2/Users", params={"count": 0}, headers=key)
    return JSONResponse({"users": answer.raise_for_status().json()["totalResults"]})


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    """Open muster's database before the first request, and close it after the last."""
    async with scim.lifespan(), directory:
        yield


app = Starlette(routes=[Route("/", home), Mount("/provisioning", app=scim)], lifespan=lifespan)
