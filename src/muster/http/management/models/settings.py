"""The models of /settings."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from muster.access import allowlist
from muster.access.settings import (
    CONTRACTS,
    ENDLESS,
    GUARD_MODES,
    MAX_BLOCKS,
    NUMBERS,
    SCIM_CREDENTIALS,
)
from muster.http.management.models.base import Answer, Body, OneOf, example_of_a_change
from muster.storage.port.accounts import PROFILES

Contract = Annotated[str, OneOf(CONTRACTS)]
GuardMode = Annotated[str, OneOf(GUARD_MODES)]
ScimCredentials = Annotated[str, OneOf(SCIM_CREDENTIALS)]
Profile = Annotated[str, OneOf(PROFILES)]


class AllowlistEntry(Answer):
    """A network of an IP allowlist."""

    range: Annotated[str, Field(max_length=100, examples=["192.0.2.0/24"])]
    """The network as a CIDR block."""
    description: Annotated[
        str, Field(max_length=allowlist.MAX_DESCRIPTION, examples=["Office in Berlin"])
    ]
    """A description for administrators. Empty for none."""


class NewEntry(NamedTuple):
    """A network of an IP allowlist as it was sent.

    Attributes:
        block: The CIDR block.
        description: Its description; None if it was sent as text alone.
    """

    block: str
    description: str | None = None


def network(block: str) -> str:
    """Normalise a CIDR block; an address alone is a block of one."""
    try:
        return str(allowlist.networks([block.strip()])[0])
    except ValueError as error:
        raise PydanticCustomError(
            "block", "Expected an address or a CIDR block: {error}.", {"error": str(error)}
        ) from None


def _entry(value: Any) -> NewEntry:
    """Read a network: a CIDR block as text, or an object with its range and description."""
    if isinstance(value, str):
        return NewEntry(network(value))
    if not isinstance(value, dict) or not isinstance(value.get("range"), str):
        raise PydanticCustomError(
            "entry", "Expected a CIDR block, or an object with range and description."
        )
    if unknown := [name for name in value if name not in ("range", "description")]:
        raise PydanticCustomError(
            "entry", "Unknown member {name}.", {"name": repr(str(unknown[0])[:100])}
        )
    text = value.get("description") or ""
    if (
        not isinstance(text, str)
        or len(text) > allowlist.MAX_DESCRIPTION
        or any(ord(character) < 32 for character in text)
    ):
        raise PydanticCustomError(
            "description",
            "description: expected at most {most} characters, without control characters.",
            {"most": allowlist.MAX_DESCRIPTION},
        )
    return NewEntry(network(value["range"]), text.strip())


def allowlist_changes(entries: Sequence[NewEntry]) -> dict[str, Any]:
    """Return the attributes of Workspace that a sent allowlist changes."""
    return {
        "ip_allowlist": tuple(dict.fromkeys(entry.block for entry in entries)),
        "ip_descriptions": tuple(
            (entry.block, entry.description) for entry in entries if entry.description is not None
        ),
    }


Block = Annotated[str, Field(max_length=100, examples=["192.0.2.0/24"])]
_SHAPE: dict[str, Any] = {
    "oneOf": [
        {"type": "string", "maxLength": 100, "examples": ["192.0.2.0/24"]},
        {
            "type": "object",
            "required": ["range"],
            "properties": {
                "range": {"type": "string", "maxLength": 100, "examples": ["192.0.2.0/24"]},
                "description": {
                    "type": "string",
                    "maxLength": allowlist.MAX_DESCRIPTION,
                    "examples": ["Office in Berlin"],
                },
            },
            "additionalProperties": False,
        },
    ]
}
NewBlock = Annotated[NewEntry, PlainValidator(_entry), WithJsonSchema(_SHAPE)]


def _number(name: str) -> Any:
    """The constraints of a setting that is a number; 0 is allowed if it stands for ever."""
    least, most = NUMBERS[name]
    return Field(ge=0 if name in ENDLESS else least, le=most)


def _kept_long_enough(days: int | None) -> int | None:
    least, _ = NUMBERS["changesDays"]
    if days is not None and 0 < days < least:
        raise PydanticCustomError(
            "days",
            "Expected at least {least}, or 0 to keep changes for ever.",
            {"least": least},
        )
    return days


class SettingsChange(Body):
    """The settings to change. Settings that are left out stay as they are."""

    model_config = ConfigDict(
        json_schema_extra=example_of_a_change(guardMode="hold", guardShare=10)
    )

    contract: Contract = CONTRACTS[0]
    """The status codes of POST and DELETE: `rfc7644` answers 201 and 204, `cortex` 200 and 200."""
    strict: bool = False
    """Whether requests must follow the RFCs to the letter."""
    automatic_provisioning: bool = True
    """Whether clients may create users."""
    automatic_deprovisioning: bool = True
    """Whether clients may deactivate and delete users."""
    unique_group_names: bool = False
    """Whether each group must have a `displayName` of its own."""
    ip_allowlist: Annotated[list[NewBlock], Field(max_length=MAX_BLOCKS)] = []
    """The networks that may use the API keys of the workspace: CIDR blocks, or objects with a
    `range` and a `description`. A block alone keeps its description. Empty for all."""
    rate_limit: Annotated[int | None, _number("rateLimit")] = None
    """Requests a minute of each key without a limit of its own. 0 for no limit, if
    `MUSTER_RATE_LIMIT_CEILING` allows it; null for the installation's."""
    guard_mode: GuardMode = "watch"
    """The deprovisioning guard: `hold` answers changes above the limit with 403 until an
    administrator decides, `pause` answers 429 and pauses the connection, `watch` only reports,
    `off` does nothing."""
    guard_share: Annotated[int, _number("guardShare")] = 10
    """The percentage of users that may lose access within an hour."""
    guard_least: Annotated[int, _number("guardLeast")] = 20
    """The number of users that may lose access within an hour, even if it is a larger share."""
    requests_days: Annotated[int | None, _number("requestsDays")] = None
    """How many days requests are kept. Null for the installation's setting."""
    changes_days: Annotated[
        int | None, _number("changesDays"), AfterValidator(_kept_long_enough)
    ] = None
    """How many days changes are kept, at least 7. 0 for ever, null for the installation's
    setting."""
    require_second_factor: bool = False
    """Whether administrators must set up a second factor before they can do anything else."""
    scim_credentials: ScimCredentials = "any"
    """The credentials that SCIM accepts: `oauth` refuses API keys, `keys` refuses OAuth clients and
    trusts. API keys always open the management API."""
    profile: Profile = "none"
    """The profile: `ipsie` is IPSIE's account lifecycle profile. It sets `strict`, `contract`,
    `uniqueGroupNames`, `scimCredentials` and `rateLimit` as it requires them, and keeps them so."""
    confirm_lockout: bool = False
    """Set this to change `ipAllowlist` so that it excludes the address of this request."""

    def changes(self) -> dict[str, Any]:
        """The settings to change, by the fields of Workspace."""
        given = self.model_dump(exclude_unset=True, exclude={"confirm_lockout"})
        if "ip_allowlist" in given:
            given |= allowlist_changes(self.ip_allowlist)
        return given


class SettingsAnswer(Answer):
    """The settings of a workspace."""

    contract: Contract
    """The status codes of POST and DELETE: `rfc7644` answers 201 and 204, `cortex` 200 and 200."""
    strict: bool
    """Whether requests must follow the RFCs to the letter."""
    automaticProvisioning: bool
    """Whether clients may create users."""
    automaticDeprovisioning: bool
    """Whether clients may deactivate and delete users."""
    uniqueGroupNames: bool
    """Whether each group must have a `displayName` of its own."""
    ipAllowlist: list[Block]
    """The networks that may use the API keys of the workspace, as CIDR blocks. Empty for all."""
    ipAllowlistEntries: list[AllowlistEntry]
    """The same networks with their descriptions."""
    rateLimit: int | None
    """Requests a minute of each key without a limit of its own. 0 for no limit, if
    `MUSTER_RATE_LIMIT_CEILING` allows it; null for the installation's."""
    guardMode: GuardMode
    """The deprovisioning guard: `hold` answers changes above the limit with 403 until an
    administrator decides, `pause` answers 429 and pauses the connection, `watch` only reports,
    `off` does nothing."""
    guardShare: int
    """The percentage of users that may lose access within an hour."""
    guardLeast: int
    """The number of users that may lose access within an hour, even if it is a larger share."""
    requestsDays: int | None
    """How many days requests are kept. Null for the installation's setting."""
    changesDays: int | None
    """How many days changes are kept. 0 for ever, null for the installation's setting."""
    requireSecondFactor: bool
    """Whether administrators must set up a second factor before they can do anything else."""
    scimCredentials: ScimCredentials
    """The credentials that SCIM accepts: `oauth` refuses API keys, `keys` refuses OAuth clients and
    trusts. API keys always open the management API."""
    profile: Profile
    """The profile: `ipsie` is IPSIE's account lifecycle profile. It sets `strict`, `contract`,
    `uniqueGroupNames`, `scimCredentials` and `rateLimit` as it requires them, and keeps them so."""
