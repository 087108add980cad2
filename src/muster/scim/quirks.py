"""What real clients send that the RFCs do not allow: each with its client, what it sends and what we take it to mean.

A workspace that is not strict accepts every row. A strict one answers each with the error that the RFC has for it.
"""

import json
from dataclasses import dataclass

from muster.scim.errors import ScimError
from muster.scim.values import Json


@dataclass(frozen=True, slots=True)
class Quirk:
    """One row. scim_type: the keyword of the error that a strict workspace answers, with 400."""

    client: str
    sends: str
    means: str
    scim_type: str


QUIRKS = {
    "operation-case": Quirk(
        "Microsoft Entra ID", '"op": "Add", "Replace" or "Remove"', "the operation, in lower case", "invalidSyntax"
    ),
    "operations-case": Quirk(
        "older connectors (SailPoint, home-made)", '"operations" for "Operations"', "Operations", "invalidSyntax"
    ),
    "single-operation": Quirk(
        "home-made scripts", '"Operations" as one object', "an array of that one operation", "invalidSyntax"
    ),
    "boolean-as-string": Quirk("Microsoft Entra ID", '"True" or "False" for a boolean', "the boolean", "invalidValue"),
    "dotted-key": Quirk(
        "Microsoft Entra ID, OneLogin", 'a path-less value with the key "name.givenName"', "that path", "invalidPath"
    ),
    "urn-key": Quirk(
        "Microsoft Entra ID",
        'a path-less value with the key "urn:…:User:department"',
        "that attribute of the extension",
        "invalidPath",
    ),
    "value-path-key": Quirk(
        "Microsoft Entra ID",
        "a path-less value with the key 'emails[type eq \"work\"].value'",
        "that value path",
        "invalidPath",
    ),
    "value-path-made": Quirk(
        "Microsoft Entra ID",
        "add or replace at 'emails[type eq \"work\"].value' where there is no such element",
        "an element with what the filter's eq terms say",
        "noTarget",
    ),
    "manager-as-string": Quirk("Microsoft Entra ID", '"manager": "26118915"', '{"value": "26118915"}', "invalidValue"),
    "manager-blank": Quirk("Microsoft Entra ID, Okta", '"manager": {"value": ""} or ""', "no manager", "invalidValue"),
    "unknown-schema": Quirk(
        "Okta, SailPoint",
        "URNs in schemas that this server does not have",
        "nothing: they are left out",
        "invalidValue",
    ),
    "schemas-missing": Quirk(
        "home-made scripts, older OneLogin",
        "a resource or message without schemas",
        "the schemas of the endpoint",
        "invalidSyntax",
    ),
    "value-in-list": Quirk("Microsoft Entra ID", '[{"value": x}] for a single-valued attribute', "x", "invalidValue"),
    "element-alone": Quirk(
        "OneLogin, home-made scripts",
        "one value for a multi-valued attribute, in no array",
        "an array of that one value",
        "invalidValue",
    ),
    "element-as-string": Quirk(
        "OneLogin, Okta, home-made scripts",
        '"roles": ["admin"], a string for an element that has a value',
        '[{"value": "admin"}]',
        "invalidValue",
    ),
    "role-as-json": Quirk(
        "Microsoft Entra ID (AppRoleAssignmentsComplex)",
        '"roles": [{"value": "{\\"id\\":…,\\"value\\":\\"Admin\\",\\"displayName\\":\\"Admin\\"}"}], JSON in a string',
        'the value and the display that it has: {"value": "Admin", "display": "Admin"}',
        "invalidValue",
    ),
    "read-only-key": Quirk(
        "Okta", "id, meta or groups among the keys of a path-less value", "nothing: they are left out", "mutability"
    ),
    "remove-with-value": Quirk(
        "Microsoft Entra ID", "remove with a path and a list of values", "remove those values alone", "invalidSyntax"
    ),
    "bulk-id-missing": Quirk(
        "home-made scripts", "a POST in a bulk request without a bulkId", "one that nothing refers to", "invalidSyntax"
    ),
    "filter-spacing": Quirk(
        "home-made scripts",
        "a filter with a tab, with several spaces or with none where the grammar has one",
        "the filter with one space",
        "invalidFilter",
    ),
    "value-path-sub-attribute": Quirk(
        "Microsoft Entra ID",
        'the filter \'emails[type eq "work"].value eq "x"\'',
        '\'emails[type eq "work" and value eq "x"]\'',
        "invalidFilter",
    ),
}


class Dialect:
    """How a workspace reads its clients: strict or not. seen: which quirks a request showed, for whoever wants to know.

    max_elements: the most elements that a multi-valued attribute may have; None for no limit.
    """

    __slots__ = ("max_elements", "seen", "strict")

    def __init__(self, strict: bool = False, seen: list[str] | None = None, max_elements: int | None = None) -> None:
        self.strict = strict
        self.max_elements = max_elements
        self.seen: list[str] = [] if seen is None else seen

    def take(self, name: str, where: str) -> None:
        """Accept what the row `name` describes, or raise its ScimError where the workspace is strict."""
        if self.strict:
            quirk = QUIRKS[name]
            raise ScimError(400, f"{where}: {quirk.sends} is not allowed (this workspace is strict)", quirk.scim_type)
        self.seen.append(name)


def boolean(value: Json, where: str, dialect: Dialect) -> Json:
    """ "True" and "False" in any case as the boolean; anything else as it is."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        dialect.take("boolean-as-string", where)
        return value.lower() == "true"
    return value


def single(value: Json, where: str, dialect: Dialect) -> Json:
    """[{"value": x}] for a single-valued attribute as x; anything else as it is."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and list(value[0]) == ["value"]:
        dialect.take("value-in-list", where)
        return value[0]["value"]
    return value


def elements(value: Json, where: str, dialect: Dialect) -> Json:
    """What stands alone for a multi-valued attribute as an array of it; anything else as it is."""
    if isinstance(value, str | dict) and value:
        dialect.take("element-alone", where)
        return [value]
    return value


def element(value: Json, where: str, dialect: Dialect) -> Json:
    """A string for an element that has a `value` as {"value": …}, a blank one as none; anything else as it is."""
    if not isinstance(value, str):
        return value
    dialect.take("element-as-string", where)
    return {"value": value} if value.strip() else None


def role(value: Json, where: str, dialect: Dialect) -> Json:
    """An element of `roles` whose value is JSON in a string as what that says; anything else as it is."""
    text = value.get("value") if isinstance(value, dict) else None
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return value
    try:
        said = json.loads(text)
    except ValueError:
        return value
    if not isinstance(said, dict) or not isinstance(said.get("value"), str):
        return value
    dialect.take("role-as-json", where)
    display = said.get("displayName")
    return {**value, "value": said["value"]} | ({"display": display} if isinstance(display, str) else {})


def reference_object(value: Json, where: str, dialect: Dialect) -> Json:
    """A bare string for a complex attribute that has a `value` (manager) as {"value": …}; blank as none."""
    if isinstance(value, str):
        dialect.take("manager-as-string" if value.strip() else "manager-blank", where)
        return {"value": value} if value.strip() else None
    if isinstance(value, dict) and isinstance(value.get("value"), str) and not value["value"].strip():
        dialect.take("manager-blank", where)
        return None
    return value
