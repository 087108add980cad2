"""Definitions of schemas and resource types, as administrators write them."""

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.scim.errors import ScimError
from muster.scim.schema.custom import (
    ATTRIBUTE_TYPES,
    CHOICES,
    MAX_ATTRIBUTES,
    MAX_TEXT,
    CustomSchema,
    extended,
    read_schema,
    read_type,
    unique_attributes,
)
from muster.scim.schema.model import ENTERPRISE_USER, USER, Schema, registry

BASE = registry()
BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
DEVICES = {"name": "Device", "endpoint": "/Devices", "schema": DEVICE}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("name", "type", "subAttributes", "indexed", "schema", "x")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_$-]{0,5}", fullmatch=True)


@st.composite
def _attributes(draw, nested=False):
    """A valid attribute, with any of its characteristics left out."""
    types = [kind for kind in ATTRIBUTE_TYPES if not nested or kind != "complex"]
    made = {"name": draw(_names)}
    if draw(st.booleans()):
        made["type"] = draw(st.sampled_from(types))
    optional = {
        "description": st.text(max_size=5),
        "multiValued": st.booleans(),
        "caseExact": st.booleans(),
        "required": st.booleans(),
        "canonicalValues": st.lists(st.text(max_size=3), min_size=1, max_size=2),
        "mutability": st.sampled_from(("readWrite", "readOnly", "immutable")),
        "returned": st.sampled_from(("default", "always", "request")),
    }
    made |= draw(st.fixed_dictionaries({}, optional=optional))
    if made.get("type") == "complex":
        subs = st.lists(_attributes(nested=True), min_size=1, max_size=3, unique_by=_folded_name)
        made["subAttributes"] = draw(subs)
    elif not nested and made.get("type", "string") in ("string", "reference", "dateTime"):
        made["indexed"] = draw(st.booleans())
        if made.get("type") != "dateTime" and not made.get("multiValued"):
            made["uniqueness"] = draw(st.sampled_from(CHOICES["uniqueness"]))
    return made


def _folded_name(attribute):
    return attribute["name"].lower()


def definitions():
    return st.fixed_dictionaries(
        {
            "id": st.just(BADGE),
            "name": st.text(min_size=1, max_size=5).filter(str.strip),
            "extends": st.sampled_from((["User"], ["User", "Group"], ["Group", "Group"])),
            "attributes": st.lists(_attributes(), min_size=1, max_size=4, unique_by=_folded_name),
        },
        optional={"description": st.text(max_size=5), "required": st.booleans()},
    )


def without_defaults(raw, read):
    """The members of a definition that was read, as far as the administrator gave them."""
    shown = {name: read[name] for name in raw if name in read}
    for listed in ("attributes", "subAttributes"):
        if listed in raw:
            shown[listed] = [
                without_defaults(*pair) for pair in zip(raw[listed], read[listed], strict=True)
            ]
    return shown


def without_indexed(raw):
    return {
        name: value for name, value in raw.items() if name not in ("indexed", "extends", "required")
    }


@given(definitions())
def test_a_definition_is_kept_as_it_was_given(raw):
    before = copy.deepcopy(raw)
    schema = read_schema(raw, BASE)
    assert raw == before
    shown = {
        **without_indexed(raw),
        "attributes": [
            {name: value for name, value in item.items() if name != "indexed"}
            for item in raw["attributes"]
        ],
    }
    assert without_defaults(shown, schema.definition) == shown
    assert schema.extends == tuple(dict.fromkeys(raw["extends"]))
    assert schema.required == raw.get("required", False)
    assert schema.indexed == tuple(
        item["name"] for item in raw["attributes"] if item.get("indexed")
    )
    assert schema.ready == (not schema.indexed)
    assert CustomSchema.from_json(schema.to_json()) == schema


@given(definitions())
def test_a_definition_that_was_read_reads_as_itself(raw):
    schema = read_schema(raw, BASE)
    again = read_schema({**schema.definition, "extends": list(schema.extends)}, BASE)
    assert again.definition == schema.definition


@given(definitions())
def test_the_types_that_a_schema_extends_have_its_attributes(raw):
    schema = read_schema(raw, BASE)
    found = extended(BASE, [schema], [], unique_group_names=False)
    assert found.schemas[BADGE.lower()].definition == schema.definition
    for kind in found.types.values():
        extends = kind.name in schema.extends
        assert (kind.extension(BADGE) is not None) == extends
        for item in schema.definition["attributes"]:
            place = kind.place(f"{BADGE}:{item['name'].upper()}")
            assert (place is not None) == extends
        indexes = {f"{BADGE}:{name}" for name in schema.indexed}
        assert indexes & set(kind.indexed) == set()  # not before they are built
        assert (indexes & set(kind.building) == indexes) == (extends or not indexes)
        unique = {
            f"{BADGE}:{one.name}" for one in unique_attributes(Schema.from_json(schema.definition))
        }
        assert unique & set(kind.constrained) == (unique if extends else set())
        assert (BADGE in kind.required_extensions) == (extends and schema.required)


@given(json_values)
def test_nothing_but_scim_errors_for_any_json(value):
    for read in (read_schema, read_type):
        with pytest.raises(ScimError):
            read(value, BASE)


@given(definitions(), st.data())
def test_a_wrong_value_anywhere_is_a_scim_error_or_is_read(raw, data):
    holder = raw
    if data.draw(st.booleans()):
        holder = data.draw(st.sampled_from(raw["attributes"]))
        if data.draw(st.booleans()) and holder.get("subAttributes"):
            holder = data.draw(st.sampled_from(holder["subAttributes"]))
    name = data.draw(st.sampled_from([*holder, *CHOICES, "indexed", "referenceTypes"]))
    holder[name] = data.draw(json_values)
    schema = None
    with contextlib.suppress(ScimError):
        schema = read_schema(raw, BASE)
    if schema is not None:
        assert CustomSchema.from_json(schema.to_json()) == schema
        extended(BASE, [schema], [], unique_group_names=False)


def badge(*attributes, **changes):
    return {
        "id": BADGE,
        "name": "Badge",
        "extends": ["User"],
        "attributes": [*attributes],
        **changes,
    }


BOX = {"name": "box", "type": "complex"}
PIN = {"name": "pin", "returned": "never"}


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        ([], "body: expected a JSON object, got an array"),
        (badge({"name": "a"}, id="badge"), "id: expected a URN"),
        (badge({"name": "a"}, id=USER), "reserved by RFC"),
        (badge({"name": "a"}, id="urn:ietf:params:scim:api:messages:2.0:X"), "reserved by RFC"),
        (badge({"name": "a"}, name=" "), "name: expected a string"),
        (badge({"name": "a"}, description="x" * (MAX_TEXT + 1)), "description: expected a string"),
        (badge({"name": "a"}, required=1), "required: expected a boolean"),
        (badge({"name": "a"}, extends=["Robot"]), "extends: expected an array of names"),
        (badge(), "attributes: expected an array"),
        (badge(*({"name": f"a{n}"} for n in range(MAX_ATTRIBUTES + 1))), f"limit is {MAX_ATTRIBUTES}"),
        (badge("a"), "attributes[0]: expected an object, got a string"),
        (badge({"name": "1"}), "attributes[0].name: expected a letter"),
        (badge({"name": "$ref"}), "attributes[0].name: expected a letter"),
        (badge({"name": "a"}, {"name": "A"}), "attributes[1]: another attribute has the name 'A'"),
        (badge({"name": "ID"}, extends=[]), "attributes[0]: another attribute has the name 'ID'"),
        (badge({"name": "a", "type": "x"}), "(a).type: expected one of"),
        (badge({"name": "a", "mutability": "x"}), "(a).mutability: expected one of"),
        (badge({"name": "a", "canonicalValues": [1]}), "canonicalValues: expected an array"),
        (badge({"name": "a", "canonicalValues": False}), "canonicalValues: expected an array"),
        (badge({"name": "a", "referenceTypes": ""}), "referenceTypes: expected an array"),
        (badge(BOX), "subAttributes: expected an array"),
        (badge({**BOX, "subAttributes": [BOX]}), "subAttributes[0] (box).type: expected one of"),
        (badge({"name": "a", "subAttributes": [{"name": "b"}]}), "subAttributes: only a complex"),
        (badge({"name": "a", "uniqueness": "server", "multiValued": True}), "can be unique"),
        (badge({"name": "a", "uniqueness": "server", "type": "integer"}), "can be unique"),
        (badge({"name": "a", "indexed": True, "type": "boolean"}), "can be indexed"),
        (badge({**BOX, "subAttributes": [{"name": "b", "indexed": True}]}), "can be indexed"),
        (badge({**BOX, **PIN, "name": "box", "subAttributes": [{"name": "b"}]}), "a complex attribute"),
        (badge({**PIN, "mutability": "immutable"}), "pin).mutability: expected readWrite"),
        (badge({**PIN, "uniqueness": "server"}), "cannot be unique or indexed"),
        (badge({**PIN, "indexed": True}), "cannot be unique or indexed"),
        (badge({**BOX, "subAttributes": [{**PIN, "required": True}]}), "cannot be required"),
        (badge({**BOX, "mutability": "immutable", "subAttributes": [PIN]}), "an immutable attribute"),
        (badge({**BOX, "required": True, "subAttributes": [PIN]}), "needs a sub-attribute"),
        (badge({**BOX, "multiValued": True, "subAttributes": [PIN]}), "elements need a sub-attribute"),
        (
            badge({**BOX, "multiValued": True, "subAttributes": [{**PIN, "name": "Value"}, {"name": "b"}]}),
            "value identifies elements",
        ),
    ],
)  # fmt: skip
def test_an_error_names_the_place_and_the_cause(raw, detail):
    with pytest.raises(ScimError) as refused:
        read_schema(raw, BASE)
    assert refused.value.status == 400
    assert detail in refused.value.detail


def test_a_schema_is_defined_once():
    among = extended(BASE, [read_schema(badge({"name": "a"}), BASE)], [], unique_group_names=False)
    with pytest.raises(ScimError) as refused:
        read_schema(badge({"name": "b"}, id=BADGE.upper().replace("URN", "urn")), among)
    assert (refused.value.status, refused.value.scim_type) == (409, "uniqueness")


def among(*schemas):
    return extended(BASE, [read_schema(raw, BASE) for raw in schemas], [], unique_group_names=False)


DEVICE_SCHEMA = {"id": DEVICE, "name": "Device", "attributes": [{"name": "label"}]}
BADGE_SCHEMA = badge({"name": "number"}, extends=[])


@pytest.mark.parametrize("required", [None, False, True])
def test_a_type_has_its_schema_and_extensions(required):
    extension = {"schema": BADGE.upper().replace("URN", "urn")}
    raw = {
        **DEVICES,
        "schemaExtensions": [extension | ({} if required is None else {"required": required})],
    }
    known = among(DEVICE_SCHEMA, BADGE_SCHEMA)
    made = read_type(raw, known)
    assert made["schemaExtensions"] == [{"schema": BADGE, "required": bool(required)}]
    schemas = [read_schema(raw, BASE) for raw in (DEVICE_SCHEMA, BADGE_SCHEMA)]
    kind = extended(BASE, schemas, [made], unique_group_names=False).types["/Devices"]
    assert (kind.name, kind.core.id) == ("Device", DEVICE)
    assert kind.extension(BADGE) is not None
    assert kind.required_extensions == (frozenset({BADGE}) if required else frozenset())
    with pytest.raises(ScimError) as refused:
        read_type(
            {**raw, "endpoint": "/devices"},
            extended(BASE, schemas, [made], unique_group_names=False),
        )
    assert refused.value.status == 409


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"name": "a b"}, "name: expected a letter"),
        ({"name": 7}, "name: expected a letter"),
        ({"endpoint": "Devices"}, "endpoint: expected an unused path"),
        ({"endpoint": "/ServiceProviderConfig"}, "endpoint: expected an unused path"),
        ({"endpoint": "/a/b"}, "endpoint: expected an unused path"),
        ({"schema": USER}, "schema: expected the id of a schema of this workspace"),
        ({"schema": None}, "schema: expected the id of a schema of this workspace"),
        ({"schemaExtensions": {}}, "schemaExtensions: expected an array of objects"),
        ({"schemaExtensions": ["x"]}, "schemaExtensions: expected an array of objects"),
        ({"schemaExtensions": [{"schema": "urn:x:y"}]}, "schemaExtensions[0].schema: expected"),
        ({"schemaExtensions": [{"schema": BADGE, "required": 1}]}, "[0].required: expected a bool"),
        ({"schemaExtensions": [{"schema": DEVICE}]}, "schemaExtensions[0].schema: "),
        ({"schemaExtensions": [{"schema": BADGE}] * 2}, "schemaExtensions[1].schema: "),
    ],
)
def test_an_error_of_a_type_names_the_place_and_the_cause(change, detail):
    with pytest.raises(ScimError) as refused:
        read_type({**DEVICES, **change}, among(DEVICE_SCHEMA, BADGE_SCHEMA))
    assert refused.value.status == 400
    assert detail in refused.value.detail


def test_the_enterprise_extension_can_extend_a_type():
    raw = {**DEVICES, "schemaExtensions": [{"schema": ENTERPRISE_USER}]}
    assert read_type(raw, among(DEVICE_SCHEMA))["schemaExtensions"][0]["schema"] == ENTERPRISE_USER


@pytest.mark.parametrize("unique", [False, True])
def test_group_names_are_unique_if_the_workspace_says_so(unique):
    types = extended(BASE, [], [], unique).types
    assert ("displayName" in types["/Groups"].constrained) == unique
    assert "displayName" not in types["/Users"].constrained
    if not unique:
        assert types == BASE.types  # the same objects: nothing is compiled again
