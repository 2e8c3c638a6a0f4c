"""``sessionkeeper.api.SessionAuthentication`` in every kind of DRF view."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import PASSWORD
from tests.transports import AUTH, problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]

PATHS = ["/notes/", "/notes/set/", "/notes/function/", "/notes/problems/"]


@pytest.mark.rule("R43")
@pytest.mark.parametrize("path", PATHS)
def test_who_is_not_signed_in_gets_a_401_with_a_challenge(api, path):
    response = api.get(path)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Session realm="api"'
    assert response.json()["detail"]


@pytest.mark.parametrize("path", PATHS)
def test_who_is_signed_in_gets_in(signed_in, alice, path):
    assert signed_in.get(path).json()["user"] == alice.get_username()


@pytest.mark.rule("R43")
def test_who_is_signed_in_but_not_allowed_gets_a_403(signed_in):
    problem(signed_in.get("/notes/staff/"), 403, "permission_denied")


@pytest.mark.parametrize("path", PATHS)
def test_an_unsafe_request_needs_the_token(signed_in, path):
    response = signed_in.post(path, {"text": "hi"}, content_type="application/json")
    assert response.status_code == 403
    body = response.json()
    assert body["code"] == "csrf_token_missing"
    assert AUTH + "csrf/" in body["detail"]
    assert "X-CSRFToken" in body["detail"]


@pytest.mark.parametrize("path", PATHS)
def test_an_unsafe_request_with_the_token_gets_in(signed_in, path):
    assert signed_in.send(path, {"text": "hi"}).json()["data"] == {"text": "hi"}


@pytest.mark.parametrize("path", PATHS)
def test_an_unsafe_request_of_nobody_is_a_401_not_a_matter_of_csrf(api, path):
    assert api.post(path, {}, content_type="application/json").status_code == 401


def test_the_browsable_api_knows_who_is_signed_in(signed_in, alice):
    response = signed_in.get("/notes/", headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert alice.get_username() in response.content.decode()


def test_the_browsable_api_refuses_who_is_not(api):
    response = api.get("/notes/", headers={"Accept": "text/html"})
    assert response.status_code == 401
    assert response["Content-Type"].startswith("text/html")


def test_login_and_logout_work_as_forms_in_the_browsable_api(api, alice):
    page = {"Accept": "text/html"}
    form = api.get(AUTH + "login/", headers=page)
    assert form.status_code == 405
    text = form.content.decode()
    assert 'name="username"' in text
    assert 'name="password" class="form-control" type="password"' in text
    token = text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    fields = {"username": alice.get_username(), "password": PASSWORD, "csrfmiddlewaretoken": token}
    response = api.post(AUTH + "login/", fields, headers=page)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/html")
    assert alice.get_username() in response.content.decode()
    response = api.post(AUTH + "logout/", {"csrfmiddlewaretoken": api.token()}, headers=page)
    assert response.status_code == 200  # DRF shows a page where the answer is a 204
    assert "HTTP 204 No Content" in response.content.decode()
    assert api.whoami().status_code == 401


HOSTILE = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.StaticHTMLRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FileUploadParser"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "EXCEPTION_HANDLER": "tests.unit.api.test_authentication.swallow",
    "UNAUTHENTICATED_USER": None,
}


def swallow(exc, context):
    """A project's handler that would hide every problem."""
    raise AssertionError(exc)


SCRIPT = """
import django
from django.conf import settings
from tests import settings as base
options = {name: getattr(base, name) for name in dir(base) if name.isupper()}
from tests.unit.api.test_authentication import HOSTILE
options.update(REST_FRAMEWORK=HOSTILE, ROOT_URLCONF="tests.http.api_site", ALLOWED_HOSTS=["testserver"])
options["DATABASES"] = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
settings.configure(**options)
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.conftest import new_user
from tests.transports import Api, problem
api, alice = Api(), new_user()
problem(api.whoami(), 401, "not_authenticated")
problem(api.log_in(alice, "wrong"), 401, "invalid_credentials")
assert api.log_in(alice).status_code == 200
assert api.whoami().status_code == 200
assert api.log_out().status_code == 204
assert api.log_out().status_code == 204
print("well")
"""


def run(script):
    """Run a script in a Python of its own, because DRF reads settings once and imports are for ever."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def test_what_a_project_sets_for_its_own_views_does_not_reach_these():
    result = run(SCRIPT)
    assert result.stdout.strip() == "well", result.stderr


def test_the_engine_and_the_middleware_do_not_import_drf():
    result = run(
        "import sys, django\n"
        "from django.conf import settings\n"
        "from tests import settings as base\n"
        "options = {name: getattr(base, name) for name in dir(base) if name.isupper()}\n"
        "theirs = {'rest_framework', 'drf_spectacular'}\n"
        "options['INSTALLED_APPS'] = [app for app in base.INSTALLED_APPS if app not in theirs]\n"
        "settings.configure(**options)\n"
        "django.setup()\n"
        "import sessionkeeper, sessionkeeper.engine, sessionkeeper.middleware, sessionkeeper.flows\n"
        "import sessionkeeper.csrf, sessionkeeper.decorators\n"
        "print([name for name in sys.modules if name.startswith('rest_framework')])\n"
    )
    assert result.stdout.strip() == "[]", result.stderr
