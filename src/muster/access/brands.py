"""The operator's brand, which owners and the platform API change while muster runs.

A part that is not set falls back to the server's setting MUSTER_BRAND_….
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from muster.base.brand import ACCENT, MAX_NAME, Brand, Logo
from muster.scim.errors import invalid_value
from muster.scim.values import Json
from muster.storage.port.accounts import Accounts
from muster.storage.port.changes import ChangeOrigin, Note
from muster.storage.port.errors import Outdated
from muster.storage.port.items import INSTALLATION, Item

_KIND, _ID = "brand", "brand"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class OwnBrand:
    """The parts of the brand that are stored; None for those of the server's settings."""

    name: str | None = None
    logo: Logo | None = None
    accent: str | None = None

    def over(self, fallback: Brand) -> Brand:
        """Return the brand that is shown.

        Args:
            fallback: The brand of the server's settings.
        """
        return Brand(
            self.name or fallback.name, self.logo or fallback.logo, self.accent or fallback.accent
        )

    @property
    def inherited(self) -> list[str]:
        """The names of the parts that are those of the server's settings."""
        return [name for name in ("name", "logo", "accent") if getattr(self, name) is None]


class Brands:
    """Reads and changes the brand.

    Args:
        accounts: The storage.
        fallback: The brand of the server's settings.
    """

    def __init__(self, accounts: Accounts, fallback: Brand) -> None:
        self._accounts = accounts
        self._fallback = fallback
        self._known: tuple[int, OwnBrand] | None = None

    async def own(self) -> OwnBrand:
        """Return the parts that are stored, from memory until something changes."""
        epoch = self._accounts.epoch()
        if self._known is None or self._known[0] != epoch:
            item = await self._accounts.item(INSTALLATION, _KIND, _ID)
            self._known = (epoch, OwnBrand() if item is None else _read(item.body))
        return self._known[1]

    async def current(self) -> Brand:
        """Return the brand that is shown."""
        return (await self.own()).over(self._fallback)

    async def change(self, given: Mapping[str, Any], origin: ChangeOrigin) -> OwnBrand:
        """Change parts of the brand, and record it in the audit log of the installation.

        Args:
            given: The new `name`, `logo` and `accent`; None for the server's setting. Parts that
                are left out stay as they are.
            origin: Who changes it.

        Raises:
            ScimError: 400 if the name or the color is invalid.
            Outdated: The brand keeps changing.
        """
        for _ in range(_TRIES):
            item = await self._accounts.item(INSTALLATION, _KIND, _ID)
            standing = OwnBrand() if item is None else _read(item.body)
            changed = _checked(replace(standing, **given))
            if changed == standing:
                return standing
            was, now = _told(standing), _told(changed)
            names = [name for name in now if now[name] != was[name]]
            detail = {
                "before": {name: was[name] for name in names},
                "after": {name: now[name] for name in names},
            }
            note = Note(INSTALLATION, origin, "Brand", _ID, "update", orjson.dumps(detail))
            expected = item or Item(INSTALLATION, _KIND, _ID, None)
            try:
                await self._accounts.administer(
                    [replace(expected, body=_body(changed))], [note], [expected]
                )
                return changed
            except Outdated:
                continue
        raise Outdated


def _checked(brand: OwnBrand) -> OwnBrand:
    """Return a brand, with the spaces around its name removed.

    Raises:
        ScimError: 400 if the name or the color is invalid.
    """
    name = brand.name and brand.name.strip()
    if name is not None and not (0 < len(name) <= MAX_NAME and name.isprintable()):
        raise invalid_value(
            f"name: expected 1 to {MAX_NAME} characters, without control characters"
        )
    if brand.accent is not None and re.fullmatch(ACCENT, brand.accent) is None:
        raise invalid_value("accent: expected a color such as #0a5c36")
    return replace(brand, name=name)


def _read(body: Json) -> OwnBrand:
    logo = body["logo"] and Logo(body["logo"]["media"], base64.b64decode(body["logo"]["data"]))
    return OwnBrand(body["name"], logo, body["accent"])


def _body(brand: OwnBrand) -> Json:
    logo = brand.logo and {
        "media": brand.logo.media,
        "data": base64.b64encode(brand.logo.body).decode(),
    }
    return {"name": brand.name, "logo": logo, "accent": brand.accent}


def _told(brand: OwnBrand) -> dict[str, Json]:
    """Return the brand for the audit log, with the hash of its logo."""
    logo = brand.logo and {
        "mediaType": brand.logo.media,
        "size": len(brand.logo.body),
        "sha256": hashlib.sha256(brand.logo.body).hexdigest(),
    }
    return {"name": brand.name, "logo": logo, "accent": brand.accent}
