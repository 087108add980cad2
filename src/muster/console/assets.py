"""The static files and icons of the console."""

import re
from functools import cache
from pathlib import Path

from markupsafe import Markup

from muster.http.wire.static import StaticFiles

PREFIX = "/static/"
_FOLDER = Path(__file__).parent
_TAGS = re.compile(r"\s+")
_files = StaticFiles(_FOLDER / "static", PREFIX)
path_of = _files.path_of
answer = _files.answer


@cache
def icon(name: str) -> Markup:
    """Return an icon of Tabler as inline SVG, hidden from screen readers."""
    text = (_FOLDER / "icons" / f"{name}.svg").read_text()
    shape = _TAGS.sub(" ", text).partition('<path stroke="none"')[2].partition("/>")[2]
    return Markup(  # noqa: S704 (our own file)
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
        f' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{shape.strip()}'
    )
