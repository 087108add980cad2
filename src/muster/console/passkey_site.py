"""The site that the passkeys of the console are for."""

from muster.access.passkeys import RelyingParty, relying_party
from muster.console.web import Visit
from muster.scim.errors import ScimError


def passkey_site(visit: Visit) -> RelyingParty:
    """Return the site that passkeys are for.

    Its name comes from MUSTER_BASE_URL, or is that of this machine: a host that a client or proxy
    names could belong to somebody else.

    Raises:
        ScimError: 409 if there is none, or browsers allow no passkeys there.
    """
    try:
        base = visit.base.public(visit.request)
    except ScimError:
        raise ScimError(
            409, "Passkeys need MUSTER_BASE_URL. Set it to the public URL of this server."
        ) from None
    return relying_party(base)


def why_no_passkeys(visit: Visit) -> str:
    """Return why passkeys cannot be used here; empty if they can."""
    try:
        passkey_site(visit)
    except ScimError as error:
        return error.detail
    return ""
