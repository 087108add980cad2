"""Paths of requests as logs and traces show them, without the tokens of set-up links."""

from muster.http.management.setup_links import SETUP_PATH
from muster.scim.masking import MASK

_FOLDER = f"{SETUP_PATH}/"
_FORMS = frozenset(f"{_FOLDER}{form}" for form in ("provider", "credential", "step"))


def without_token(path: str) -> str:
    """Mask all that follows /setup/ in a path, unless it is the name of a form.

    Whoever reads the token can open the set-up.
    """
    if not path.startswith(_FOLDER) or path in _FORMS:
        return path
    return _FOLDER + MASK
