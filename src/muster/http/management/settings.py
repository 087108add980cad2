"""/api/v1/settings."""

from collections.abc import Iterator

from muster.access.permissions import SETTINGS
from muster.access.settings import WorkspaceSettings, shown
from muster.http.management.models.settings import SettingsAnswer, SettingsChange
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response


class SettingsRoutes:
    """The operations on the settings of a workspace."""

    def __init__(self, settings: WorkspaceSettings) -> None:
        self._settings = settings

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET",
            "/settings",
            SETTINGS,
            self.get_settings,
            "Retrieve the settings of the workspace",
            answer=SettingsAnswer,
        )
        yield ApiRoute(
            "PATCH",
            "/settings",
            SETTINGS,
            self.update_settings,
            "Change settings of the workspace",
            body=SettingsChange,
            answer=SettingsAnswer,
            errors=(409,),
        )

    async def get_settings(self, call: Call) -> Response:
        return json_response(200, shown(call.grant.workspace))

    async def update_settings(self, call: Call) -> Response:
        body = await call.read(SettingsChange)
        with at("/rateLimit"):
            self._settings.check_rate_limit(body.rate_limit)
        changed = await self._settings.change(
            call.administrator, body.changes(), body.confirm_lockout
        )
        return json_response(200, shown(changed))
