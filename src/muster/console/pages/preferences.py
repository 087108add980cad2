"""The reader's preferences and the list of workspaces."""

from collections.abc import Iterator

from muster.console.web import (
    ANYONE,
    REMEMBERED_SECONDS,
    SIGNED_IN,
    THEME_COOKIE,
    THEMES,
    PageRoute,
    Visit,
)
from muster.http.wire.message import Response

_SHOWN = 200


class PreferencePages:
    """The theme switch and the page to change to another workspace."""

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("POST", "/theme", ANYONE, self.choose_theme)
        yield PageRoute("GET", "/workspaces", SIGNED_IN, self.workspaces)

    async def choose_theme(self, visit: Visit) -> Response:
        theme = visit.text("theme")
        seconds = REMEMBERED_SECONDS if theme in THEMES else 0
        return visit.back(visit.text("to"), [visit.set_cookie(THEME_COOKIE, theme, seconds)])

    async def workspaces(self, visit: Visit) -> Response:
        asked = visit.text("q")
        found = [
            (workspace, start)
            for workspace in sorted(visit.workspaces, key=lambda workspace: workspace.name)
            if asked.lower() in workspace.name.lower() and (start := visit.start(workspace))
        ]
        return visit.render(
            "workspaces.html", found=found[:_SHOWN], more=max(0, len(found) - _SHOWN), q=asked
        )
