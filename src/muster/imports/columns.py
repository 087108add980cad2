"""The attributes that a column of a CSV file can fill, and the guess which one it means.

A target is named by a path: `title`, `name.givenName`, `emails` for the primary e-mail address,
`emails[work]` for the one of a type, `addresses[work].locality` for a part of it, and a URN with an
attribute for those of extensions. `id`, `manager` and `groups` refer to other resources.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from muster.scim.schema.labels import title_of
from muster.scim.schema.model import Attribute, ResourceType, Schema
from muster.storage.ids import key_of

ID, USER_NAME, ACTIVE, GROUPS, MANAGER = "id", "userName", "active", "groups", "manager"
EMAIL_AND_NAME = "emails+userName"
"""The primary e-mail address, which is the userName as well."""
_HIDDEN = frozenset({"schemas", "id", "meta", "members", "groups", "password", "active"})
_TYPES = {
    "emails": ("work", "home"),
    "phoneNumbers": ("work", "mobile", "home", "fax"),
    "addresses": ("work", "home"),
}
"""The types of elements that have a target of their own."""
_LABELS = {
    "emails": "E-mail",
    "phoneNumbers": "Phone number",
    "addresses": "Address",
    "name.formatted": "Full name",
}
_WORDS: dict[str, tuple[str, ...]] = {
    USER_NAME: (
        "username", "user", "login", "loginname", "userid", "upn", "userprincipalname", "account",
        "accountname", "samaccountname", "signinname", "benutzername",
    ),
    "externalId": ("externalid", "objectid", "idpid", "oktaid", "entraid"),
    "emails": (
        "email", "emails", "emailaddress", "mail", "primaryemail", "emailadresse", "courriel",
    ),
    "emails[work]": ("workemail", "emailwork", "businessemail"),
    "emails[home]": ("homeemail", "emailhome", "privateemail", "personalemail"),
    "name.givenName": ("firstname", "givenname", "forename", "vorname", "prenom", "first"),
    "name.familyName": ("lastname", "surname", "familyname", "nachname", "nom", "last"),
    "name.formatted": ("fullname",),
    "displayName": ("displayname", "name", "fullname", "anzeigename"),
    "title": ("title", "jobtitle", "position", "jobrole"),
    "phoneNumbers[work]": (
        "phone", "telephone", "phonenumber", "workphone", "officephone", "businessphone",
        "telefon", "phonework",
    ),
    "phoneNumbers[mobile]": ("mobile", "mobilephone", "cell", "cellphone", "mobil", "handy"),
    "addresses[work].streetAddress": ("street", "streetaddress", "strasse"),
    "addresses[work].locality": ("city", "town", "locality", "ort", "stadt"),
    "addresses[work].region": ("region", "province"),
    "addresses[work].postalCode": ("zip", "zipcode", "postalcode", "postcode", "plz"),
    "addresses[work].country": ("country", "countrycode", "land"),
    "department": ("department", "dept", "abteilung", "team"),
    "organization": ("organization", "organisation", "company", "firma"),
    "employeeNumber": (
        "employeenumber", "employeeid", "personnelnumber", "staffid", "personalnummer", "workerid",
    ),
    "costCenter": ("costcenter", "costcentre", "kostenstelle"),
    MANAGER: ("manager", "manageremail", "managerusername", "supervisor", "reportsto"),
    ACTIVE: ("active", "status", "enabled", "accountenabled", "isactive", "accountstatus"),
    "preferredLanguage": ("language", "preferredlanguage", "sprache"),
    GROUPS: ("groups", "group", "memberof", "gruppen"),
}  # fmt: skip
"""Usual headings, without spaces and marks, by target."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place that a column can fill.

    Attributes:
        path: Its path.
        label: Its label.
        section: The heading under which the label is listed.
        attribute: The attribute; None for `id` and the references.
        schema: The URN of the extension; None for the core schema.
        element: For a multi-valued attribute, the type of the element; `*` for the primary one, and
            None for all of them, with semicolons between their values.
        sub: The sub-attribute; None for a simple attribute.
    """

    path: str
    label: str
    section: str
    attribute: Attribute | None = None
    schema: str | None = None
    element: str | None = None
    sub: Attribute | None = None


def targets_of(kind: ResourceType) -> dict[str, Target]:
    """Return the targets of a resource type by path, in the order in which they are listed."""
    person, managed = "User", manager_schema(kind)
    own = list(_of_schema(kind.core, None, "Attributes"))
    found = [
        Target(USER_NAME, "User name", person, kind.core.attribute(USER_NAME)),
        *(replace(target, section=person) for target in own if target.path == "emails"),
        Target(EMAIL_AND_NAME, "E-mail and user name", person),
        Target(ACTIVE, "Status (active or inactive)", person, kind.core.attribute(ACTIVE)),
        Target(ID, "ID of an existing user", person),
        Target("externalId", "External ID", person, kind.common.attribute("externalId")),
        *([Target(MANAGER, "Manager (user name, e-mail or ID)", person)] if managed else []),
        Target(GROUPS, "Groups (names with semicolons between them)", person),
    ]
    found += own
    for schema in kind.extensions.values():
        section = title_of(str(schema.definition["name"]))
        found += _of_schema(schema, schema.id, section)
    known: dict[str, Target] = {}
    for target in found:
        known.setdefault(target.path, target)
    return known


def manager_schema(kind: ResourceType) -> str | None:
    """Return the URN of the extension in which a user has a manager, or None."""
    for schema in kind.extensions.values():
        attribute = schema.attribute(MANAGER)
        if attribute is not None and attribute.is_complex and not attribute.multi_valued:
            return schema.id
    return None


def _of_schema(schema: Schema, urn: str | None, section: str) -> Iterator[Target]:
    for attribute in schema.attributes.values():
        hidden = urn is None and attribute.name in _HIDDEN
        manager = attribute.name == MANAGER and attribute.is_complex
        if hidden or manager or attribute.read_only or attribute.secret:
            continue
        path = f"{urn}:{attribute.name}" if urn else attribute.name
        label = _LABELS.get(attribute.name) or title_of(attribute.name)
        base = (section, attribute, urn)
        if not attribute.is_complex:
            yield Target(path, label, *base)
        elif not attribute.multi_valued:
            for sub in _subs(attribute):
                yield Target(f"{path}.{sub.name}", _of_part(attribute, sub), *base, None, sub)
        else:
            yield from _of_elements(attribute, path, label, base)


def _of_elements(
    attribute: Attribute, path: str, label: str, base: tuple[str, Attribute, str | None]
) -> Iterator[Target]:
    value = attribute.sub_attributes.get("value")
    types = _TYPES.get(attribute.name, ())
    if value is not None and not value.is_complex and value.type != "binary":
        element = "*" if types or attribute.name in ("ims", "photos") else None
        yield Target(path, label, *base, element, value)
    for kind in types:
        if value is not None:
            yield Target(f"{path}[{kind}]", f"{label} ({kind})", *base, kind, value)
            continue
        for sub in _subs(attribute):
            if sub.name not in ("type", "primary"):
                title = f"{label} ({kind}): {title_of(sub.name).lower()}"
                yield Target(f"{path}[{kind}].{sub.name}", title, *base, kind, sub)


def _subs(attribute: Attribute) -> Iterator[Attribute]:
    for sub in attribute.sub_attributes.values():
        if not (sub.read_only or sub.is_complex or sub.secret or sub.name.startswith("$")):
            yield sub


def _of_part(attribute: Attribute, sub: Attribute) -> str:
    known = _LABELS.get(f"{attribute.name}.{sub.name}")
    title = known or title_of(sub.name)
    return title if attribute.name == "name" else f"{title_of(attribute.name)}: {title.lower()}"


def normalised(heading: str) -> str:
    """Return a heading without case, marks and spaces, as headings are compared."""
    plain = unicodedata.normalize("NFKD", heading.replace("ß", "ss").casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def guess(
    headings: Sequence[str],
    samples: Sequence[Sequence[str]],
    targets: Mapping[str, Target],
    remembered: Mapping[str, str],
) -> list[str]:
    """Return the path of the target that each column probably fills; empty for none.

    Args:
        headings: The headings.
        samples: The first rows.
        targets: The targets by path.
        remembered: The paths that were chosen before, by normalised heading; empty for none.
    """
    known = _known_words(targets)
    found: list[str] = []
    for number, heading in enumerate(headings):
        word = normalised(heading)
        options = [remembered[word]] if word in remembered else known.get(word, [])
        if word == ID and word not in remembered:
            options = [ID if _has_ids(samples, number) else "externalId"]
        path = next((path for path in options if path in targets and path not in found), "")
        found.append(path)
    if USER_NAME not in found and EMAIL_AND_NAME not in found and ID not in found:
        # A list of people often has nothing but e-mail addresses to tell them apart.
        found = [EMAIL_AND_NAME if path == "emails" else path for path in found]
    return found


def _known_words(targets: Mapping[str, Target]) -> dict[str, list[str]]:
    """Return the paths that a normalised heading may mean, the likeliest first."""
    known: dict[str, list[str]] = {}
    for path, words in _WORDS.items():
        full = next((found for found in targets if found.rpartition(":")[2] == path), path)
        for word in words:
            known.setdefault(word, []).append(full)
    for path, target in targets.items():
        for text in (target.label, path, path.rpartition(":")[2]):
            known.setdefault(normalised(text), []).append(path)
    return known


def _has_ids(samples: Sequence[Sequence[str]], number: int) -> bool:
    values = [row[number] for row in samples if number < len(row) and row[number]]
    return bool(values) and all(key_of(value) is not None for value in values)
