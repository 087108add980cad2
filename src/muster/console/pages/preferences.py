"""The reader's preferences."""

from collections.abc import Iterator

from muster.console.web import (
    ANYONE,
    REMEMBERED_SECONDS,
    THEME_COOKIE,
    THEMES,
    PageRoute,
    Visit,
)
from muster.http.wire.message import Response


class PreferencePages:
    """The theme switch."""

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("POST", "/theme", ANYONE, self.choose_theme)

    async def choose_theme(self, visit: Visit) -> Response:
        theme = visit.text("theme")
        seconds = REMEMBERED_SECONDS if theme in THEMES else 0
        return visit.back(visit.text("to"), [visit.set_cookie(THEME_COOKIE, theme, seconds)])
