"""Random users, filters and PATCHes: from few values, so that they meet."""

from hypothesis import strategies as st

from muster.scim.filter import And, Compare, Filter, Not, Or, Present, ValuePath
from muster.scim.schema import ENTERPRISE_USER, USER

WORDS = ("ada", "Ada", "ADA LOVELACE", "zoë", "ZOË", "straße", "STRASSE", "ﬁne", "a%b", "a_b", "", "x", "ada ", "😀", "İstanbul")
DATES = ("2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", "2024-02-29T12:30:00.123456Z", "1999-12-31T23:59:59-08:00")
TEXT = ("displayName", "title", "nickName", "externalId", "name.familyName", "name.givenName", "profileUrl", "userType")
MULTI = ("emails.value", "emails.type", "phoneNumbers.value", "roles.value", "emails", "addresses.locality")
ENTERPRISE = tuple(f"{ENTERPRISE_USER}:{name}" for name in ("department", "employeeNumber", "manager.value", "manager"))

words = st.sampled_from(WORDS)
filled = words.filter(lambda word: bool(word.strip()))
types = st.sampled_from(("work", "home", "Work"))


def _optional(**fields: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries({}, optional=fields)


def _elements(**fields: st.SearchStrategy) -> st.SearchStrategy:
    lists = st.lists(_optional(**fields, primary=st.booleans()), max_size=3)
    return lists.filter(lambda items: sum(1 for item in items if item.get("primary")) <= 1)


addresses = st.one_of(words, st.sampled_from(("ada@example.com", "ADA@Example.COM", "zoë@exämple.com", "b@example.org")))


plain_addresses = st.sampled_from(("ada@example.com", "b@example.org", "c.d@sub.example.net"))
"""Addresses that scim2-models takes, and takes as they are."""


@st.composite
def users(draw: st.DrawFn, mail: st.SearchStrategy[str] = addresses, url: st.SearchStrategy[str] = words) -> dict:
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
        phoneNumbers=_elements(value=words, type=types),
        roles=_elements(value=words, display=words),
        addresses=_elements(locality=words, type=types),
    )
    enterprise = _optional(department=words, employeeNumber=words, manager=st.fixed_dictionaries({"value": filled}))
    document = {"schemas": [USER, ENTERPRISE_USER], "userName": draw(st.uuids()).hex, **draw(fields)}
    document[ENTERPRISE_USER] = draw(enterprise)
    return document


def _plain(document: dict) -> dict:
    for elements in document.values():
        for item in elements if isinstance(elements, list) else ():
            if isinstance(item, dict) and "type" in item:
                item["type"] = item["type"].lower()
    return document


def plain_users() -> st.SearchStrategy[dict]:
    """Users as scim2-models takes them and leaves them: it checks addresses and URLs, and lowers canonical values."""
    return users(plain_addresses, st.just("https://example.com/me")).map(_plain)


operators = st.sampled_from(("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"))
_ordered = st.sampled_from(("eq", "ne", "gt", "ge", "lt", "le"))


def _compares() -> st.SearchStrategy[Filter]:
    return st.one_of(
        st.builds(Compare, st.sampled_from(TEXT + MULTI + ENTERPRISE), operators, st.one_of(words, addresses)),
        st.builds(Compare, st.sampled_from(("active", "emails.primary")), st.sampled_from(("eq", "ne")), st.booleans()),
        st.builds(Compare, st.sampled_from(("meta.created", "meta.lastModified")), _ordered, st.sampled_from(DATES)),
        st.builds(Compare, st.sampled_from((*TEXT, "name", "emails", "active")), st.sampled_from(("eq", "ne")), st.none()),
        st.builds(Compare, st.just("schemas"), st.just("eq"), st.sampled_from((USER, ENTERPRISE_USER))),
        st.builds(Present, st.sampled_from((*TEXT, *MULTI, *ENTERPRISE, "name", "active", "id", "meta"))),
    )


def _inside() -> st.SearchStrategy[Filter]:
    terms = st.one_of(
        st.builds(Compare, st.sampled_from(("value", "type", "display")), operators, st.one_of(words, addresses, types)),
        st.builds(Compare, st.just("primary"), st.just("eq"), st.booleans()),
        st.builds(Present, st.sampled_from(("value", "type", "primary"))),
    )
    return st.recursive(terms, _joined, max_leaves=3)


def _joined(children: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, children))


def filters() -> st.SearchStrategy[Filter]:
    """A filter that binds to User."""
    leaves = st.one_of(_compares(), st.builds(ValuePath, st.sampled_from(("emails", "EMAILS")), _inside()))
    return st.recursive(leaves, _joined, max_leaves=6)
