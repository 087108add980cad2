"""The operator's name, logo and color on the pages of set-up links."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

MAX_LOGO = 256 * 1024
MAX_NAME = 60
ACCENT = r"^#[0-9a-fA-F]{6}$"
"""The pattern of a color."""
_MEDIA = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
"""The media types by the endings of files."""
_MARKS = {
    "image/svg+xml": rb"<svg",
    "image/png": rb"\A\x89PNG\r\n",
    "image/jpeg": rb"\A\xff\xd8\xff",
    "image/webp": rb"\ARIFF....WEBP",
}
"""The media types of logos, each with a mark of its content."""
_LIGHT, _DARK = "#ffffff", "#000000"


@dataclass(frozen=True, slots=True)
class Logo:
    """An image.

    Attributes:
        media: Its media type.
        body: Its content.
    """

    media: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Brand:
    """The operator, as the pages of set-up links name it.

    Attributes:
        name: The name of the service.
        logo: Its logo; None for none.
        accent: The color of buttons, as #rrggbb; None for the console's.
    """

    name: str = "muster"
    logo: Logo | None = None
    accent: str | None = None

    @property
    def version(self) -> str:
        """A text that differs for other logos and colors, for URLs that browsers cache."""
        logo = self.logo.body if self.logo else b""
        return hashlib.sha256(self.style + b"\0" + logo).hexdigest()[:12]

    @property
    def style(self) -> bytes:
        """The style sheet of the color, with a color for the text on it that can be read."""
        if self.accent is None:
            return b""
        return (
            f":root,[data-bs-theme=dark]{{--accent:{self.accent};--on-accent:{_on(self.accent)}}}"
            ".btn-primary,.btn-primary:hover,.btn-primary:focus{background:var(--accent);"
            "border-color:var(--accent);color:var(--on-accent)}"
        ).encode()


def read_logo(path: Path) -> Logo:
    """Read a logo.

    Raises:
        ValueError: It cannot be read, is too large, or is not an image.
    """
    media = media_of(str(path))
    try:
        with path.open("rb") as file:
            body = file.read(MAX_LOGO + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return check_logo(media, body)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None


def media_of(name: str) -> str:
    """Return the media type of a logo by the name of its file.

    Raises:
        ValueError: The name has none of the known endings.
    """
    media = _MEDIA.get(Path(name).suffix.lower())
    if media is None:
        raise ValueError(f"{name} does not end in {', '.join(_MEDIA)}")
    return media


def check_logo(media: str, body: bytes) -> Logo:
    """Return a logo, if it is an image of its type and not too large.

    Raises:
        ValueError: It is not; the message goes on from the name of the image.
    """
    mark = _MARKS.get(media)
    if mark is None:
        raise ValueError(f"is of the type {media[:100]}, and none of {', '.join(_MARKS)}")
    if len(body) > MAX_LOGO:
        raise ValueError(f"is larger than {MAX_LOGO // 1024} KB")
    if re.search(mark, body, re.DOTALL) is None:
        raise ValueError(f"is not a file of the type {media}")
    return Logo(media, body)


def _on(color: str) -> str:
    """Return black or white, whichever contrasts more with a color (WCAG 2.2)."""
    luminance = _luminance(color)
    return _LIGHT if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else _DARK


def _luminance(color: str) -> float:
    """Return the relative luminance of a color, from 0 to 1."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
