"""Views say what they take and answer; `/openapi.json` is made from what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from werkzeug.routing import Rule

from server import __version__
from server.routes.errors import STATUS_OF

View = TypeVar("View", bound=Callable[..., Any])
ATTRIBUTE = "operation"
HTTP_METHODS = {"GET", "POST", "DELETE"}
ERROR_SCHEMA = {
    "type": "object",
    "required": ["error", "message", "field"],
    "properties": {
        "error": {"type": "string"},
        "message": {"type": "string"},
        "field": {"type": ["string", "null"]},
    },
}


@dataclass(frozen=True)
class Operation:
    """What `/openapi.json` tells of one view.

    Attributes:
        answers: status code -> (sentence, media type or None when there is no body).
        rows: the dataclass whose instances a 200 lists, if it is such a list.
        upload: name of the multipart file field, if any.
        form: the fields beside that file.
    """

    answers: Mapping[int, tuple[str, str | None]]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    rows: type | None = None
    upload: str | None = None
    form: type[BaseModel] | None = None
    is_open: bool = False
    extra_body_properties: Callable[[], dict[str, Any]] = field(default=dict)


def documented(operation: Operation) -> Callable[[View], View]:
    """Attach `operation` to a view; its docstring's first line becomes the summary."""

    def attach(view: View) -> View:
        setattr(view, ATTRIBUTE, operation)
        return view

    return attach


def describe(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every documented view of `app`."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        operation = getattr(app.view_functions[rule.endpoint], ATTRIBUTE, None)
        if operation is None:
            continue
        path = "".join(f"{{{part}}}" if is_argument else part for is_argument, part in _parts(rule))
        for method in sorted((rule.methods or set()) & HTTP_METHODS):
            view = app.view_functions[rule.endpoint]
            paths.setdefault(path, {})[method.lower()] = _describe_operation(rule, view, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Segment Anything in Remote Sensing Images", "version": __version__},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": ERROR_SCHEMA},
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": "uuid"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _parts(rule: Rule) -> list[tuple[bool, str]]:
    """Split `/tiles/<raster>/<int:z>` into [(False, "/tiles/"), (True, "raster"), (False, "/"), (True, "z")]."""
    return [(is_dynamic, part) for is_dynamic, part in rule._trace if part != "|"]


def _describe_operation(rule: Rule, view: Callable[..., Any], operation: Operation) -> dict[str, Any]:
    path_parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in sorted(rule.arguments)
    ]
    described: dict[str, Any] = {
        "operationId": rule.endpoint,
        "summary": (view.__doc__ or "").strip().split("\n")[0],
        "parameters": path_parameters + _query_parameters(operation.query),
        "responses": _responses(operation),
        "security": [] if operation.is_open else [{"cookie": []}, {"token": []}],
    }
    content = _body_content(operation)
    if content:
        described["requestBody"] = {"content": content}
    return described


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": item}
        for name, item in schema.get("properties", {}).items()
    ]


def _body_content(operation: Operation) -> dict[str, Any]:
    if operation.upload:
        file = {"type": "string", "format": "binary"}
        schema: dict[str, Any] = {} if operation.form is None else operation.form.model_json_schema()
        schema |= {"type": "object", "properties": {operation.upload: file, **schema.get("properties", {})}}
        return {"multipart/form-data": {"schema": schema}}
    if operation.body is None:
        return {}
    schema = operation.body.model_json_schema()
    schema["properties"] = {**schema.get("properties", {}), **operation.extra_body_properties()}
    schema["additionalProperties"] = False
    return {"application/json": {"schema": schema}}


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, (sentence, media_type) in operation.answers.items():
        responses[str(status)] = {"description": sentence}
        if media_type:
            responses[str(status)]["content"] = {media_type: _answer_content(operation, status)}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for kind, status in STATUS_OF.items():
        described = responses.setdefault(str(status), {"description": "", "content": error})
        described["description"] = f"{described['description']} {(kind.__doc__ or '').splitlines()[0]}".strip()
    return responses


def _answer_content(operation: Operation, status: int) -> dict[str, Any]:
    if operation.rows is None or status != HTTPStatus.OK:
        return {}
    return {"schema": {"type": "array", "items": TypeAdapter(operation.rows).json_schema(mode="serialization")}}
