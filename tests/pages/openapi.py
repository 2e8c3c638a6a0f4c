"""Write docs/reference/openapi.md, the OpenAPI of the endpoints as a page.

python -m tests.pages.openapi
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import django

from tools.environment import ROOT

PAGE = ROOT / "docs/reference/openapi.md"
INTRODUCTION = """# OpenAPI of the endpoints

Every endpoint with what it takes and what it answers, from the schema that
[drf-spectacular](api.md#openapi) makes. A running site can serve the document itself, as the demo does at
`/api/schema/`. [The API](api.md) explains what this page lists.
"""
SECURITY = {
    "sessionCookie": "the session cookie",
    "csrfCookie": "the CSRF cookie",
    "csrfToken": "the CSRF token",
    "sessionToken": "a bearer token",
}


def kind(schema: dict[str, Any]) -> str:
    """The type of a value, in words; parts of the document as links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if parts := schema.get("allOf") or schema.get("oneOf"):
        return " or ".join(kind(part) for part in parts)
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    types = schema.get("type", "any")
    names = " or ".join(types) if isinstance(types, list) else types
    return f"{names}, {schema['format']}" if "format" in schema else names


def members(schema: dict[str, Any]) -> Iterator[str]:
    """The members of an object as a list."""
    for name, about in schema.get("properties", {}).items():
        needed = "" if name in schema.get("required", []) else ", optional"
        text = " ".join(about.get("description", "").split())
        yield f"- `{name}` ({kind(about)}{needed}){f': {text}' if text else ''}"


def example(content: dict[str, Any]) -> Iterator[str]:
    """The first example of a body."""
    for one in list(content.get("examples", {}).values())[:1]:
        yield f"```json\n{json.dumps(one['value'], indent=2, ensure_ascii=False)}\n```"


def needs(operation: dict[str, Any]) -> str:
    """What authenticates a request, in words."""
    ways = [
        " and ".join(SECURITY[name] for name in way) or "nothing" for way in operation.get("security", [])
    ]
    return f"**Send:** {', or '.join(ways)}." if ways else "**Send:** nothing."


def answers(operation: dict[str, Any]) -> Iterator[str]:
    """What an endpoint answers: successes with an example, refusals with their codes."""
    for status, answer in operation["responses"].items():
        for media, content in answer.get("content", {"": {}}).items():
            schema = content.get("schema", {})
            codes = schema.get("properties", {}).get("code", {}).get("enum", [])
            if media == "application/problem+json":
                yield f"**{status}**: {', '.join(f'`{code}`' for code in codes)}"
            elif media in {"", "application/json"}:
                yield f"**{status}**{f': {kind(schema)}' if schema else ': no body'}"
                yield from example(content)


def described(method: str, where: str, operation: dict[str, Any]) -> Iterator[str]:
    """The paragraphs about one endpoint."""
    yield f"## `{method.upper()} {where}`"
    yield operation.get("summary", "") or operation["operationId"]
    if text := operation.get("description", ""):
        yield text
    yield needs(operation)
    parameters = [one for one in operation.get("parameters", []) if one["in"] in {"query", "path"}]
    if parameters:
        yield "\n".join(
            f"- `{one['name']}` ({one['in']}, {kind(one['schema'])}): {one.get('description', '')}".rstrip(
                ": "
            )
            for one in parameters
        )
    content = operation.get("requestBody", {}).get("content", {})
    if body := content.get("application/json"):
        yield f"**Body:** {kind(body['schema'])}, as {', '.join(f'`{media}`' for media in content)}."
        yield from example(body)
    yield from answers(operation)


def page(schema: dict[str, Any]) -> str:
    """The whole page."""
    parts = [INTRODUCTION.rstrip()]
    for where, methods in schema["paths"].items():
        for method, operation in methods.items():
            parts += described(method, where, operation)
    for name, about in schema["components"]["schemas"].items():
        parts += [f"## {name}", " ".join(about.get("description", "").split()), "\n".join(members(about))]
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    generator = import_module("tests.unit.api.openapi.generated")  # needs Django to be set up
    PAGE.write_text(page(generator.generated()[0]))
