"""Describe the API in OpenAPI 3.1: from its routes and the shapes that they answer with."""

import re
import types
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    types.NoneType: {"type": "null"},
}
REFUSALS = {
    "400": ("A parameter is wrong: the text says which.", "Error"),
    "404": ("There is no such thing (any more).", "Error"),
    "503": ("Redis does not answer.", "Away"),
}
PLAIN_REFUSALS = {
    "401": "A username and a password are needed.",
    "405": "Only GET, HEAD and OPTIONS are answered.",
    "414": "The address is longer than the server takes.",
    "429": "Too many wrong passwords from this address.",
}
ERRORS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
    },
    "Away": {
        "type": "object",
        "required": ["error", "last_answer"],
        "properties": {
            "error": {"type": "string"},
            "last_answer": {"type": ["string", "null"], "format": "date-time"},
        },
    },
}


def document(routes: Iterable[Any], root: str, *, closed: bool) -> dict[str, Any]:
    """Return the document for *routes* (see ``dashboard.api``), which are below *root*.

    *closed*: a password is needed.
    """
    schemas: dict[str, Any] = dict(ERRORS)
    paths = {
        re.sub(r"<name:(\w+)>", r"{\1}", route.path): {"get": _operation(route, schemas)}
        for route in routes
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "redis_tasks",
            "version": "1",
            "description": "What the dashboard shows. Moments are in UTC, durations in seconds,"
            " sizes in bytes. More fields and more words of a status may be added.",
        },
        "servers": [{"url": root}],
        "security": [{"password": []}] if closed else [],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"password": {"type": "http", "scheme": "basic"}},
        },
    }


def _operation(route: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    named = re.findall(r"<name:(\w+)>", route.path)
    in_path = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": "All but letters, digits, _ : @ . - is written as ~ and two hexadecimal"
            " digits a byte.",
            "schema": {"type": "string", "pattern": "^([A-Za-z0-9_:@-]|~[0-9a-f]{2})+$"},
        }
        for name in named
    ]
    in_query = [
        {"name": p.name, "in": "query", "description": p.what, "schema": dict(p.schema)}
        for p in route.parameters
    ]
    answer = {"description": route.what, "content": _content(schema_of(route.shape, schemas))}
    refusals: dict[str, Any] = {
        status: {
            "description": words,
            "content": _content({"$ref": f"#/components/schemas/{shape}"}),
        }
        for status, (words, shape) in REFUSALS.items()
        if status != "404" or route.may_miss or in_path
    }
    for status, words in PLAIN_REFUSALS.items():
        kind = "text/html" if status == "414" else "text/plain"  # the server's own
        content = {kind: {"schema": {"type": "string"}}}
        refusals[status] = {"description": words, "content": content}
    parts = re.sub(r"\W+", " ", re.sub(r"<.*?>", "one", route.path)).split()
    return {
        "operationId": "_".join(parts),
        "summary": route.what,
        "parameters": [*in_path, *in_query],
        "responses": {"200": answer, **refusals},
    }


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def schema_of(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; those of dataclasses are put among *schemas*."""
    if kind in PLAIN:
        return dict(PLAIN[kind])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(each, schemas) for each in arguments]}
    if origin is tuple:
        return {"type": "array", "items": schema_of(arguments[0], schemas)}
    shape: Any = origin or kind
    if not is_dataclass(shape):
        raise TypeError(f"{kind!r} has no schema: give it one in openapi.py")
    name = (origin or kind).__name__ + "".join(f"Of{argument.__name__}" for argument in arguments)
    if name not in schemas:
        schemas[name] = {}  # it may contain itself
        schemas[name] = _object(shape, arguments, schemas)
    return {"$ref": f"#/components/schemas/{name}"}


def _object(shape: Any, arguments: tuple[Any, ...], schemas: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(shape)
    variables = dict(zip(_variables(shape), arguments, strict=False))
    properties = {
        field.name: schema_of(_filled(hints[field.name], variables), schemas)
        for field in fields(shape)
    }
    return {
        "type": "object",
        "description": (shape.__doc__ or "").strip(),
        "required": list(properties),
        "properties": properties,
    }


def _variables(shape: type) -> tuple[TypeVar, ...]:
    for parent in getattr(shape, "__orig_bases__", ()):
        if get_origin(parent) is Generic:
            return get_args(parent)
    return ()


def _filled(kind: Any, variables: dict[TypeVar, Any]) -> Any:
    if get_origin(kind) is tuple and get_args(kind)[0] in variables:
        item: Any = variables[get_args(kind)[0]]
        return tuple[item, ...]
    return kind
