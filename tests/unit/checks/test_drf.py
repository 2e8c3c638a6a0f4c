"""Checks of the defaults of Django REST Framework."""

import subprocess
import sys

import pytest
from rest_framework.authentication import BasicAuthentication

from sessionkeeper import checks
from sessionkeeper.checks import drf

OURS = "sessionkeeper.api.SessionAuthentication"
STOCK = "rest_framework.authentication.SessionAuthentication"
BASIC = "rest_framework.authentication.BasicAuthentication"
TOKEN = "rest_framework.authentication.TokenAuthentication"
JWT = "rest_framework_simplejwt.authentication.JWTAuthentication"


def found():
    return {message.id.partition(".")[2] for message in checks.guarded(drf.check_defaults)()}


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([OURS], set()),
        ([OURS, TOKEN], set()),
        ([OURS, JWT], set()),
        ([STOCK], {"W050"}),
        ([OURS, BASIC], {"W051"}),
        ([STOCK, BASIC], {"W050", "W051"}),
        ([TOKEN], {"W052"}),
        ([JWT, TOKEN], {"W052"}),
        ([JWT, OURS], {"I001"}),
        ([], set()),
        (OURS, set()),
        ([BASIC], set()),
        ([JWT, BASIC], set()),
        (["no.such.Authentication", 3, None], set()),
    ],
)
def test_default_authenticators_that_go_round_the_session_are_found(settings, classes, expected):
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": classes}
    assert found() == expected


def test_what_a_subclass_does_is_not_stated(settings):
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [OURS, f"{__name__}.OwnBasic"]}
    [message] = checks.guarded(drf.check_defaults)()
    assert f"{__name__}.OwnBasic" in message.msg
    assert "unless this subclass does otherwise" in message.msg


class OwnBasic(BasicAuthentication):
    """A project's own, which may count and look at the session."""


@pytest.mark.parametrize("value", [{}, {"PAGE_SIZE": 10}, None])
def test_the_built_in_default_is_found_too(settings, value):
    settings.REST_FRAMEWORK = value
    assert found() == {"W050", "W051"}


def test_a_project_with_another_engine_is_left_alone(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    settings.REST_FRAMEWORK = {}
    assert found() == set()


def test_the_checks_do_not_import_the_framework():
    code = """
import sys
sys.modules["rest_framework"] = None
from django.conf import settings
apps = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "sessionkeeper"]
settings.configure(INSTALLED_APPS=apps, SESSION_ENGINE="sessionkeeper.engine", ROOT_URLCONF="empty",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", SECRET_KEY="x",
    AUTHENTICATION_BACKENDS=["sessionkeeper.backends.ModelBackend"], MIDDLEWARE=[
    "sessionkeeper.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
    "sessionkeeper.middleware.AuthenticationMiddleware"])
import types, django
sys.modules["empty"] = types.ModuleType("empty")
sys.modules["empty"].urlpatterns = []
django.setup()
from django.core.checks import run_checks
assert run_checks() == [], run_checks()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
