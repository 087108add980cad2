"""A product whose people come from muster."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from standardwebhooks import Webhook, WebhookVerificationError

from catching_up import apply_event, catch_up
from people import People

_log = logging.getLogger("uvicorn.error")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Catch up with muster before the first request."""
    app.state.webhook = Webhook(os.environ["WEBHOOK_SECRET"])
    app.state.people = People(os.environ.get("PEOPLE_DATABASE", "people.db"))
    muster = httpx.Client(
        base_url=os.environ["DIRECTORY_URL"],
        headers={"Authorization": f"Bearer {os.environ['DIRECTORY_KEY']}"},
        timeout=30,
    )
    with muster:
        try:
            await run_in_threadpool(catch_up, app.state.people, muster)
        except httpx.TransportError as error:
            _log.warning("muster is not reachable (%s); webhooks will bring the changes", error)
    yield


app = FastAPI(lifespan=lifespan)


def get_people(request: Request) -> People:
    """Return the people of the product."""
    return request.app.state.people


ThePeople = Annotated[People, Depends(get_people)]


@app.post("/webhooks/muster", status_code=204)
async def receive(request: Request, people: ThePeople) -> None:
    """Receive an event from muster. A status from 400 makes muster send it again later."""
    body = await request.body()
    try:
        message = request.app.state.webhook.verify(body, dict(request.headers))
    except WebhookVerificationError:
        raise HTTPException(401, "The signature is not valid.") from None
    await run_in_threadpool(apply_event, people, message["data"])


def get_person(
    people: ThePeople,
    given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> dict[str, str]:
    """Return the person who is signed in."""
    person = people.signed_in(given.credentials)
    if person is None:
        raise HTTPException(401, "Your session has ended. Sign in again.")
    return person


ThePerson = Annotated[dict[str, str], Depends(get_person)]


class SignIn(BaseModel):
    """A sign-in. A real product leaves this to the customer's single sign-on."""

    user_name: str


@app.post("/sessions", status_code=201)
def sign_in(body: SignIn, people: ThePeople) -> dict[str, str]:
    """Begin a session."""
    token = people.sign_in(body.user_name)
    if token is None:
        raise HTTPException(403, "You are not a user of this product.")
    return {"token": token}


@app.get("/me")
def me(person: ThePerson) -> dict[str, str]:
    """Return the person who is signed in."""
    return person


@app.get("/people")
def list_people(people: ThePeople, _: ThePerson) -> list[dict[str, str]]:
    """List the people who may use the product."""
    return people.active()
