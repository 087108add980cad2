"""/api/v1/setup-links: pages on which a customer's administrator connects a provider."""

from collections.abc import Callable, Iterator, Sequence

from muster.access.audit_notes import Administrator
from muster.access.connections import DEFAULT
from muster.access.kept_answers import Kept, keep_nothing
from muster.access.permissions import SCIM, SETTINGS
from muster.access.setup_links import (
    NewLink,
    SetupLink,
    SetupLinks,
    check_contact,
    check_return_url,
)
from muster.http.management.models.setup_links import (
    FindSetupLinks,
    MadeCredential,
    NewSetupLink,
    NewSetupLinkAnswer,
    SetupLinkAnswer,
    SetupLinkList,
)
from muster.http.management.pages import page
from muster.http.management.router import ApiRoute, Call, created
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response

ROOT = "/setup-links"
SETUP_PATH = "/setup"
"""The path of the page; the token follows it in the URL of a link."""


async def create_setup_link(
    links: SetupLinks,
    by: Administrator,
    body: NewSetupLink,
    base: str,
    keep: Callable[[NewSetupLinkAnswer], Kept] = keep_nothing,
) -> NewSetupLinkAnswer:
    """Create a set-up link.

    Args:
        links: The links.
        by: The creator.
        body: The terms.
        base: The URL under which the application is reached.
        keep: Returns the items to store in the transaction that creates the link, by its answer.

    Raises:
        InvalidRequest: 400 if the connection or a URL is invalid.
        ScimError: 409 if the workspace has too many links.
    """
    with at("/returnUrl"):
        return_url = check_return_url(body.return_url) if body.return_url else None
    with at("/contact"):
        contact = check_contact(body.contact or "")
    with at("/connection"):
        connection = await links.connections.chosen(by.workspace.id, body.connection or DEFAULT)
    terms = NewLink(connection, body.provider, body.expires_in_days, return_url or "", contact)

    def answer(token: str, made: SetupLink) -> NewSetupLinkAnswer:
        return {**link_answer(made), "url": f"{base}{SETUP_PATH}/{token}"}

    return answer(*await links.create(by, terms, lambda *made: keep(answer(*made))))


def link_answer(link: SetupLink) -> SetupLinkAnswer:
    """Return a link as the API shows it."""
    made = link.credential
    credential: MadeCredential | None = (
        None if made is None else {"kind": made.kind, "id": made.id, "created": made.created}
    )
    return {
        "id": link.id,
        "connection": link.connection,
        "provider": link.provider or None,
        "state": link.state,
        "step": link.step,
        "created": link.created,
        "createdBy": link.created_by,
        "expires": link.expires,
        "opened": link.opened or None,
        "lastOpened": link.last_opened or None,
        "lastAddress": link.last_address or None,
        "finished": link.finished or None,
        "revoked": link.revoked or None,
        "credential": credential,
        "returnUrl": link.return_url or None,
        "contact": link.contact or None,
    }


def links_answer(links: Sequence[SetupLink], query: FindSetupLinks) -> SetupLinkList:
    """Return a page of links as the API shows it."""
    found, following = page(links, lambda link: (link.created, link.id), query.cursor, query.limit)
    return {"items": [link_answer(link) for link in found], "nextCursor": following}


class SetupLinkRoutes:
    """The operations on set-up links."""

    def __init__(self, links: SetupLinks) -> None:
        self._links = links

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            ROOT,
            SETTINGS,
            self.find_setup_links,
            "List the set-up links",
            query=FindSetupLinks,
            answer=SetupLinkList,
        )
        yield ApiRoute(
            "POST",
            ROOT,
            SETTINGS,
            self.create_setup_link,
            "Create a set-up link",
            201,
            body=NewSetupLink,
            answer=NewSetupLinkAnswer,
            errors=(409,),
            also=(SCIM,),
        )
        yield ApiRoute(
            "GET",
            ROOT + "/{id}",
            SETTINGS,
            self.get_setup_link,
            "Get a set-up link",
            answer=SetupLinkAnswer,
        )
        yield ApiRoute(
            "DELETE", ROOT + "/{id}", SETTINGS, self.revoke_setup_link, "Revoke a set-up link", 204
        )

    async def find_setup_links(self, call: Call) -> Response:
        found = await self._links.all(call.workspace)
        return json_response(200, links_answer(found, call.query(FindSetupLinks)))

    async def create_setup_link(self, call: Call) -> Response:
        """Create a set-up link.

        Its page needs no account. It connects an identity provider to one connection of the
        workspace: it creates a credential, shows the steps, and tests the connection. Whoever has
        the URL can do that, so send it to one person.
        """
        body = await call.read(NewSetupLink)

        def answer(made: NewSetupLinkAnswer) -> Response:
            return created(made, ROOT, made["id"])

        who = (self._links, call.administrator)
        return answer(
            await create_setup_link(*who, body, call.base, lambda made: call.keep(answer(made)))
        )

    async def get_setup_link(self, call: Call) -> Response:
        return json_response(
            200, link_answer(await self._links.get(call.workspace, call.names["id"]))
        )

    async def revoke_setup_link(self, call: Call) -> Response:
        await self._links.revoke(call.administrator, call.names["id"])
        return Response(204)
