"""The models of /platform/brand."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from muster.base.brand import ACCENT, MAX_LOGO, MAX_NAME
from muster.http.management.models.base import (
    NO_CONTROLS,
    Answer,
    Body,
    OneOf,
    example_of_a_change,
)

_MAX_DATA_URL = 4 * MAX_LOGO // 3 + 100
BrandName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_NAME, pattern=NO_CONTROLS),
    Field(examples=["Acme"]),
]
Accent = Annotated[str, StringConstraints(pattern=ACCENT), Field(examples=["#0a5c36"])]
DataUrl = Annotated[
    str,
    StringConstraints(max_length=_MAX_DATA_URL, pattern="^data:"),
    Field(examples=["data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="]),
]


class BrandChange(Body):
    """The parts of the brand to change. Parts that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra=example_of_a_change(name="Acme", accent="#0a5c36"))

    name: BrandName | None = None
    """The name of the service. Null for `MUSTER_BRAND_NAME`."""
    logo: DataUrl | None = None
    """The logo as a `data:` URL in Base64: SVG, PNG, JPEG or WebP, at most 256 KB. Null for
    `MUSTER_BRAND_LOGO`."""
    accent: Accent | None = None
    """The color of buttons. Null for `MUSTER_BRAND_ACCENT`."""

    def changes(self) -> dict[str, Any]:
        """The parts that the client sent."""
        return self.model_dump(exclude_unset=True)


class LogoAnswer(Answer):
    """The logo."""

    mediaType: Annotated[str, Field(examples=["image/svg+xml"])]
    """Its media type."""
    size: int
    """Its size in bytes."""
    url: Annotated[str, Field(examples=["https://muster.example.com/brand/logo?v=3f0c1d2e4b5a"])]
    """The URL at which everybody can get it."""


class BrandAnswer(Answer):
    """The name, the logo and the color that the pages of set-up links show."""

    name: Annotated[str, Field(examples=["Acme"])]
    """The name of the service."""
    logo: LogoAnswer | None
    """The logo. Null for none."""
    accent: Accent | None
    """The color of buttons. Null for that of the console."""
    inherited: list[Annotated[str, OneOf(("name", "logo", "accent"))]]
    """The parts that are not set here, and so are those of the settings `MUSTER_BRAND_…`."""
