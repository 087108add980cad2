"""Checks every call of the management REST against /openapi.json."""

import copy
import functools
import re

import httpx
import jsonschema_rs
import orjson

ROOT = "/api/v1"


@functools.cache
def described(url):
    """The management REST of a server, by its OpenAPI document."""
    return Described(httpx.get(f"{url}/openapi.json", timeout=30).json())


class Described:
    """The operations of an OpenAPI document, with validators."""

    def __init__(self, document):
        schemas = document["components"]["schemas"]
        self.bodies, self.answers = (
            {name: plain(schema, closed) for name, schema in schemas.items()}
            for closed in (False, True)
        )
        self.paths = [
            (re.compile(re.sub(r"{\w+}", "[^/]+", path)), item)
            for path, item in document["paths"].items()
            if path.startswith(ROOT)
        ]
        self.validator = functools.cache(self._validator)

    def _validator(self, reference, of_answers):
        schemas = self.answers if of_answers else self.bodies
        return jsonschema_rs.validator_for({"$ref": reference, "components": {"schemas": schemas}})

    def errors(self, schema, content, of_answers):
        return list(self.validator(schema["$ref"], of_answers).iter_errors(orjson.loads(content)))

    def operation(self, request):
        path = request.url.raw_path.decode().partition("?")[0].rstrip("/")
        path = path[path.index(ROOT) :]
        method = "get" if request.method == "HEAD" else request.method.lower()
        found = [item for pattern, item in self.paths if pattern.fullmatch(path)]
        return found[0].get(method) if found else None

    def check(self, response):
        """Assert that an answer, and a body that was accepted, are as described."""
        request = response.request
        if request.method == "HEAD" or ROOT not in request.url.path:
            return
        operation = self.operation(request)
        response.read()
        place = (
            f"{request.method} {request.url} answered {response.status_code}: {response.text[:500]}"
        )
        problem = {
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/management.Problem"}
                }
            }
        }
        if operation is None:
            assert response.status_code in (401, 404, 405), f"not described: {place}"
            self.check_content(problem, response, place)
            return
        told = operation["responses"].get(str(response.status_code))
        if told is None and response.status_code in (404, 414, 431):  # of the path, query, headers
            told = problem
        assert told is not None, f"this status is not described: {place}"
        self.check_content(told, response, place)
        body = operation.get("requestBody")
        if body is not None and response.is_success and request.content:
            schema = body["content"]["application/json"]["schema"]
            errors = self.errors(schema, request.content, of_answers=False)
            assert not errors, f"an accepted body is not as described: {errors[0]}: {place}"

    def check_content(self, told, response, place):
        if "content" not in told:
            assert not response.content, place
            return
        media = response.headers["content-type"]
        assert media in told["content"], place
        if media.startswith("text/csv"):
            return
        errors = self.errors(told["content"][media]["schema"], response.content, of_answers=True)
        assert not errors, f"the answer is not as described: {errors[0]}: {place}"


def plain(schema, closed):
    """Return a schema whose objects have no further members, if it is to be closed."""
    schema = copy.copy(schema)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            schema[name] = plain(schema[name], closed)
    if "properties" in schema:
        schema["properties"] = {
            name: plain(found, closed) for name, found in schema["properties"].items()
        }
        if closed:
            schema.setdefault("additionalProperties", False)
    if "anyOf" in schema:
        schema["anyOf"] = [plain(found, closed) for found in schema["anyOf"]]
    return schema
