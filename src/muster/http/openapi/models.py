"""The schemas of pydantic models and typed dictionaries, as the OpenAPI document has them.

pydantic writes JSON Schema 2020-12, which OpenAPI 3.1 uses.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema
from typing_extensions import get_type_hints, is_typeddict

Json = dict[str, Any]
_PREFIX = "management."
"""The names of schemas of SCIM have no dot, or begin with `type.`."""
_TEMPLATE = f"#/components/schemas/{_PREFIX}{{model}}"
_REFERENCE = re.compile(rf'"#/components/schemas/{re.escape(_PREFIX)}(\w+)"')
_DEPRECATED = "Deprecated: "


def reference(model: type) -> Json:
    """The reference to the schema of a model."""
    return {"$ref": _TEMPLATE.format(model=model.__name__)}


def components_of(models: Iterable[type]) -> Json:
    """The schemas of models and of those that they contain, by their names in components."""
    models = list(models)
    family = {found.__name__: found for model in models for found in _family(model)}
    inputs: list[Any] = [(name, "validation", TypeAdapter(model)) for name, model in family.items()]
    _, found = TypeAdapter.json_schemas(inputs, ref_template=_TEMPLATE, schema_generator=_Generator)
    schemas = {name: _plain(schema) for name, schema in found["$defs"].items()}
    for name, model in family.items():
        _inherit(schemas[name], model, schemas)
    wanted = dict.fromkeys(name for model in models for name in _used(model.__name__, schemas))
    return {_PREFIX + name: schemas[name] for name in wanted}


def _used(name: str, schemas: Json) -> Iterator[str]:
    """The name of a schema, and of those that it refers to."""
    yield name
    for within in _REFERENCE.findall(orjson.dumps(schemas[name]).decode()):
        yield from _used(within, schemas)


def _family(model: Any) -> Iterator[type]:
    """A typed dictionary, its bases and those within it; a pydantic model alone."""
    if not is_typeddict(model):
        if hasattr(model, "model_fields"):
            yield model
        for part in get_args(model):
            yield from _family(part)
        return
    yield model
    for base in _bases(model):
        yield from _family(base)
    for hint in get_type_hints(model).values():
        yield from _family(hint)


def _bases(model: type) -> list[type]:
    return [base for base in getattr(model, "__orig_bases__", ()) if is_typeddict(base)]


def _inherit(schema: Json, model: type, schemas: Json) -> None:
    """Describe inherited members: pydantic reads the docstrings of a class itself alone."""
    for base in _bases(model):
        _inherit(schema, base, schemas)
        for name, found in schemas[base.__name__]["properties"].items():
            for key in ("description", "deprecated"):
                if key in found:
                    schema["properties"][name].setdefault(key, found[key])


class _Generator(GenerateJsonSchema):
    """Writes null as one of several types if it can, and no titles."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Json:
        inner = self.generate_inner(schema["schema"])
        if "type" not in inner:
            return {"anyOf": [inner, {"type": "null"}]}
        types = inner["type"] if isinstance(inner["type"], list) else [inner["type"]]
        values = {"enum": [*inner["enum"], None]} if "enum" in inner else {}
        return inner | values | {"type": [*types, "null"]}

    def field_title_should_be_set(self, _schema: Any) -> bool:
        return False


def _plain(schema: Json) -> Json:
    """Rewrite a schema, and the schemas within, as the document has them."""
    made = {name: value for name, value in schema.items() if name != "title"}
    if made.get("default", ...) is None:
        del made["default"]
    if "example" in made:  # models give one alone
        made["examples"] = [made.pop("example")]
    if str(made.get("description")).startswith(_DEPRECATED):
        made["deprecated"] = True
    if "description" in made:
        made["description"] = " ".join(made["description"].split())
    if "properties" in made:
        made["properties"] = {name: _plain(found) for name, found in made["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(made.get(name), dict):
            made[name] = _plain(made[name])
    if "anyOf" in made:
        made["anyOf"] = [_plain(found) for found in made["anyOf"]]
    return made
