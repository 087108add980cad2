"""The brand on the pages of set-up links, which owners of the installation change."""

from collections.abc import Iterator
from typing import Any

from muster.access.brands import Brands
from muster.base.brand import MAX_LOGO, MAX_NAME, Logo, check_logo, media_of
from muster.console.web import INSTALLATION_ADMIN, PageRoute, Visit
from muster.http.wire.message import Response
from muster.scim.errors import ScimError, invalid_value

_PAGE = "/brand"
_FIELDS_BYTES = 20_000


class BrandPages:
    """The page of the brand."""

    def __init__(self, brands: Brands) -> None:
        self._brands = brands

    def __iter__(self) -> Iterator[PageRoute]:
        yield PageRoute("GET", _PAGE, INSTALLATION_ADMIN, self.show)
        yield PageRoute(
            "POST", _PAGE, INSTALLATION_ADMIN, self.change, upload=MAX_LOGO + _FIELDS_BYTES
        )

    async def show(self, visit: Visit, status: int = 200, error: str = "") -> Response:
        own = await self._brands.own()
        typed = {"name": own.name or "", "accent": own.accent or ""}
        if error:
            typed = {name: visit.text(name) for name in typed}
        return visit.render(
            "brand.html",
            status,
            own=own,
            brand=await self._brands.current(),
            typed=typed,
            longest=MAX_NAME,
            largest=MAX_LOGO,
            said=visit.flashed.get("said", ""),
            error=error,
        )

    async def change(self, visit: Visit) -> Response:
        """Save the form; an empty field stands for the server's setting."""
        try:
            if visit.oversized:
                raise invalid_value(f"logo: choose a file of at most {MAX_LOGO // 1024} KB")
            given: dict[str, Any] = {name: visit.text(name) or None for name in ("name", "accent")}
            logo = _uploaded(visit)
            if logo is not None or visit.text("removeLogo") == "on":
                given["logo"] = logo
            await self._brands.change(given, visit.origin)
        except ScimError as error:
            return await self.show(visit, error.status, error.detail)
        said = "Brand saved. The pages of set-up links show it from now on."
        return await visit.redirect_with(_PAGE, said=said)


def _uploaded(visit: Visit) -> Logo | None:
    """Return the logo of the form; None if no file was chosen.

    Raises:
        ScimError: 400 if the file is no logo.
    """
    file = visit.files.get("logo")
    if file is None or not file.data:
        return None
    try:
        return check_logo(media_of(file.name), file.data)
    except ValueError as error:
        raise invalid_value(f"logo: this file {error}") from None
