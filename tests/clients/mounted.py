"""muster mounted in an application, below /api/2.0/preview and at the root."""

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.routing import Mount

import muster

scim = muster.create_app()


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with scim.lifespan():
        yield


app = Starlette(
    routes=[Mount("/api/2.0/preview", app=scim), Mount("/", app=scim)], lifespan=lifespan
)
