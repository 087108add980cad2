"""/api/v1/platform/brand: the operator's name, logo and color on the pages of set-up links."""

import base64
import binascii
import re
from collections.abc import Iterator

from muster.access.brands import Brands
from muster.base.brand import Logo, check_logo
from muster.http.platform.models.brand import BrandAnswer, BrandChange, LogoAnswer
from muster.http.platform.router import PLATFORM, PlatformCall, PlatformRoute
from muster.http.wire.errors import at
from muster.http.wire.message import Response, json_response
from muster.scim.errors import invalid_value

_PATH = "/platform/brand"
_DATA_URL = re.compile(r"data:([\w.+/-]+);base64,([A-Za-z0-9+/]*={0,2})", re.ASCII)


class BrandRoutes:
    """The operations on the brand."""

    def __init__(self, brands: Brands) -> None:
        self._brands = brands

    def __iter__(self) -> Iterator[PlatformRoute]:
        yield PlatformRoute(
            "GET", _PATH, PLATFORM, self.get_brand, "Retrieve the brand", answer=BrandAnswer
        )
        yield PlatformRoute(
            "PATCH",
            _PATH,
            PLATFORM,
            self.update_brand,
            "Change the brand",
            body=BrandChange,
            answer=BrandAnswer,
        )

    async def get_brand(self, call: PlatformCall) -> Response:
        return json_response(200, await self._answer(call))

    async def update_brand(self, call: PlatformCall) -> Response:
        """Change the brand that the pages of set-up links show, from their next request."""
        body = await call.read(BrandChange)
        given = body.changes()
        if body.logo is not None:
            with at("/logo"):
                given["logo"] = _logo(body.logo)
        with at("/name"):  # the one part that the model does not check in full
            await self._brands.change(given, call.origin)
        return json_response(200, await self._answer(call))

    async def _answer(self, call: PlatformCall) -> BrandAnswer:
        brand, own = await self._brands.current(), await self._brands.own()
        logo: LogoAnswer | None = None
        if brand.logo is not None:
            logo = {
                "mediaType": brand.logo.media,
                "size": len(brand.logo.body),
                "url": f"{call.base}/brand/logo?v={brand.version}",
            }
        return {
            "name": brand.name,
            "logo": logo,
            "accent": brand.accent,
            "inherited": own.inherited,
        }


def _logo(url: str) -> Logo:
    """Return the logo in a data URL (RFC 2397).

    Raises:
        ScimError: 400 if it contains none.
    """
    matched = _DATA_URL.fullmatch(url)
    try:
        if matched is None:
            raise ValueError("is not a URL such as data:image/png;base64,iVBORw0…")
        return check_logo(matched[1].lower(), base64.b64decode(matched[2], validate=True))
    except binascii.Error:
        raise invalid_value("logo: it is not valid Base64") from None
    except ValueError as error:
        raise invalid_value(f"logo: it {error}") from None
