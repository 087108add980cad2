"""The dialect table: requests of real clients that deviate from the RFCs, and the meaning that muster gives to each.

A lenient workspace accepts every row. A strict one answers each with the error that the RFC prescribes, if there is one.
"""

import json
from dataclasses import dataclass

from muster.scim.bounds import MAX_COMPARISONS
from muster.scim.errors import ScimError
from muster.scim.schema.model import Place, ResourceType
from muster.scim.values import Json


@dataclass(frozen=True, slots=True)
class Quirk:
    """One row of the dialect table.

    Attributes:
        client: The clients that are known to send this.
        sends: The deviation.
        means: How a lenient workspace reads it.
        scim_type: The keyword of the 400 that a strict workspace answers. None for a request that the RFCs allow and
            that only a lenient workspace reads in another way than their letter.
    """

    client: str
    sends: str
    means: str
    scim_type: str | None


QUIRKS = {
    "operation-case": Quirk(
        "Microsoft Entra ID",
        '"op": "Add", "Replace" or "Remove"',
        "the operation, in lower case",
        "invalidSyntax",
    ),
    "single-operation": Quirk(
        "home-made scripts",
        '"Operations" as one object',
        "an array of that one operation",
        "invalidSyntax",
    ),
    "boolean-as-string": Quirk(
        "Microsoft Entra ID", '"True" or "False" for a boolean', "the boolean", "invalidValue"
    ),
    "dotted-key": Quirk(
        "Microsoft Entra ID, OneLogin",
        'a path-less value with the key "name.givenName"',
        "that path",
        "invalidPath",
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
    "manager-as-string": Quirk(
        "Microsoft Entra ID", '"manager": "26118915"', '{"value": "26118915"}', "invalidValue"
    ),
    "manager-blank": Quirk(
        "Microsoft Entra ID, Okta", '"manager": {"value": ""} or ""', "no manager", "invalidValue"
    ),
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
    "value-in-list": Quirk(
        "Microsoft Entra ID",
        '[x], {"value": x} or [{"$ref": null, "value": x}] for a single-valued attribute',
        "x",
        "invalidValue",
    ),
    "value-in-object": Quirk(
        "Microsoft Entra ID",
        '{"value": x} for an element that is a plain value',
        "x",
        "invalidValue",
    ),
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
    "value-blank": Quirk(
        "Okta, exports of personnel systems, home-made scripts",
        '"emails": [{"value": "", "type": "work"}], an element whose value is empty',
        "no such element: it is left out beside others, and in POST and PUT; a PATCH of a value path clears the value",
        "invalidValue",
    ),
    "role-as-json": Quirk(
        "Microsoft Entra ID (AppRoleAssignmentsComplex)",
        '"roles": [{"value": "{\\"id\\":…,\\"value\\":\\"Admin\\",\\"displayName\\":\\"Admin\\"}"}], JSON in a string',
        'the value and the display that it has: {"value": "Admin", "display": "Admin"}',
        "invalidValue",
    ),
    "role-display-name": Quirk(
        "Microsoft Entra ID",
        '"roles": [{"value": x, "displayName": y}]',
        '{"value": x, "display": y}',
        "invalidValue",
    ),
    "role-json-in-filter": Quirk(
        "Microsoft Entra ID (AppRoleAssignmentsComplex)",
        'roles[value eq "{\\"id\\":…,\\"value\\":\\"Admin\\",…}"] in a filter or a path, JSON in a string',
        'roles[value eq "Admin"] (a strict workspace compares the string as it is)',
        None,
    ),
    "primary-twice": Quirk(
        "PingOne",
        '"primary": true on several elements that have the same value',
        "the first of them is primary",
        "invalidValue",
    ),
    "put-without-active": Quirk(
        "Okta, home-made scripts",
        "PUT of a user without active",
        "active stays as it is (a strict workspace sets it to its default, true)",
        None,
    ),
    "put-without-members": Quirk(
        "Okta, home-made scripts",
        "PUT of a group without members",
        "the members stay as they are (a strict workspace removes them)",
        None,
    ),
    "urn-with-dot": Quirk(
        "Microsoft Entra ID (test collection)",
        "urn:…:User.department, with a dot after the schema's URN",
        "urn:…:User:department",
        "invalidPath",
    ),
    "bare-extension-attribute": Quirk(
        "Okta, Microsoft Entra ID",
        "an attribute of an extension without its URN, such as manager",
        "that attribute, if only one extension defines it",
        "invalidPath",
    ),
    "message-key-case": Quirk(
        "home-made scripts",
        '"Filter", "Count" or "operations" in a message',
        "filter, count, Operations",
        "invalidSyntax",
    ),
    "byte-order-mark": Quirk(
        "scripts on Windows",
        "a UTF-8 byte order mark before the JSON",
        "the JSON after it",
        "invalidSyntax",
    ),
    "read-only-key": Quirk(
        "Okta",
        "id, meta or groups among the keys of a path-less value",
        "nothing: they are left out",
        "mutability",
    ),
    "remove-with-value": Quirk(
        "Microsoft Entra ID",
        "remove with a path and a list of values",
        "remove those values alone",
        "invalidSyntax",
    ),
    "bulk-id-missing": Quirk(
        "home-made scripts",
        "a POST in a bulk request without a bulkId",
        "one that nothing refers to",
        "invalidSyntax",
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
    """How a workspace reads its clients.

    Attributes:
        strict: Whether deviations are refused.
        seen: The rows of the dialect table that the request showed, each once.
        max_elements: The most elements that a multi-valued attribute may have; None for no limit.
        max_comparisons: The most comparisons of a PATCH.
    """

    __slots__ = ("max_comparisons", "max_elements", "seen", "strict")

    def __init__(
        self,
        strict: bool = False,
        seen: list[str] | None = None,
        max_elements: int | None = None,
        max_comparisons: int = MAX_COMPARISONS,
    ) -> None:
        self.strict = strict
        self.max_elements = max_elements
        self.max_comparisons = max_comparisons
        self.seen: list[str] = [] if seen is None else seen

    def take(self, name: str, where: str) -> None:
        """Accept the deviation that the row `name` describes, or raise its ScimError if the workspace is strict."""
        if self.strict:
            quirk = QUIRKS[name]
            raise ScimError(
                400,
                f"{where}: {quirk.sends} is not allowed (this workspace is strict)",
                quirk.scim_type,
            )
        self.notice(name)

    def notice(self, name: str) -> None:
        """Record that the request shows a row of the dialect table."""
        if name not in self.seen:
            self.seen.append(name)


def boolean(value: Json, where: str, dialect: Dialect) -> Json:
    """Read "True" and "False", in any case, as booleans; return any other value unchanged."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        dialect.take("boolean-as-string", where)
        return value.lower() == "true"
    return value


def single(value: Json, is_complex: bool, where: str, dialect: Dialect) -> Json:
    """Unwrap the value of a single-valued attribute: [x], {"value": x} or both; return any other value unchanged.

    An object is unwrapped only if everything beside `value` in it is null. That of a complex attribute stays an object.
    """
    if isinstance(value, list) and len(value) == 1 and _is_filled(value[0]):
        dialect.take("value-in-list", where)
        value = value[0]
    if not is_complex and _holds_only_a_value(value):
        dialect.take("value-in-list", where)
        value = value["value"]
    return value


def _is_filled(value: Json) -> bool:
    return (
        bool(value.strip())
        if isinstance(value, str)
        else value not in (None, {}) and not isinstance(value, list)
    )


def simple_element(value: Json, where: str, dialect: Dialect) -> Json:
    """Unwrap {"value": x} for an element that is a plain value; return any other value unchanged."""
    if _holds_only_a_value(value):
        dialect.take("value-in-object", where)
        return value["value"]
    return value


def _holds_only_a_value(value: Json) -> bool:
    if not isinstance(value, dict) or value.get("value") is None:
        return False
    return all(item is None for key, item in value.items() if key != "value")


def elements(value: Json, where: str, dialect: Dialect) -> Json:
    """Wrap a lone value of a multi-valued attribute in an array; return an array unchanged."""
    if not isinstance(value, list):
        dialect.take("element-alone", where)
        return [value]
    return value


def element(value: Json, where: str, dialect: Dialect) -> Json:
    """Read a string for an element that has a `value` as {"value": …}, and a blank one as null."""
    if not isinstance(value, str):
        return value
    dialect.take("element-as-string", where)
    return {"value": value} if value.strip() else None


def is_template(value: Json, where: str, dialect: Dialect) -> bool:
    """Whether the elements of a POST or PUT all have an empty string as `value`, beside other sub-attributes.

    Some clients send every element that a user could have, and an empty string for a value that the user does not have.
    """
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(has_blank_value(item) and _has_others(item) for item in listed):
        return False
    dialect.take("value-blank", where)
    return True


def has_blank_value(element: Json) -> bool:
    """Whether an element is an object whose `value`, in any case, is an empty or blank string.

    An empty string is a value (RFC 7643 section 2.5), but as the `value` of an element it names nothing.
    """
    if not isinstance(element, dict):
        return False
    value = element["value"] if "value" in element else _member(element, "value")
    return isinstance(value, str) and not value.strip()


def _member(element: dict[str, Json], name: str) -> Json:
    return next((item for key, item in element.items() if key.lower() == name), None)


def _has_others(element: dict[str, Json]) -> bool:
    return any(item is not None for key, item in element.items() if key.lower() != "value")


def role(value: Json, where: str, dialect: Dialect) -> Json:
    """Read an element of `roles` in the forms of Entra's app roles; return any other value unchanged.

    Its value may be JSON in a string, and its display may be called displayName.
    """
    if not isinstance(value, dict):
        return value
    said = role_in_text(value.get("value"))
    if said is not None:
        dialect.take("role-as-json", where)
        value = {**value, "value": said["value"]}
    elif isinstance(value.get("value"), str) and isinstance(value.get("displayName"), str):
        dialect.take("role-display-name", where)
        said = value
    display = None if said is None else said.get("displayName")
    return (
        {**value, "display": display}
        if isinstance(display, str) and value.get("display") is None
        else value
    )


def role_in_text(text: Json) -> dict[str, Json] | None:
    """The role that a string holds as JSON, an object with a string as its `value`; None for any other value."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and isinstance(said.get("value"), str) else None


def compared_role(name: str, value: Json, dialect: Dialect) -> Json:
    """Read the operand of a comparison with the `value` of `roles` as `role` reads an element's value.

    A strict workspace compares the string as it is, since the RFC allows any string.

    Args:
        name: The path that is compared, in the schema's spelling.
        value: The operand.
        dialect: How to read the client.
    """
    said = role_in_text(value) if name.rpartition(":")[2] == "roles.value" else None
    if said is None or dialect.strict:
        return value
    dialect.notice("role-json-in-filter")
    return said["value"]


def reference_object(value: Json, where: str, dialect: Dialect) -> Json:
    """Read a bare string for a complex attribute that has a `value` (manager) as {"value": …}."""
    if not isinstance(value, str):
        return value
    if value.strip():
        dialect.take("manager-as-string", where)
    return {"value": value}


def bare_place(
    text: str, resource_type: ResourceType, dialect: Dialect, where: str
) -> Place | None:
    """Resolve a path that names an attribute of an extension in a way that the RFC does not have; None if none does.

    Accepted are a dot after the schema's URN (urn:…:User.department) and no URN at all (department), the latter only if
    exactly one extension has such an attribute.
    """
    lowered = text.lower()
    for urn in (resource_type.core.id.lower(), *resource_type.extensions):
        if lowered.startswith(urn + "."):
            place = resource_type.place(f"{text[: len(urn)]}:{text[len(urn) + 1 :]}")
            if place is not None:
                dialect.take("urn-with-dot", f"{where}: {text[:200]!r}")
            return place
    if ":" in text:
        return None
    found = [
        place
        for urn in resource_type.extensions
        if (place := resource_type.place(f"{urn}:{text}")) is not None
    ]
    if len(found) != 1:
        return None
    dialect.take("bare-extension-attribute", f"{where}: {text[:100]!r}")
    return found[0]
