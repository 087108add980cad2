"""/api/v1/platform/workspaces/{name}/invitations."""

from collections.abc import Iterator
from datetime import timedelta

from muster.access.invitations import MOST_PENDING, Invitation, Invitations, Inviter
from muster.access.permissions import ADMIN
from muster.http.management.router import created
from muster.http.platform.models.invitations import (
    FindInvitations,
    InvitationAnswer,
    InvitationList,
    NewInvitation,
    NewInvitationAnswer,
)
from muster.http.platform.router import PLATFORM, PlatformCall, PlatformRoute
from muster.http.wire.base_url import BaseUrl
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import ScimError, not_found
from muster.storage.port.accounts import Workspace

_ROOT = "/platform/workspaces/{name}/invitations"


class InvitationRoutes:
    """The operations on invitations of administrators to a workspace."""

    def __init__(self, invitations: Invitations, origin: BaseUrl) -> None:
        self._invitations = invitations
        self._origin = origin

    def __iter__(self) -> Iterator[PlatformRoute]:
        yield PlatformRoute(
            "GET",
            _ROOT,
            PLATFORM,
            self.find_invitations,
            "List the pending invitations to a workspace",
            query=FindInvitations,
            answer=InvitationList,
            errors=(409,),
        )
        yield PlatformRoute(
            "POST",
            _ROOT,
            PLATFORM,
            self.create_invitation,
            "Invite an administrator to a workspace; the link is in the answer",
            201,
            body=NewInvitation,
            body_optional=True,
            answer=NewInvitationAnswer,
        )
        yield PlatformRoute(
            "DELETE",
            f"{_ROOT}/{{id}}",
            PLATFORM,
            self.revoke_invitation,
            "Revoke a pending invitation",
            204,
            errors=(409,),
        )

    async def find_invitations(self, call: PlatformCall) -> Response:
        workspace = await call.workspace()
        call.query(FindInvitations)
        pending = await self._invitations.pending_to(workspace.id)
        answer: InvitationList = {
            "items": [_answer(found, workspace) for found in pending],
            "nextCursor": None,
        }
        return json_response(200, answer)

    async def create_invitation(self, call: PlatformCall) -> Response:
        workspace = await call.workspace()
        body = await call.read(NewInvitation, empty=True)
        base = self._origin.public(call.request)
        if len(await self._invitations.pending_to(workspace.id)) >= MOST_PENDING:
            raise ScimError(
                409,
                f"{MOST_PENDING:,} invitations to this workspace are pending. Revoke some of them"
                " first.",
            )
        roles = {str(workspace.id): list(dict.fromkeys(body.permissions))}

        def answer(token: str, made: Invitation) -> Response:
            content: NewInvitationAnswer = {
                **_answer(made, workspace),
                "url": f"{base}/first?token={token}",
            }
            return created(content, _ROOT.format(name=workspace.name), made.id)

        with at("/name"):
            made = await self._invitations.create(
                *(_inviter(call, workspace), roles, body.name),
                timedelta(days=body.expires_in_days),
                keep=lambda *made: call.keep(answer(*made)),
            )
        return answer(*made)

    async def revoke_invitation(self, call: PlatformCall) -> Response:
        workspace = await call.workspace()
        pending = await self._invitations.pending_to(workspace.id)
        if call.names["id"] not in {found.id for found in pending}:
            raise not_found("Invitation not found. It may have been accepted or revoked.")
        await self._invitations.revoke(_inviter(call, workspace), call.names["id"])
        return Response(204)


def _inviter(call: PlatformCall, workspace: Workspace) -> Inviter:
    """Return the platform key as it invites: it can give every permission in the workspace."""
    return Inviter(call.origin, {str(workspace.id): [ADMIN]}, None, call.key.name)


def _answer(found: Invitation, workspace: Workspace) -> InvitationAnswer:
    return {
        "id": found.id,
        "name": found.name,
        "permissions": found.roles[str(workspace.id)],
        "invitedBy": found.invited_by,
        "created": found.created,
        "expires": found.expires,
    }
