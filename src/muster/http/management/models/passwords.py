"""The models of /passwords."""

from pydantic import ConfigDict

from muster.http.management.models.base import Answer, Body, Id, Text


class PasswordCheck(Body):
    """A user name and a password to verify."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"userName": "bjensen@example.com", "password": "t1meMa$heen"}
        }
    )

    user_name: Text
    """The `userName` of the user, in any case."""
    password: Text
    """The password."""


class PasswordAnswer(Answer):
    """The result of verifying a password."""

    valid: bool
    """Whether the password is that of an active user."""
    user: Id | None
    """The id of the user. Null if the password is not valid."""
