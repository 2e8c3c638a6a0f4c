"""Write the Postman collection of the demo's API from its OpenAPI schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tools.environment import ROOT

COLLECTION = ROOT / "docs" / "postman" / "sessionkeeper.postman_collection.json"
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
BEARER, CSRF = "sessionToken", "csrfToken"

NOTES = (
    "notes_create",
    "notes_list",
    "notes_retrieve",
    "notes_update",
    "notes_partial_update",
    "notes_destroy",
)
READS = ("auth_session", "auth_sessions", "auth_history")
#: Each folder is a story that runs from its first request to its last; the second one puts the password back.
BY_COOKIE = (
    *("auth_csrf", "auth_login", *READS, *NOTES, "auth_reauthenticate", "auth_password_change"),
    *("auth_revoke_others", "auth_password_reset", "auth_password_reset_confirm", "auth_revoke"),
    *("auth_login", "auth_revoke_all", "auth_login", "auth_logout"),
)
BY_TOKEN = (
    *("auth_tokens", *READS, *NOTES, "auth_reauthenticate", "auth_password_change", "auth_revoke_others"),
    *("auth_revoke", "auth_tokens", "auth_revoke_all", "auth_tokens", "auth_logout"),
)
VARIABLES = {
    "base_url": "http://127.0.0.1:8000",
    "username": "alice",
    "password": "wonderland-tea-party",
    "new_password": "mad-hatters-unbirthday",
    **dict.fromkeys(("csrf_token", "token", "session_id", "note_id"), ""),
}
#: What stands in the examples of the schema, and is a variable here; a note has no example.
BODIES: dict[str, dict[str, Any]] = {
    "auth_login": {"username": "{{username}}", "password": "{{password}}"},
    "auth_tokens": {"username": "{{username}}", "password": "{{password}}", "scopes": None},
    "auth_reauthenticate": {"password": "{{password}}"},
    "auth_password_change": {"current_password": "{{password}}", "new_password": "{{new_password}}"},
    "auth_password_reset_confirm": {"new_password": "{{new_password}}"},
    "notes_create": {"text": "Feed the dormouse"},
    "notes_update": {"text": "Let the dormouse sleep"},
    "notes_partial_update": {"text": "Let it sleep"},
}
#: The link of a mail is not at hand, so an old one is sent.
ANSWERS = {"auth_password_reset_confirm": 400}
#: What later requests need of an answer.
KEPT = {
    "auth_csrf": {"csrf_token": "csrf_token"},
    "auth_login": {"session_id": "session.id"},
    "auth_tokens": {"session_id": "session.id", "token": "token"},
    "notes_create": {"note_id": "id"},
}
SWAP = (
    'const old = pm.collectionVariables.get("password");',
    'pm.collectionVariables.set("password", pm.collectionVariables.get("new_password"));',
    'pm.collectionVariables.set("new_password", old);',
)
#: After every answer: a sign-in has changed the token.
CSRF_STEP = (
    'const csrf = pm.cookies.get("csrftoken");',
    'if (csrf) pm.collectionVariables.set("csrf_token", csrf);',
)
SAYS = (
    "The API of sessionkeeper's demo (`make demo`). By cookie: `csrf/` comes first; X-CSRFToken is then kept "
    "up to date after every answer. By token: the token is kept and no cookie is sent. Each folder runs from "
    "its first request to its last, and both together leave the password as it was."
)


def schema() -> dict[str, Any]:
    """The demo's schema, as `/api/schema/` serves it."""
    command = [sys.executable, "demo/manage.py", "spectacular", "--format", "openapi-json", "--fail-on-warn"]
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "demo.settings", "PYTHONPATH": path}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def operations(schema: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Method, path and operation, by the operation's name."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def collection(schema: dict[str, Any]) -> dict[str, Any]:
    """The collection: one folder for each way in."""
    found = operations(schema)
    by_cookie = [item(name, *found[name], by_token=False) for name in BY_COOKIE]
    by_token = [item(name, *found[name], by_token=True) for name in BY_TOKEN]
    return {
        "info": {"name": "sessionkeeper", "description": SAYS, "schema": FORMAT},
        "variable": [{"key": key, "value": value} for key, value in VARIABLES.items()],
        "event": [script(CSRF_STEP)],
        "item": [{"name": "By cookie", "item": by_cookie}, {"name": "By token", "item": by_token}],
    }


def item(name: str, method: str, path: str, operation: dict[str, Any], *, by_token: bool) -> dict[str, Any]:
    """One request, and what it must answer."""
    ways = operation["security"]
    headers = {"Accept": "application/json"}
    if by_token and any(BEARER in way for way in ways):
        headers["Authorization"] = "Bearer {{token}}"
    elif any(CSRF in way for way in ways):
        headers["X-CSRFToken"] = "{{csrf_token}}"
    request: dict[str, Any] = {"method": method, "url": address(name, path)}
    body = example(operation) | BODIES.get(name, {})
    if body:
        headers["Content-Type"] = "application/json"
        request["body"] = {"mode": "raw", "raw": json.dumps(body, indent=2)}
    request["header"] = [{"key": key, "value": value} for key, value in headers.items()]
    request["description"] = description(operation)
    return {
        "name": f"{method} {path}",
        "request": request,
        "event": [script(checks(name, operation))],
        **({"protocolProfileBehavior": {"disableCookies": True}} if by_token else {}),
    }


def address(name: str, path: str) -> dict[str, Any]:
    """The URL in Postman's form, with a variable for what stands in braces."""
    filled = path.replace("{id}", "{{note_id}}").replace("{session_id}", "{{session_id}}")
    return {
        "raw": "{{base_url}}" + filled,
        "host": ["{{base_url}}"],
        "path": [*filled.strip("/").split("/"), ""],
    }


def example(operation: dict[str, Any]) -> dict[str, Any]:
    """The body of the schema's first example, or nothing."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples: dict[str, Any] = content.get("examples", {})
    return next((dict(shown["value"]) for shown in examples.values()), {})


def description(operation: dict[str, Any]) -> str:
    """What the schema says of the operation, and its refusals with their codes."""
    lines = [operation.get("summary") or operation.get("description", "")]
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values():
            codes = content["schema"].get("properties", {}).get("code", {}).get("enum", [])
            lines += [f"{status}: {', '.join(codes)}"] if codes else []
    return "\n\n".join(lines)


def checks(name: str, operation: dict[str, Any]) -> list[str]:
    """The script that looks at the answer and keeps what later requests need."""
    status = ANSWERS.get(name) or int(min(operation["responses"]))
    lines = [f'pm.test("answers {status}", () => pm.response.to.have.status({status}));']
    for variable, member in KEPT.get(name, {}).items():
        lines.append(f'pm.collectionVariables.set("{variable}", pm.response.json().{member});')
    return [*lines, *SWAP] if name == "auth_password_change" else lines


def script(lines: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """A script that runs after the answer."""
    return {"listen": "test", "script": {"type": "text/javascript", "exec": list(lines)}}


def rendered() -> str:
    """The file's text."""
    return json.dumps(collection(schema()), indent=2) + "\n"


def main() -> None:
    """Write the file."""
    COLLECTION.parent.mkdir(exist_ok=True)
    COLLECTION.write_text(rendered())
    sys.stdout.write(f"Written: {COLLECTION.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
