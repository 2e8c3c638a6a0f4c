"""What drf-spectacular says of the API: without warnings, valid, and as the API is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache

import pytest
from django.conf import settings
from django.test import override_settings
from django.urls import include, path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from rest_framework import serializers
from rest_framework.generics import ListCreateAPIView
from rest_framework.permissions import IsAuthenticated

from sessionkeeper.api import urls
from sessionkeeper.api.authentication import SessionAuthentication, TokenAuthentication
from sessionkeeper.api.views.session import LoginView
from sessionkeeper.csrf import problems as csrf_problems
from tests.demo_server import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]
PAGE = (ROOT / "docs/reference/api.md").read_text()
API = [path("api/auth/", include("sessionkeeper.api.urls"))]
PROBLEM = "application/problem+json"


def generated(patterns=API, **options):
    """Generate the schema, and what was warned of meanwhile."""
    GENERATOR_STATS.reset()
    with patched_settings(options), GENERATOR_STATS.silence():
        schema = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
        rendered = json.loads(OpenApiJsonRenderer().render(schema))
    return rendered, [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]


@pytest.fixture
def schema():
    """The schema of the API, made once: nothing in it changes between tests."""
    return whole()


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


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_the_schema_is_valid_and_nothing_is_warned_of(version):
    found, warnings = generated(OAS_VERSION=version)
    assert not warnings
    assert found["openapi"] == version
    validate_schema(found)


@pytest.mark.parametrize("in_sessions", [False, True])
def test_the_schemes_have_the_names_of_the_settings(in_sessions):
    with override_settings(CSRF_COOKIE_NAME="biscuit", CSRF_USE_SESSIONS=in_sessions):
        schemes = generated()[0]["components"]["securitySchemes"]
    assert schemes["sessionCookie"]["name"] == settings.SESSION_COOKIE_NAME
    assert schemes["csrfToken"]["name"] == "X-CSRFToken"
    assert schemes["sessionToken"]["scheme"] == "bearer"
    assert ("csrfCookie" in schemes) is not in_sessions
    assert in_sessions or schemes["csrfCookie"]["name"] == "biscuit"


@pytest.mark.parametrize(
    ("operation", "ways"),
    [
        ("GET /api/auth/csrf/", [set()]),
        ("POST /api/auth/login/", [{"csrfCookie", "csrfToken"}]),
        ("POST /api/auth/logout/", [{"csrfCookie", "csrfToken"}, {"sessionToken"}]),
        ("GET /api/auth/session/", [{"sessionCookie"}, {"sessionToken"}]),
        ("POST /api/auth/tokens/", [set()]),
        (
            "DELETE /api/auth/sessions/{session_id}/",
            [{"sessionCookie", "csrfCookie", "csrfToken"}, {"sessionToken"}],
        ),
    ],
)
def test_each_endpoint_names_the_ways_in(schema, operation, ways):
    assert [set(way) for way in operations(schema)[operation]["security"]] == ways


def test_every_endpoint_is_described(schema):
    described = {f"sessionkeeper-api:{name}" for name in re.findall(r"`sessionkeeper-api:([\w-]+)`\.", PAGE)}
    routes = {
        f"sessionkeeper-api:{route.name}" for route in urls.urlpatterns if hasattr(route.callback, "cls")
    }
    assert len(operations(schema)) == len(routes)
    assert routes < described  # the page has the index of problems too, which is no part of the API
    assert len({operation["operationId"] for operation in operations(schema).values()}) == len(routes)


def test_every_answer_has_an_example_and_each_example_fits(schema):
    for media_type, content in media_types(schema):
        if media_type in {"application/json", PROBLEM}:
            assert content["examples"]
        whole = {**content["schema"], "components": schema["components"]}
        for example in content.get("examples", {}).values():
            Draft202012Validator(whole).validate(example["value"])


def test_every_problem_has_an_example_of_its_own(schema):
    for operation in operations(schema).values():
        for status, answer in operation["responses"].items():
            if PROBLEM in answer.get("content", {}):
                shown = {
                    example["value"]["code"] for example in answer["content"][PROBLEM]["examples"].values()
                }
                assert shown == codes(operation, status)


@pytest.mark.parametrize(
    "section",
    re.findall(r"^### `([A-Z]+ /api/auth/[^`]*)`\n(.*?)(?=^### |^## )", PAGE, re.MULTILINE | re.DOTALL),
)
def test_the_errors_that_the_reference_names_are_in_the_schema(schema, section):
    name, text = section
    operation = operations(schema).get(name.replace("<", "{").replace(">", "}"))
    if operation is None:
        assert name == "GET /api/auth/problems/"
        return
    errors = text.partition("Errors: ")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", errors)) & {
        code for one in operations(schema).values() for code in codes(one)
    }
    assert named <= codes(operation)
    if "CSRF" in errors and "tokens" not in name:
        assert {problem.code for problem in csrf_problems.PROBLEMS} <= codes(operation)


def test_the_examples_are_those_of_the_reference(schema):
    shown = [json.loads(body) for body in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    for operation in ("GET /api/auth/csrf/", "GET /api/auth/session/", "POST /api/auth/tokens/"):
        answer = next(iter(operations(schema)[operation]["responses"].values()))
        (example,) = answer["content"]["application/json"]["examples"].values()
        assert example["value"] in shown


class NoteSerializer(serializers.Serializer):
    text = serializers.CharField()


class OwnSession(SessionAuthentication):
    pass


class Notes(ListCreateAPIView):
    """A project's own view."""

    authentication_classes = [OwnSession, TokenAuthentication]
    permission_classes = [IsAuthenticated]
    serializer_class = NoteSerializer
    queryset = []


def test_a_projects_own_views_and_classes_get_the_schemes_too():
    found, warnings = generated([path("notes/", Notes.as_view()), *API])
    assert not warnings
    assert operations(found)["POST /notes/"]["security"] == [
        {"sessionCookie": [], "csrfCookie": [], "csrfToken": []},
        {"sessionToken": []},
    ]
    assert operations(found)["GET /notes/"]["security"][0] == {"sessionCookie": []}


class OwnLogin(LoginView):
    """Sign in at ours."""


def test_a_subclass_of_an_endpoint_keeps_its_schema():
    found, warnings = generated([path("enter/", OwnLogin.as_view())])
    assert not warnings
    assert operations(found)["POST /enter/"]["summary"] == "Sign in at ours."
    assert "invalid_credentials" in codes(operations(found)["POST /enter/"])


def test_without_drf_spectacular_the_api_is_there():
    program = """
import sys; sys.modules["drf_spectacular"] = None
from django.conf import settings
from tests import settings as ours
apps = [app for app in ours.INSTALLED_APPS if app != "drf_spectacular"]
settings.configure(INSTALLED_APPS=apps, SECRET_KEY="x", SESSION_ENGINE=ours.SESSION_ENGINE)
import django; django.setup()
import sessionkeeper.api.urls
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
