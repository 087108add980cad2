"""/api/v1/settings."""

from collections.abc import Iterator

from muster.access.permissions import SETTINGS
from muster.access.settings import WorkspaceSettings, shown
from muster.http.management.router import ApiRoute, Call
from muster.http.wire.message import Response, json_response


class SettingsRoutes:
    """The operations on the settings of a workspace."""

    def __init__(self, settings: WorkspaceSettings) -> None:
        self._settings = settings

    def __iter__(self) -> Iterator[ApiRoute]:
        yield ApiRoute(
            "GET", "/settings", SETTINGS, self.get_settings, "The settings of the workspace"
        )
        yield ApiRoute(
            "PATCH",
            "/settings",
            SETTINGS,
            self.update_settings,
            "Changes the settings that are given",
        )

    async def get_settings(self, call: Call) -> Response:
        return json_response(200, shown(call.grant.workspace))

    async def update_settings(self, call: Call) -> Response:
        return json_response(
            200, shown(await self._settings.change(call.administrator, await call.body()))
        )
