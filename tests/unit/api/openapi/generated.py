"""The schema that drf-spectacular generates, and ways to look into it."""

from __future__ import annotations

import json
from functools import cache

from django.urls import include, path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.settings import patched_settings

API = [path("api/auth/", include("sessionkeeper.api.urls"))]
PROBLEM = "application/problem+json"


def generated(patterns=API, **options):
    """Generate the schema, and what was warned of meanwhile."""
    GENERATOR_STATS.reset()
    with patched_settings(options), GENERATOR_STATS.silence():
        schema = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
        rendered = json.loads(OpenApiJsonRenderer().render(schema))
    return rendered, [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]


@cache
def whole():
    return generated()[0]


def operations(schema):
    """Return the operations by method and path."""
    return {
        f"{method.upper()} {where}": operation
        for where, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def codes(operation, status=None):
    """Return the codes of an operation's problems."""
    return {
        code
        for number, answer in operation["responses"].items()
        if status in {None, number} and PROBLEM in answer.get("content", {})
        for code in answer["content"][PROBLEM]["schema"]["properties"]["code"]["enum"]
    }


def media_types(schema):
    """Walk over everything that has a schema and examples."""
    for operation in operations(schema).values():
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            yield from part.get("content", {}).items()
