"""The dialect table: deviations of real clients from the RFCs, and their meaning.

A lenient workspace accepts every row, because the request has one sensible meaning and the client
cannot be changed. A strict workspace answers it with the error of the RFC. The doctor shows
administrators which rows a client needs.
"""

import json
from dataclasses import dataclass

from muster.scim.bounds import MAX_COMPARISONS
from muster.scim.errors import ScimError, invalid_syntax
from muster.scim.schema.model import Place, ResourceType
from muster.scim.values import Json


@dataclass(frozen=True, slots=True)
class Quirk:
    """One row of the dialect table.

    Attributes:
        client: The clients that are known to send this.
        sends: What the client sent, as a noun phrase.
        means: How a lenient workspace reads it.
        scim_type: The keyword of the 400 that a strict workspace answers. None for a request that
            the RFCs allow, and that a lenient workspace reads differently.
    """

    client: str
    sends: str
    means: str
    scim_type: str | None


QUIRKS = {
    "operation-case": Quirk(
        "Microsoft Entra ID",
        'the operation of a PATCH in another case, such as "op": "Add"',
        "read as the operation in lower case",
        "invalidSyntax",
    ),
    "single-operation": Quirk(
        "custom scripts",
        '"Operations" as one object',
        "read as an array with this operation",
        "invalidSyntax",
    ),
    "boolean-as-string": Quirk(
        "Microsoft Entra ID",
        'a boolean as a string, "True" or "False"',
        "read as the boolean",
        "invalidValue",
    ),
    "dotted-key": Quirk(
        "Microsoft Entra ID, OneLogin",
        'a PATCH without a path whose value has a key such as "name.givenName"',
        "read as the path name.givenName",
        "invalidPath",
    ),
    "urn-key": Quirk(
        "Microsoft Entra ID",
        'a PATCH without a path whose value has a key such as "urn:…:User:department"',
        "read as the path of this attribute of the extension",
        "invalidPath",
    ),
    "value-path-key": Quirk(
        "Microsoft Entra ID",
        "a PATCH without a path whose value has a key such as 'emails[type eq \"work\"].value'",
        "read as this value path",
        "invalidPath",
    ),
    "value-path-made": Quirk(
        "Microsoft Entra ID",
        "an add or replace at 'emails[type eq \"work\"].value' for a user without such an element",
        "the element is created, with the values that the filter compares by eq",
        "noTarget",
    ),
    "manager-as-string": Quirk(
        "Microsoft Entra ID",
        'the manager as a string, "manager": "26118915"',
        'read as {"value": "26118915"}',
        "invalidValue",
    ),
    "manager-blank": Quirk(
        "Microsoft Entra ID, Okta",
        'an empty manager, "" or {"value": ""}',
        "read as no manager",
        "invalidValue",
    ),
    "unknown-schema": Quirk(
        "Okta, SailPoint",
        'URNs in "schemas" that this server does not know',
        "ignored",
        "invalidValue",
    ),
    "schemas-missing": Quirk(
        "custom scripts, older OneLogin",
        'a resource or message without "schemas"',
        "read with the schemas of the endpoint",
        "invalidSyntax",
    ),
    "value-in-list": Quirk(
        "Microsoft Entra ID",
        'a single-valued attribute in an array or object, [x], {"value": x} or'
        ' [{"$ref": null, "value": x}]',
        "read as x",
        "invalidValue",
    ),
    "value-in-object": Quirk(
        "Microsoft Entra ID",
        'an element without sub-attributes as an object, {"value": x}',
        "read as x",
        "invalidValue",
    ),
    "element-alone": Quirk(
        "OneLogin, custom scripts",
        "one value of a multi-valued attribute without an array",
        "read as an array with this value",
        "invalidValue",
    ),
    "element-as-string": Quirk(
        "OneLogin, Okta, custom scripts",
        'an element as a string, "roles": ["admin"]',
        'read as [{"value": "admin"}]',
        "invalidValue",
    ),
    "value-blank": Quirk(
        "Okta, HR exports, custom scripts",
        'an element with an empty value, "emails": [{"value": "", "type": "work"}]',
        "ignored in POST, PUT and beside other elements; in a PATCH of a value path, the value is"
        " cleared",
        "invalidValue",
    ),
    "role-as-json": Quirk(
        "Microsoft Entra ID (AppRoleAssignmentsComplex)",
        'a role as JSON in a string, "roles": [{"value":'
        ' "{\\"id\\":…,\\"value\\":\\"Admin\\",\\"displayName\\":\\"Admin\\"}"}]',
        'read as {"value": "Admin", "display": "Admin"}',
        "invalidValue",
    ),
    "role-display-name": Quirk(
        "Microsoft Entra ID",
        'a role with displayName, "roles": [{"value": x, "displayName": y}]',
        'read as {"value": x, "display": y}',
        "invalidValue",
    ),
    "role-json-in-filter": Quirk(
        "Microsoft Entra ID (AppRoleAssignmentsComplex)",
        "a role as JSON in a string in a filter or path,"
        ' roles[value eq "{\\"id\\":…,\\"value\\":\\"Admin\\",…}"]',
        'read as roles[value eq "Admin"]; a strict workspace compares the string itself',
        None,
    ),
    "primary-twice": Quirk(
        "PingOne",
        '"primary": true on several elements with the same value',
        "the first of them is the primary one",
        "invalidValue",
    ),
    "put-without-active": Quirk(
        "Okta, custom scripts",
        'a PUT of a user without "active"',
        "active is left unchanged; a strict workspace sets it to its default, true",
        None,
    ),
    "put-without-members": Quirk(
        "Okta, custom scripts",
        'a PUT of a group without "members"',
        "the members are left unchanged; a strict workspace removes them",
        None,
    ),
    "urn-with-dot": Quirk(
        "Microsoft Entra ID (test collection)",
        "a dot after the URN of a schema, urn:…:User.department",
        "read as urn:…:User:department",
        "invalidPath",
    ),
    "bare-extension-attribute": Quirk(
        "Okta, Microsoft Entra ID",
        "an attribute of an extension without its URN, such as manager",
        "read as this attribute, if only one extension defines it",
        "invalidPath",
    ),
    "message-key-case": Quirk(
        "custom scripts",
        'a key of a message in another case, such as "Filter" or "operations"',
        "read as the key in the spelling of the RFC",
        "invalidSyntax",
    ),
    "byte-order-mark": Quirk(
        "scripts on Windows",
        "a UTF-8 byte order mark before the JSON",
        "ignored",
        "invalidSyntax",
    ),
    "read-only-key": Quirk(
        "Okta",
        "a readOnly attribute, such as id, meta or groups, in the value of a PATCH",
        "ignored",
        "mutability",
    ),
    "remove-with-value": Quirk(
        "Microsoft Entra ID",
        "a remove with a path and a value",
        "only these values are removed",
        "invalidSyntax",
    ),
    "bulk-id-missing": Quirk(
        "custom scripts",
        "a POST in a bulk request without a bulkId",
        "executed; no other operation can refer to it",
        "invalidSyntax",
    ),
    "filter-spacing": Quirk(
        "custom scripts",
        "a filter with a tab, several spaces or no space where the grammar has one space",
        "read as the filter with one space",
        "invalidFilter",
    ),
    "filter-unquoted": Quirk(
        "authentik (versions of 2025)",
        "a filter with a string without quotation marks, such as userName eq jane@example.com",
        "read as the filter with quotation marks",
        "invalidFilter",
    ),
    "value-path-sub-attribute": Quirk(
        "Microsoft Entra ID",
        "a filter that compares a sub-attribute of a value path, such as"
        ' \'emails[type eq "work"].value eq "x"\'',
        'read as \'emails[type eq "work" and value eq "x"]\'',
        "invalidFilter",
    ),
}


class Dialect:
    """The dialect in which a workspace reads a request.

    Attributes:
        strict: Whether deviations are refused.
        seen: The rows of the dialect table that the request used, each once.
        max_elements: The most elements that a multi-valued attribute may have; None for no limit.
        max_comparisons: The most comparisons of a PATCH.
        interop: Whether the rules of the SCIM interoperability profile apply: undefined attributes
            and PATCH operations without a path are refused, and a replace of a complex attribute
            replaces all of it.
    """

    __slots__ = ("interop", "max_comparisons", "max_elements", "seen", "strict")

    def __init__(
        self,
        strict: bool = False,
        seen: list[str] | None = None,
        max_elements: int | None = None,
        max_comparisons: int = MAX_COMPARISONS,
        interop: bool = False,
    ) -> None:
        self.strict = strict
        self.interop = interop
        self.max_elements = max_elements
        self.max_comparisons = max_comparisons
        self.seen: list[str] = [] if seen is None else seen

    def take(self, name: str, where: str) -> None:
        """Accept a deviation, or refuse it in a strict workspace.

        Args:
            name: The row of the dialect table.
            where: The place in the request, for the error.

        Raises:
            ScimError: The error of the row, if the workspace is strict.
        """
        if self.strict:
            quirk = QUIRKS[name]
            raise ScimError(
                400,
                f"{where}: this workspace is strict and does not accept {quirk.sends}",
                quirk.scim_type,
            )
        self.notice(name)

    def ignore(self, name: str, where: str = "") -> None:
        """Ignore an attribute that no schema defines; the interoperability profile refuses it.

        Args:
            name: Its name in the request.
            where: The place in the request, ending in the separator before the name.

        Raises:
            ScimError: invalidSyntax, if the profile applies.
        """
        if self.interop:
            raise invalid_syntax(
                f"{where}{name[:200]}: no schema of this workspace defines this attribute"
            )

    def notice(self, name: str) -> None:
        """Record that the request uses a row of the dialect table."""
        if name not in self.seen:
            self.seen.append(name)


def boolean(value: Json, where: str, dialect: Dialect) -> Json:
    """Read "True" and "False" as booleans, in any case; return other values unchanged."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        dialect.take("boolean-as-string", where)
        return value.lower() == "true"
    return value


def single(value: Json, is_complex: bool, where: str, dialect: Dialect) -> Json:
    """Unwrap a single-valued attribute from [x], {"value": x} or both.

    An object is unwrapped only if all its other members are null. The value of a complex attribute
    stays an object. Any other value is returned unchanged.
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
    """Unwrap {"value": x} for an element without sub-attributes."""
    if _holds_only_a_value(value):
        dialect.take("value-in-object", where)
        return value["value"]
    return value


def _holds_only_a_value(value: Json) -> bool:
    if not isinstance(value, dict) or value.get("value") is None:
        return False
    return all(item is None for key, item in value.items() if key != "value")


def elements(value: Json, where: str, dialect: Dialect) -> Json:
    """Wrap a lone value of a multi-valued attribute in an array."""
    if not isinstance(value, list):
        dialect.take("element-alone", where)
        return [value]
    return value


def element(value: Json, where: str, dialect: Dialect) -> Json:
    """Read a string for a complex element as {"value": …}, and a blank one as null."""
    if not isinstance(value, str):
        return value
    dialect.take("element-as-string", where)
    return {"value": value} if value.strip() else None


def is_template(value: Json, where: str, dialect: Dialect) -> bool:
    """Return whether all elements have a blank `value` and other content.

    Some clients POST and PUT a template with every element that a user could have, with an empty
    string for each missing value.
    """
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(has_blank_value(item) and _has_others(item) for item in listed):
        return False
    dialect.take("value-blank", where)
    return True


def has_blank_value(element: Json) -> bool:
    """Return whether an element is an object with a blank `value`, a key in any case.

    An empty string is a value (RFC 7643 section 2.5), but it cannot identify an element.
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
    """Read an element of `roles` in the forms of Microsoft Entra ID's app roles.

    Its `value` may be JSON in a string, and its `display` may be called displayName. Any other
    value is returned unchanged.
    """
    if not isinstance(value, dict):
        return value
    embedded = role_in_text(value.get("value"))
    if embedded is not None:
        dialect.take("role-as-json", where)
        value = {**value, "value": embedded["value"]}
    elif isinstance(value.get("value"), str) and isinstance(value.get("displayName"), str):
        dialect.take("role-display-name", where)
        embedded = value
    display = None if embedded is None else embedded.get("displayName")
    return (
        {**value, "display": display}
        if isinstance(display, str) and value.get("display") is None
        else value
    )


def role_in_text(text: Json) -> dict[str, Json] | None:
    """Parse a role in a string: a JSON object with a string as `value`; else None."""
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        embedded = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(embedded, dict) and isinstance(embedded.get("value"), str):
        return embedded
    return None


def compared_role(name: str, value: Json, dialect: Dialect) -> Json:
    """Read a role as JSON in the operand of a comparison with `roles.value`.

    A strict workspace compares the string itself, since the RFC allows any string.

    Args:
        name: The path that is compared, in the spelling of the schema.
        value: The operand.
        dialect: The dialect of the client.
    """
    embedded = role_in_text(value) if name.rpartition(":")[2] == "roles.value" else None
    if embedded is None or dialect.strict:
        return value
    dialect.notice("role-json-in-filter")
    return embedded["value"]


def reference_object(value: Json, where: str, dialect: Dialect) -> Json:
    """Read a string for a complex attribute with a `value` (manager) as {"value": …}."""
    if not isinstance(value, str):
        return value
    if value.strip():
        dialect.take("manager-as-string", where)
    return {"value": value}


def bare_place(
    text: str, resource_type: ResourceType, dialect: Dialect, where: str
) -> Place | None:
    """Resolve a path to an attribute of an extension in a form that the RFC lacks.

    These are a dot after the URN of the schema (urn:…:User.department), and no URN (department) if
    exactly one extension defines the attribute.

    Returns:
        The place, or None if the path has neither form.
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
