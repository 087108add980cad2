"""The models of /roles, /scim/role-mappings and /users/{id}/roles."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from muster.access.roles import NAME_PATTERN
from muster.http.management.models.base import (
    DIGITS,
    Answer,
    Body,
    Cursor,
    Id,
    ListAnswer,
    Permission,
    QueryParameters,
    example_of_a_change,
)

_EXAMPLE: JsonDict = {"name": "Auditor", "permissions": ["View audit logs"]}
_MAPPING: JsonDict = {"idpValue": "admins", "role": {"role": "Instance Administrator", "tag": "eu"}}
_RoleName = Annotated[str, Field(examples=["Auditor"])]
_MappingId = Annotated[str, Field(examples=["7d1f0c5b2a9e4c3d8f6a1b0e"])]
_Short = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
_Granted = Annotated[str, Field(examples=["Instance Administrator"])]
_Tag = Annotated[str | None, Field(examples=["eu"])]


class NewRole(Body):
    """A role to create."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=100, pattern=NAME_PATTERN),
    ]
    """The name, without slashes and control characters; "." and ".." are none."""
    permissions: Annotated[list[Permission], Field(min_length=1)]
    """The permissions of keys that have the role."""


class RolePermissions(Body):
    """The permissions of a role."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    name: str | None = None
    """The name of the role, if it is sent at all. PATCH changes it."""
    permissions: Annotated[list[Permission], Field(min_length=1)]
    """The permissions of keys that have the role."""


class RoleChange(Body):
    """The members of a role to change. Members that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra=example_of_a_change(name="Auditors"))

    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=100, pattern=NAME_PATTERN),
    ] = ""
    """The new name. Keys keep the role, and role mappings that grant it follow."""
    permissions: Annotated[list[Permission], Field(min_length=1)] = []
    """The permissions of keys that have the role."""


class RoleAnswer(Answer):
    """A role: permissions under a name, for API keys to have."""

    name: _RoleName
    """The name."""
    permissions: list[Permission]
    """The permissions of keys that have the role."""


class RoleList(ListAnswer):
    """The roles of a workspace; the built-in role `Admin` comes first."""

    items: list[RoleAnswer]
    """The roles."""


class MappedRole(Body):
    """The role that a mapping grants."""

    model_config = ConfigDict(extra="ignore")

    role: _Short
    """The name of the role in your application."""
    tag: _Short | None = None
    """A tag that your application gives a meaning, such as a region."""


class NewRoleMapping(Body):
    """A role mapping to create."""

    model_config = ConfigDict(json_schema_extra={"example": _MAPPING}, extra="ignore")

    idp_value: _Short
    """A value of the `roles` attribute, as the identity provider sends it."""
    role: MappedRole
    """The role that users with this value have."""


class GrantedRole(Answer):
    """A role that a mapping grants."""

    role: _Granted
    """The name of the role in your application."""
    tag: _Tag
    """The tag of the role."""


class RoleMappingAnswer(Answer):
    """A role mapping: users with a value of `roles` have a role."""

    id: _MappingId
    """The id of the mapping."""
    idpValue: Annotated[str, Field(examples=["admins"])]
    """A value of the `roles` attribute, as the identity provider sends it."""
    role: GrantedRole
    """The role that users with this value have."""


class RoleMappingList(ListAnswer):
    """The role mappings of a workspace."""

    items: list[RoleMappingAnswer]
    """The mappings of this page."""


class RoleMappingChange(Body):
    """Role mappings to add and to remove."""

    model_config = ConfigDict(json_schema_extra={"example": {"add": [_MAPPING], "remove": []}})

    add: Annotated[list[NewRoleMapping], Field(max_length=20)] = []
    """The mappings to add."""
    remove: Annotated[list[_MappingId], Field(max_length=20)] = []
    """The ids of the mappings to remove."""


class AffectedUserAnswer(Answer):
    """A user whose roles would change."""

    id: Id
    """The id of the user."""
    userName: Annotated[str, Field(examples=["ann@example.com"])]
    """The userName."""
    displayName: Annotated[str | None, Field(examples=["Ann Smith"])]
    """The displayName."""
    gained: list[GrantedRole]
    """The roles that the user would get."""
    lost: list[GrantedRole]
    """The roles that the user would lose."""


class RoleMappingPreview(Answer):
    """The effect of a change of role mappings."""

    matched: int
    """The users with a value that the change is about."""
    complete: bool
    """Whether all of them were examined. Otherwise the numbers count the first 5,000."""
    affected: int
    """The users whose roles would change."""
    gaining: int
    """The users who would get a role."""
    losing: int
    """The users who would lose a role."""
    users: list[AffectedUserAnswer]
    """The first users whose roles would change."""


class FindRoleMappings(QueryParameters):
    """The parameters of a list of role mappings."""

    cursor: Cursor = ""
    """The `nextCursor` of the page before. Empty for the first page."""
    limit: Annotated[int, Field(ge=1, le=10_000), DIGITS] = 1000
    """The maximum number of mappings in a page."""


class RoleReason(Answer):
    """The reason why a user has a role."""

    mapping: _MappingId
    """The id of the mapping."""
    idpValue: Annotated[str, Field(examples=["admins"])]
    """The value of `roles` that it maps."""


class UserRole(GrantedRole):
    """A role that a user has."""

    because: list[RoleReason]
    """The mappings that grant it."""


class UserRoles(Answer):
    """The roles that a user has."""

    user: Id
    """The id of the user."""
    roles: list[UserRole]
    """The roles, each with the mappings that grant it."""
    values: list[Annotated[dict[str, Any], Field(examples=[{"value": "admins"}])]]
    """The `roles` attribute of the user."""
