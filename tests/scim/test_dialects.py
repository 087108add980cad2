"""Each row of the dialect table: its meaning, and the error of a strict workspace."""

import json

import pytest

from muster.http.scim.search import named, parameters_of
from muster.scim.bulk import BULK_REQUEST, RefusedOperation, read_bulk
from muster.scim.dialects import QUIRKS, Dialect
from muster.scim.document import read, read_value
from muster.scim.errors import ScimError
from muster.scim.filter import grammar as filters
from muster.scim.filter.shapes import read_filter
from muster.scim.messages import SEARCH_REQUEST
from muster.scim.patch import PATCH_OP, apply, prepare
from muster.scim.schema.model import ENTERPRISE_USER, USER, Attribute, registry

TAGS = Attribute("tags", "string", multi_valued=True)
USER_TYPE = registry().types["/Users"]
WORK = 'emails[type eq "work"].value'


def user(**attributes):
    return {"schemas": [USER], "userName": "a", "active": True, **attributes}


def patched(document, dialect, **message):
    steps = prepare({"schemas": [PATCH_OP], **message}, USER_TYPE, dialect)
    return apply(dict(document), steps, USER_TYPE, dialect)


def one(op, value=..., path=None):
    operation = (
        {"op": op}
        | ({} if value is ... else {"value": value})
        | ({} if path is None else {"path": path})
    )
    return {"Operations": [operation]}


def posted(quirk, document, expected):
    return pytest.param(
        quirk, lambda dialect: read(document, USER_TYPE, dialect), expected, id=f"{quirk}-post"
    )


def patching(quirk, message, expected, before=None):
    return pytest.param(
        quirk,
        lambda dialect: patched(before or user(), dialect, **message),
        expected,
        id=f"{quirk}-patch",
    )


def _taken(operation):
    """Read a bulk operation; raises its error."""
    if isinstance(operation, RefusedOperation):
        raise operation.error
    return operation.method, operation.bulk_id


LONE_POST = {
    "schemas": [BULK_REQUEST],
    "Operations": [{"method": "POST", "path": "/Users", "data": {}}],
}
ENTRA_ROLE = (
    '{"id":"06b07648-ecfe-589f-9d2f-6325724a46ee","value":"Admin","displayName":"Administrator"}'
)
EXTENDED = [USER, ENTERPRISE_USER]
MISSPACED = (
    'title\tpr and not (emails[type eq "work"] or (title eq "x"))',
    'title pr\tand not (emails[type eq "work"] or (title eq "x"))',
    'title pr and\tnot (emails[type eq "work"] or (title eq "x"))',
    'title pr and not\t(emails[type eq "work"] or (title eq "x"))',
    'title  pr and not (emails[type eq "work"] or (title eq "x"))',
    'title pr and not (emails[type eq"work"] or (title eq "x"))',
    'title pr and not (emails[type\teq "work"] or (title eq "x"))',
    'title pr and not (emails[type eq \t"work"] or (title eq "x"))',
    'title pr and not (emails [type eq "work"] or (title eq "x"))',
    'title pr and not (emails[ type eq "work"] or (title eq "x"))',
    'title pr and not (emails[type eq "work" ] or (title eq "x"))',
    'title pr and not (emails[type eq "work"]or (title eq "x"))',
    'title pr and not (emails[type eq "work"] or(title eq "x"))',
    'title pr and not ( emails[type eq "work"] or (title eq "x"))',
    'title pr and not (emails[type eq "work"] or (title eq "x") )',
    ' title pr and not (emails[type eq "work"] or (title eq "x"))',
    'title pr and not (emails[type eq "work"] or (title eq "x"))\t',
)
"""One filter with white space that deviates from RFC 7644 figure 1."""


CASES = [
    patching("operation-case", one("Add", "T", "title"), user(title="T")),
    patching("operation-case", one("REPLACE", "T", "title"), user(title="T")),
    patching("operation-case", one("Remove", path="title"), user(), user(title="T")),
    patching(
        "message-key-case",
        {"operations": [{"op": "add", "path": "title", "value": "T"}]},
        user(title="T"),
    ),
    patching(
        "single-operation",
        {"Operations": {"op": "add", "path": "title", "value": "T"}},
        user(title="T"),
    ),
    posted("boolean-as-string", user(active="False"), user(active=False)),
    posted(
        "boolean-as-string",
        user(emails=[{"value": "x", "primary": "true"}]),
        user(emails=[{"value": "x", "primary": True}]),
    ),
    patching("boolean-as-string", one("replace", "True", "active"), user(active=True)),
    patching("dotted-key", one("replace", {"name.givenName": "B"}), user(name={"givenName": "B"})),
    patching(
        "urn-key",
        one("add", {f"{ENTERPRISE_USER}:department": "D"}),
        user(schemas=EXTENDED, **{ENTERPRISE_USER: {"department": "D"}}),
    ),
    patching(
        "value-path-key",
        one("replace", {WORK: "n@x"}),
        user(emails=[{"value": "n@x", "type": "work"}]),
        user(emails=[{"value": "o@x", "type": "work"}]),
    ),
    patching(
        "value-path-made", one("add", "n@x", WORK), user(emails=[{"type": "work", "value": "n@x"}])
    ),
    patching(
        "value-path-made",
        one("replace", "n@x", 'emails[type eq "work" and primary eq true].value'),
        user(emails=[{"type": "work", "primary": True, "value": "n@x"}]),
    ),
    posted(
        "manager-as-string",
        user(**{ENTERPRISE_USER: {"manager": "26"}}),
        user(schemas=EXTENDED, **{ENTERPRISE_USER: {"manager": {"value": "26"}}}),
    ),
    patching(
        "manager-as-string",
        one("add", "26", f"{ENTERPRISE_USER}:manager"),
        user(schemas=EXTENDED, **{ENTERPRISE_USER: {"manager": {"value": "26"}}}),
    ),
    posted("manager-blank", user(**{ENTERPRISE_USER: {"manager": {"value": ""}}}), user()),
    posted("manager-blank", user(**{ENTERPRISE_USER: {"manager": ""}}), user()),
    patching(
        "manager-blank",
        one("replace", {"value": ""}, f"{ENTERPRISE_USER}:manager"),
        user(),
        user(schemas=EXTENDED, **{ENTERPRISE_USER: {"manager": {"value": "26"}}}),
    ),
    posted("unknown-schema", user(schemas=[USER, "urn:okta:custom:1.0:user"]), user()),
    posted("schemas-missing", {"userName": "a"}, user()),
    posted("value-in-list", user(title=[{"value": "T"}]), user(title="T")),
    patching("value-in-list", one("replace", [{"value": "T"}], "title"), user(title="T")),
    posted("element-alone", user(emails={"value": "x@y"}), user(emails=[{"value": "x@y"}])),
    posted("element-alone", user(roles="admin"), user(roles=[{"value": "admin"}])),
    posted(
        "element-as-string",
        user(roles=["admin", "owner"]),
        user(roles=[{"value": "admin"}, {"value": "owner"}]),
    ),
    patching("element-as-string", one("add", "admin", "roles"), user(roles=[{"value": "admin"}])),
    posted("value-blank", user(emails=[{"value": "", "type": "work"}]), user()),
    posted(
        "value-blank",
        user(phoneNumbers=[{"Value": " ", "type": "work"}, {"value": "1", "type": "home"}]),
        user(phoneNumbers=[{"value": "1", "type": "home"}]),
    ),
    patching(
        "value-blank",
        one("replace", [{"value": ""}, {"value": "a"}], "roles"),
        user(roles=[{"value": "a"}]),
    ),
    patching("value-blank", one("add", "", WORK), user()),
    patching("value-blank", one("replace", "", WORK), user()),
    patching(
        "value-blank",
        one("replace", "", WORK),
        user(emails=[{"type": "work"}]),
        user(emails=[{"value": "w@x", "type": "work"}]),
    ),
    patching(
        "value-blank",
        one("replace", {"value": "", "display": "D"}, 'emails[type eq "work"]'),
        user(emails=[{"display": "D"}]),
        user(emails=[{"value": "w@x", "type": "work"}]),
    ),
    posted(
        "role-as-json",
        user(roles=[{"value": ENTRA_ROLE}]),
        user(roles=[{"value": "Admin", "display": "Administrator"}]),
    ),
    patching(
        "role-as-json",
        one("replace", [{"value": ENTRA_ROLE, "primary": True}], "roles"),
        user(roles=[{"value": "Admin", "display": "Administrator", "primary": True}]),
    ),
    posted(
        "role-display-name",
        user(roles=[{"value": "Admin", "displayName": "Administrator"}]),
        user(roles=[{"value": "Admin", "display": "Administrator"}]),
    ),
    patching(
        "role-as-json",
        one("replace", ENTRA_ROLE, "roles[primary eq true].value"),
        user(roles=[{"primary": True, "value": "Admin", "display": "Administrator"}]),
    ),
    posted("value-in-list", user(active=["False"]), user(active=False)),
    posted("value-in-list", user(title={"value": "T"}), user(title="T")),
    posted("value-in-list", user(title=[{"$ref": None, "value": "T"}]), user(title="T")),
    posted(
        "value-in-list",
        user(**{ENTERPRISE_USER: {"manager": [{"$ref": "../Users/26", "value": "26"}]}}),
        user(
            schemas=EXTENDED,
            **{ENTERPRISE_USER: {"manager": {"$ref": "../Users/26", "value": "26"}}},
        ),
    ),
    patching(
        "value-in-list",
        one("replace", [{"value": "n@x", "type": "work"}], 'emails[type eq "work"]'),
        user(emails=[{"value": "n@x", "type": "work"}]),
        user(emails=[{"value": "o@x", "type": "work"}]),
    ),
    pytest.param(
        "value-in-object",
        lambda dialect: read_value(TAGS, [{"value": "a"}, "b"], "tags", dialect),
        ["a", "b"],
        id="value-in-object-simple",
    ),
    posted(
        "primary-twice",
        user(
            emails=[
                {"value": "A@x", "primary": True, "type": "work"},
                {"value": "a@x", "primary": True, "type": "home"},
            ]
        ),
        user(
            emails=[
                {"value": "A@x", "primary": True, "type": "work"},
                {"value": "a@x", "primary": False, "type": "home"},
            ]
        ),
    ),
    patching(
        "urn-with-dot",
        one("replace", "D", f"{ENTERPRISE_USER}.department"),
        user(schemas=EXTENDED, **{ENTERPRISE_USER: {"department": "D"}}),
    ),
    patching("urn-with-dot", one("replace", "T", f"{USER}.title"), user(title="T")),
    patching(
        "bare-extension-attribute",
        one("replace", "26", "manager"),
        user(schemas=EXTENDED, **{ENTERPRISE_USER: {"manager": {"value": "26"}}}),
    ),
    patching(
        "bare-extension-attribute",
        one("replace", {"department": "D"}),
        user(schemas=EXTENDED, **{ENTERPRISE_USER: {"department": "D"}}),
    ),
    pytest.param(
        "bare-extension-attribute",
        lambda dialect: read_filter('manager.value eq "26"', USER_TYPE, dialect),
        read_filter(f'{ENTERPRISE_USER}:manager.value eq "26"', USER_TYPE, Dialect()),
        id="bare-extension-attribute-filter",
    ),
    pytest.param(
        "message-key-case",
        lambda dialect: parameters_of(
            {"schemas": [SEARCH_REQUEST], "Filter": "a pr", "COUNT": 1}, dialect
        ),
        {"filter": "a pr", "count": "1"},
        id="message-key-case-search",
    ),
    pytest.param(
        "message-key-case",
        lambda dialect: named({"Filter": "a pr", "other": "1"}, lambda: dialect),
        {"filter": "a pr", "other": "1"},
        id="message-key-case-query",
    ),
    pytest.param(
        "schemas-missing",
        lambda dialect: parameters_of({"filter": "a pr"}, dialect),
        {"filter": "a pr"},
        id="schemas-missing-search",
    ),
    patching("read-only-key", one("replace", {"id": "1", "active": False}), user(active=False)),
    patching(
        "remove-with-value",
        one("remove", [{"value": "a@x"}], "emails"),
        user(emails=[{"value": "b@x"}]),
        user(emails=[{"value": "a@x", "type": "work"}, {"value": "b@x"}]),
    ),
    pytest.param(
        "bulk-id-missing",
        lambda dialect: _taken(read_bulk(LONE_POST, 10, registry().types, dialect).operations[0]),
        ("POST", None),
        id="bulk-id-missing-bulk",
    ),
    *(
        pytest.param(
            "filter-spacing",
            lambda dialect, text=text: filters.parse(text, dialect),
            filters.parse('title pr and not (emails[type eq "work"] or (title eq "x"))', Dialect()),
            id=f"filter-spacing-{number}",
        )
        for number, text in enumerate(MISSPACED)
    ),
    pytest.param(
        "filter-spacing",
        lambda dialect: patched(
            user(emails=[{"value": "a@x"}]),
            dialect,
            **one("remove", path='emails[value\teq "a@x"]'),
        ),
        user(),
        id="filter-spacing-path",
    ),
    *(
        pytest.param(
            "filter-unquoted",
            lambda dialect, word=word: filters.parse(f"userName eq {word}", dialect),
            filters.parse(f'userName eq "{word}"', Dialect()),
            id=f"filter-unquoted-{word}",
        )
        for word in ("jane", "jane@example.com", "ümit", "007", "a&b", "o'neil", "true-north")
    ),
    pytest.param(
        "value-path-sub-attribute",
        lambda dialect: filters.parse(f'{WORK} eq "x"', dialect),
        filters.parse('emails[type eq "work" and value eq "x"]', Dialect()),
        id="value-path-sub-attribute-filter",
    ),
]


@pytest.mark.parametrize(("quirk", "act", "expected"), CASES)
def test_a_lenient_workspace_reads_each_row_as_documented(quirk, act, expected):
    dialect = Dialect()
    assert act(dialect) == expected
    assert quirk in dialect.seen


@pytest.mark.parametrize(("quirk", "act", "_"), CASES)
def test_a_strict_workspace_refuses_each_row(quirk, act, _):
    with pytest.raises(ScimError) as caught:
        act(Dialect(strict=True))
    assert caught.value.status == 400
    assert caught.value.scim_type == QUIRKS[quirk].scim_type


@pytest.mark.parametrize(
    "text",
    [
        "userName eq jane doe",
        "userName co jane",
        "userName eq jane and active eq true",
        "not (userName eq jane)",
        'userName eq jane"',
        "emails[value eq a@x]",
        "userName eq " + "x" * 9000,
    ],
)
def test_a_string_without_quotation_marks_is_read_only_if_it_is_the_whole_value(text):
    dialect = Dialect()
    with pytest.raises(ScimError) as caught:
        filters.parse(text, dialect)
    assert caught.value.scim_type == "invalidFilter"
    assert "filter-unquoted" not in dialect.seen


@pytest.mark.parametrize(("text", "value"), [("true", True), ("null", None), ("12", 12)])
def test_a_json_value_without_quotation_marks_stays_what_it_is(text, value):
    dialect = Dialect()
    assert filters.parse(f"active eq {text}", dialect).value == value
    assert dialect.seen == []


def test_a_boolean_as_a_string_is_read_in_the_filter_of_a_path():
    role = {"primary": True, "value": "Admin", "display": "Administrator"}
    path = 'roles[primary eq "True"].value'
    assert patched(user(), Dialect(), **one("replace", ENTRA_ROLE, path)) == user(roles=[role])
    with pytest.raises(ScimError) as caught:
        patched(user(), Dialect(strict=True), **one("replace", "Admin", path))
    assert caught.value.scim_type == "invalidFilter"


BLANK = (
    [{"value": ""}],
    [{"VALUE": " ", "primary": None}],
    [{"value": ""}, {"value": " "}],
    {"value": ""},
)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("value", BLANK)
@pytest.mark.parametrize(
    "attribute",
    ["emails", "phoneNumbers", "roles", "entitlements", "ims", "photos", "x509Certificates"],
)
def test_an_element_with_an_empty_value_alone_is_refused(strict, value, attribute):
    before = user(**{attribute: [{"value": "AAAA", "type": "work"}]})
    acts = [lambda: read(user(**{attribute: value}), USER_TYPE, Dialect(strict))]
    for operation in ("add", "replace") if strict else ("add", "replace", "remove"):
        acts.append(
            lambda op=operation: patched(before, Dialect(strict), **one(op, value, attribute))
        )
    for operation in ("add", "replace"):
        acts.append(
            lambda op=operation: patched(
                before, Dialect(strict), **one(op, {"title": "T", attribute: value})
            )
        )
    acts.append(
        lambda: patched(
            before, Dialect(strict), **one("replace", {"value": ""}, f'{attribute}[type eq "work"]')
        )
    )
    acts.append(
        lambda: patched(before, Dialect(strict), **one("replace", "", f"{attribute}.value"))
    )
    for number, act in enumerate(acts):
        with pytest.raises(ScimError) as caught:
            act()
        assert caught.value.scim_type == "invalidValue", number


ROLE_IN_FILTER = json.dumps(ENTRA_ROLE)
ROLE_FILTERS = [
    (f"roles[value eq {ROLE_IN_FILTER}]", 'roles[value eq "Admin"]'),
    (f"roles[value ne {ROLE_IN_FILTER} and display pr]", 'roles[value ne "Admin" and display pr]'),
    (f"roles eq {ROLE_IN_FILTER}", 'roles eq "Admin"'),
    (f"{USER}:roles.value eq {ROLE_IN_FILTER}", 'roles.value eq "Admin"'),
    (f"not (ROLES.VALUE eq {ROLE_IN_FILTER})", 'not (roles.value eq "Admin")'),
]


@pytest.mark.parametrize(("sent", "meant"), ROLE_FILTERS)
def test_a_role_as_json_in_a_filter_compares_by_its_value(sent, meant):
    dialect, strict = Dialect(), Dialect(strict=True)
    assert read_filter(sent, USER_TYPE, dialect) == read_filter(meant, USER_TYPE, Dialect())
    assert dialect.seen == ["role-json-in-filter"]
    assert read_filter(sent, USER_TYPE, strict) != read_filter(meant, USER_TYPE, strict)
    assert strict.seen == []


@pytest.mark.parametrize(
    "sent",
    [f"roles co {ROLE_IN_FILTER}", f"roles.display eq {ROLE_IN_FILTER}", 'roles eq "{\\"a\\":1}"'],
)
def test_json_in_other_comparisons_is_a_plain_string(sent):
    dialect = Dialect()
    read_filter(sent, USER_TYPE, dialect)
    assert dialect.seen == []


def test_a_role_as_json_in_the_filter_of_a_path_selects_by_its_value():
    admin, other = {"value": "Admin", "display": "Administrator"}, {"value": "User"}
    before, path = user(roles=[admin, other]), f"roles[value eq {ROLE_IN_FILTER}]"
    assert patched(before, Dialect(), **one("remove", path=path)) == user(roles=[other])
    replaced = patched(before, Dialect(), **one("replace", "Owner", f"{path}.value"))
    assert replaced["roles"] == [{"value": "Owner", "display": "Administrator"}, other]
    made = patched(user(), Dialect(), **one("add", "Boss", f"{path}.display"))
    assert made == user(roles=[{"value": "Admin", "display": "Boss"}])
    with pytest.raises(ScimError) as caught:
        patched(before, Dialect(strict=True), **one("remove", path=path))
    assert caught.value.scim_type == "noTarget"


LETTER = {"role-json-in-filter"}
"""Rows that a strict workspace reads to the letter without an error; tested above."""
OUTSIDE = {"byte-order-mark", "put-without-active", "put-without-members"}
"""Rows that can be seen only over HTTP; see tests/http/scim/test_dialects.py."""


def test_every_row_of_the_table_has_a_test():
    assert {case.values[0] for case in CASES} | OUTSIDE | LETTER == set(QUIRKS)


@pytest.mark.parametrize(
    "path",
    [
        'emails[type ne "work"].value',
        'emails[type eq "a" or type eq "b"].value',
        'emails[type eq "work"]',
    ],
)
def test_no_element_is_created_if_the_filter_does_not_describe_it(path):
    with pytest.raises(ScimError) as caught:
        patched(
            user(),
            Dialect(),
            **one("replace", "x@x" if path.endswith("value") else {"value": "x"}, path),
        )
    assert caught.value.scim_type == "noTarget"
