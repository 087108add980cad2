"""Random users, filters and PATCHes: from few values, so that they meet."""

from dataclasses import replace
from functools import cache
from uuid import UUID

from hypothesis import assume
from hypothesis import strategies as st

from muster.scim.dialects import Dialect
from muster.scim.document import read
from muster.scim.errors import ScimError
from muster.scim.filter.grammar import And, Compare, Filter, Not, Or, Present, ValuePath
from muster.scim.schema.custom import extended, read_schema
from muster.scim.schema.model import ENTERPRISE_USER, USER, Attribute, ResourceType, registry

WORDS = (
    "ada",
    "Ada",
    "ADA LOVELACE",
    "zoë",
    "ZOË",
    "straße",
    "STRASSE",
    "ﬁne",
    "a%b",
    "a_b",
    "",
    "x",
    "ada ",
    "😀",
    "İstanbul",
)
DATES = (
    "2020-01-01T00:00:00Z",
    "2020-01-01T01:00:00+01:00",
    "2024-02-29T12:30:00.123456Z",
    "1999-12-31T23:59:59-08:00",
)
TEXT = (
    "displayName",
    "title",
    "nickName",
    "externalId",
    "name.familyName",
    "name.givenName",
    "profileUrl",
    "userType",
)
MULTI = (
    "emails.value",
    "emails.type",
    "phoneNumbers.value",
    "roles.value",
    "emails",
    "addresses.locality",
)
ENTERPRISE = tuple(
    f"{ENTERPRISE_USER}:{name}"
    for name in ("department", "employeeNumber", "manager.value", "manager")
)

words = st.sampled_from(WORDS)
filled = words.filter(lambda word: bool(word.strip()))
types = st.sampled_from(("work", "home", "Work"))


def _optional(**fields: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries({}, optional=fields)


def _elements(**fields: st.SearchStrategy) -> st.SearchStrategy:
    items = _optional(**fields, primary=st.booleans()).filter(bool)
    lists = st.lists(
        items, max_size=3, unique_by=lambda item: str({**item, "primary": None}).casefold()
    )
    return lists.filter(lambda items: sum(1 for item in items if item.get("primary")) <= 1)


addresses = st.one_of(
    filled,
    st.sampled_from(("ada@example.com", "ADA@Example.COM", "zoë@exämple.com", "b@example.org")),
)


plain_addresses = st.sampled_from(("ada@example.com", "b@example.org", "c.d@sub.example.net"))
"""Addresses that scim2-models takes, and takes as they are."""


@cache
def users(
    mail: st.SearchStrategy[str] = addresses, url: st.SearchStrategy[str] = words
) -> st.SearchStrategy[dict]:
    """A user as a client might POST it, valid."""
    fields = _optional(
        externalId=words,
        name=_optional(familyName=words, givenName=words, formatted=words),
        displayName=words,
        nickName=words,
        title=words,
        userType=words,
        profileUrl=url,
        active=st.booleans(),
        emails=_elements(value=mail, type=types, display=words),
        phoneNumbers=_elements(value=filled, type=types),
        roles=_elements(value=filled, display=words),
        addresses=_elements(locality=words, type=types),
    )
    enterprise = _optional(
        department=words, employeeNumber=words, manager=st.fixed_dictionaries({"value": filled})
    )
    return st.builds(_user, st.uuids(), fields, enterprise)


def _user(number: UUID, fields: dict, enterprise: dict) -> dict:
    return {
        "schemas": [USER, ENTERPRISE_USER],
        "userName": number.hex,
        **fields,
        ENTERPRISE_USER: enterprise,
    }


def _plain(document: dict) -> dict:
    for elements in document.values():
        for item in elements if isinstance(elements, list) else ():
            if isinstance(item, dict) and "type" in item:
                item["type"] = item["type"].lower()
    return document


@cache
def plain_users() -> st.SearchStrategy[dict]:
    """Users that scim2-models keeps as they are: it checks and lowers some values."""
    return users(plain_addresses, st.just("https://example.com/me")).map(_plain)


operators = st.sampled_from(("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"))
_ordered = st.sampled_from(("eq", "ne", "gt", "ge", "lt", "le"))


def _compares() -> st.SearchStrategy[Filter]:
    return st.one_of(
        st.builds(
            Compare,
            st.sampled_from(TEXT + MULTI + ENTERPRISE),
            operators,
            st.one_of(words, addresses),
        ),
        st.builds(
            Compare,
            st.sampled_from(("active", "emails.primary")),
            st.sampled_from(("eq", "ne")),
            st.booleans(),
        ),
        st.builds(
            Compare,
            st.sampled_from(("meta.created", "meta.lastModified")),
            _ordered,
            st.sampled_from(DATES),
        ),
        st.builds(
            Compare,
            st.sampled_from((*TEXT, "name", "emails", "active")),
            st.sampled_from(("eq", "ne")),
            st.none(),
        ),
        st.builds(
            Compare, st.just("schemas"), st.just("eq"), st.sampled_from((USER, ENTERPRISE_USER))
        ),
        st.builds(
            Present, st.sampled_from((*TEXT, *MULTI, *ENTERPRISE, "name", "active", "id", "meta"))
        ),
    )


def _inside() -> st.SearchStrategy[Filter]:
    terms = st.one_of(
        st.builds(
            Compare,
            st.sampled_from(("value", "type", "display")),
            operators,
            st.one_of(words, addresses, types),
        ),
        st.builds(Compare, st.just("primary"), st.just("eq"), st.booleans()),
        st.builds(Present, st.sampled_from(("value", "type", "primary"))),
    )
    return st.recursive(terms, _joined, max_leaves=3)


def _joined(children: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, children))


@cache
def filters() -> st.SearchStrategy[Filter]:
    """A filter that binds to User."""
    leaves = st.one_of(
        _compares(), st.builds(ValuePath, st.sampled_from(("emails", "EMAILS")), _inside())
    )
    return st.recursive(leaves, _joined, max_leaves=6)


EVERYTHING = "urn:example:params:scim:schemas:extension:everything:2.0:User"


def _definitions(prefix: str, **more) -> list[dict]:
    """An attribute of every simple type, single and multi-valued."""
    types = ("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference")
    single = [{"name": f"{prefix}{kind}", "type": kind} | more for kind in types]
    exact = [{"name": f"{prefix}exact", "type": "string", "caseExact": True} | more]
    return [
        *single,
        *exact,
        *({**item, "name": f"{item['name']}s", "multiValued": True} for item in single),
    ]


@cache
def everything() -> ResourceType:
    """User with an extension that has attributes of every type and form."""
    inner = [
        *_definitions("sub"),
        {"name": "value"},
        {"name": "type"},
        {"name": "primary", "type": "boolean"},
    ]
    raw = {
        "id": EVERYTHING,
        "name": "Everything",
        "extends": ["User"],
        "attributes": [
            *_definitions("a"),
            {"name": "one", "type": "complex", "subAttributes": inner},
            {"name": "many", "type": "complex", "multiValued": True, "subAttributes": inner},
            {"name": "indexed", "indexed": True},
            {"name": "moment", "type": "dateTime", "indexed": True},
        ],
    }
    schema = replace(read_schema(raw, registry()), ready=True)
    return extended(registry(), [schema], [], unique_group_names=False).types["/Users"]


_VALUES: dict[str, st.SearchStrategy] = {
    "string": words,
    "reference": words,
    "boolean": st.booleans(),
    "integer": st.sampled_from((-(2**63), -1, 0, 1, 7, 2**63 - 1)),
    "decimal": st.sampled_from((-1.5, 0, 0.25, 1, 1e9)),
    "dateTime": st.sampled_from(DATES),
    "binary": st.sampled_from(("", "MTIz", "mtiz", "_-8=")),
}


@st.composite
def _value_of(draw: st.DrawFn, attribute: Attribute) -> object:
    """Draw a value of an attribute, or one element of a multi-valued one."""
    if attribute.is_complex:
        return draw(_object_of(tuple(attribute.sub_attributes.values())))
    named = (
        attribute.required or attribute.name == "value"
    )  # an element's `value` names it, and is never empty
    return draw(filled if named and attribute.type == "string" else _VALUES[attribute.type])


@st.composite
def _object_of(draw: st.DrawFn, attributes: tuple[Attribute, ...]) -> dict:
    """An object with a few of the attributes, and with all that are required."""
    settable = [item for item in attributes if not item.read_only and item.returned != "never"]
    drawn = {
        item.name: item
        for item in draw(st.lists(st.sampled_from(settable), min_size=1, max_size=6))
    }
    found = {}
    for item in (*drawn.values(), *(item for item in settable if item.required)):
        values = (
            draw(st.lists(_value_of(item), max_size=3))
            if item.multi_valued
            else [draw(_value_of(item))]
        )
        if item.multi_valued and item.is_complex:
            for other in [value for value in values if value.get("primary")][1:]:
                del other["primary"]
        found[item.name] = values if item.multi_valued else values[0]
    return found


@st.composite
def users_of(draw: st.DrawFn, resource_type: ResourceType) -> dict:
    """A user as a client might POST it, drawn from every attribute of its schemas."""
    document = {"schemas": [USER, *(schema.id for schema in resource_type.extensions.values())]}
    document |= draw(_object_of(tuple(resource_type.core.attributes.values()))) | {
        "userName": draw(st.uuids()).hex
    }
    for schema in resource_type.extensions.values():
        document[schema.id] = draw(_object_of(tuple(schema.attributes.values())))
    assume(_is_readable(document, resource_type))
    return document


def _is_readable(document: dict, resource_type: ResourceType) -> bool:
    """Tell whether a workspace accepts a document: some elements name nothing."""
    try:
        return bool(read(document, resource_type, Dialect()))
    except ScimError:
        return False


class _Targets(list):
    """A value to compare, with a short representation for Hypothesis."""

    def __repr__(self) -> str:
        return f"{len(self)} targets"


@st.composite
def _spelt(draw: st.DrawFn, name: str) -> str:
    return draw(st.sampled_from((name, name.lower(), name.upper())))


@st.composite
def _comparison(draw: st.DrawFn, targets: list[tuple[str, Attribute]]) -> Filter:
    """A comparison with one of some attributes, by an operator that its type allows."""
    path, attribute = draw(st.sampled_from(targets))
    spelt = draw(_spelt(path))
    operators = ["eq", "ne", "pr", "null"]
    if attribute.type not in ("boolean", "binary"):
        operators += ["gt", "ge", "lt", "le"]
    if attribute.type in ("string", "reference", "binary"):
        operators += ["co", "sw", "ew"]
    operator = "pr" if attribute.is_complex else draw(st.sampled_from(operators))
    if operator == "pr":
        return Present(spelt)
    if operator == "null":
        return Compare(spelt, draw(st.sampled_from(("eq", "ne"))), None)
    return Compare(spelt, operator, draw(_VALUES[attribute.type]))


@st.composite
def _value_path(draw: st.DrawFn, targets: list[tuple[str, list[tuple[str, Attribute]]]]) -> Filter:
    path, subs = draw(st.sampled_from(targets))
    return ValuePath(
        draw(_spelt(path)), draw(st.recursive(_comparison(subs), _joined, max_leaves=3))
    )


@cache
def filters_of(resource_type: ResourceType) -> st.SearchStrategy[Filter]:
    """Draw a filter over any attribute, with value paths over complex ones."""
    compared, complex_ones = _Targets(), _Targets()
    for extension, attribute in resource_type.attributes():
        path = attribute.name if extension is None else f"{extension}:{attribute.name}"
        if attribute.returned == "never" or attribute.name == resource_type.computed:
            continue
        compared.append((path, attribute))
        if attribute.is_complex:
            unfiltered = ("location", "version") if attribute.name == "meta" else ()
            subs = _Targets(
                (sub.name, sub)
                for sub in attribute.sub_attributes.values()
                if sub.name not in unfiltered
            )
            compared.extend((f"{path}.{name}", sub) for name, sub in subs)
            complex_ones.append((path, subs))
    leaves = st.one_of(_comparison(compared), _value_path(complex_ones))
    return st.recursive(leaves, _joined, max_leaves=6)
