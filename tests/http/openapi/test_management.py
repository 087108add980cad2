"""The OpenAPI document of the management REST: every operation is described."""

import httpx
import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.described import plain

PREFIX = "management."


@pytest.fixture(scope="module")
def document(server):
    return httpx.get(f"{server.url}/openapi.json", timeout=30).json()


@pytest.fixture(scope="module")
def operations(document):
    return [
        operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if path.startswith("/api/v1") and method != "parameters"
    ]


@pytest.fixture(scope="module")
def models(document):
    return {
        name: schema
        for name, schema in document["components"]["schemas"].items()
        if name.startswith(PREFIX)
    }


def within(schema):
    """A schema and all schemas within it."""
    yield schema
    for found in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from within(found)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from within(schema[name])


def test_every_model_and_every_member_is_described(models):
    assert len(models) > 60
    for name, schema in models.items():
        assert schema["description"].endswith("."), name
        assert schema["type"] == "object", name
        assert schema["properties"], name
        for member, found in schema["properties"].items():
            assert found["description"].endswith("."), (name, member)


def test_every_schema_has_a_shape(models):
    for name, schema in models.items():
        for found in within(schema):
            assert {"type", "$ref", "anyOf", "oneOf", "enum"} & set(found), (name, found)


@pytest.mark.slow
def test_the_document_is_openapi_3_1(document, models):
    """It is valid, and has none of the words of 3.0 for null and examples."""
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()
    for name, schema in models.items():
        for found in within(schema):
            assert not {"nullable", "example", "$defs"} & set(found), (name, found)


def test_every_reference_is_resolved(document, models, operations):
    def references(value):
        if isinstance(value, dict):
            yield from filter(None, [value.get("$ref")])
            for found in value.values():
                yield from references(found)
        elif isinstance(value, list):
            for found in value:
                yield from references(found)

    for reference in {*references(operations), *references(models)}:
        holder = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in holder, reference
            holder = holder[part]


def test_every_success_has_a_shape(operations):
    for operation in operations:
        for status, answer in operation["responses"].items():
            if not status.startswith("2") or status == "204":
                continue
            schema = answer["content"]["application/json"]["schema"]
            assert schema["$ref"].startswith(f"#/components/schemas/{PREFIX}"), operation


def test_every_error_is_a_problem(operations):
    for operation in operations:
        errors = {
            status: answer for status, answer in operation["responses"].items() if status >= "400"
        }
        assert {"400", "401", "403", "429", "500", "503"} <= set(errors)
        for answer in errors.values():
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["description"].endswith(".")


def test_every_list_has_one_form(models):
    lists = {name: schema for name, schema in models.items() if "items" in schema["properties"]}
    assert len(lists) == 21
    for name, schema in lists.items():
        assert {"items", "nextCursor"} <= set(schema["required"]), name


def test_every_parameter_is_bounded_and_described(operations):
    parameters = [
        (operation["operationId"], parameter)
        for operation in operations
        for parameter in operation.get("parameters", ())
    ]
    assert len(parameters) > 20
    for operation_id, parameter in parameters:
        schema = parameter["schema"]
        kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
        bounds = {"integer": ("minimum", "maximum"), "string": ("maxLength",), "boolean": ()}[kind]
        if parameter["name"] != "before" and "enum" not in schema:
            assert set(bounds) <= set(schema), (operation_id, parameter)
        assert parameter["description"].endswith("."), (operation_id, parameter)


def test_every_body_has_an_example_that_is_valid(document, operations):
    schemas = {
        name: plain(schema, closed=False)
        for name, schema in document["components"]["schemas"].items()
    }
    bodies = [operation["requestBody"] for operation in operations if "requestBody" in operation]
    assert len(bodies) >= 17
    for body in bodies:
        reference = body["content"]["application/json"]["schema"]["$ref"]
        example = schemas[reference.rpartition("/")[2]]["examples"][0]
        schema = {"$ref": reference, "components": {"schemas": schemas}}
        jsonschema_rs.validator_for(schema).validate(example)


def test_limits_and_choices_are_shown(models):
    key = models["management.NewKey"]
    assert key["required"] == ["name"]
    assert key["properties"]["name"]["minLength"] == 1
    assert key["properties"]["expiresInSeconds"]["minimum"] == 1
    assert "View audit logs" in key["properties"]["permissions"]["items"]["enum"]
    settings = models["management.SettingsChange"]["properties"]
    assert settings["guardMode"]["enum"] == ["hold", "pause", "watch", "off"]
    assert settings["guardShare"]["maximum"] == 100
    assert "default" not in settings["guardShare"]  # a PATCH leaves it as it is
    assert settings["rateLimit"]["type"] == ["integer", "null"]
