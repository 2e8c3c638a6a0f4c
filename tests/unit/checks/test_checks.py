"""What holds for all checks: stable ids, a fix for each, silence on good settings, no traceback on bad."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import global_settings
from django.conf import settings as django_settings
from django.core import checks as django_checks
from django.test import override_settings

from sessionkeeper import checks
from sessionkeeper.core.check_ids import CheckId

ID = re.compile(r"sessionkeeper\.[EWI]\d{3}")
JUNK = [None, 0, -1, True, 1.5, 10**30, float("nan"), float("inf"), "", "x", "a.b", b"\xff"]
JUNK += [[], {}, (), object(), [None], ["x", 3], {"default": None}, {1: 2}]
SETTINGS = [
    "SESSIONKEEPER",
    "SESSION_ENGINE",
    "SESSION_SERIALIZER",
    "SESSION_COOKIE_AGE",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_DOMAIN",
    "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SAMESITE",
    "CSRF_COOKIE_NAME",
    "CSRF_COOKIE_SECURE",
    "CSRF_USE_SESSIONS",
    "SECURE_SSL_REDIRECT",
    "SECURE_HSTS_SECONDS",
    "SECURE_PROXY_SSL_HEADER",
    "USE_X_FORWARDED_HOST",
    "MIDDLEWARE",
    "REST_FRAMEWORK",
    "ROOT_URLCONF",
]


def run_all():
    return [message for check in (*checks.ALWAYS, *checks.DEPLOY) for message in checks.guarded(check)()]


def test_every_id_has_a_test():
    tested = set(
        re.findall(r"\b[EWI]\d{3}\b", "".join(p.read_text() for p in Path(__file__).parents[1].rglob("*.py")))
    )
    assert {one.partition(".")[2] for one in CheckId} <= tested


def test_all_checks_are_registered():
    names = {
        check.__qualname__
        for check in django_checks.registry.registry.get_checks(include_deployment_checks=True)
    }
    assert {check.__qualname__ for check in (*checks.ALWAYS, *checks.DEPLOY)} <= names


def test_good_settings_are_met_with_silence(settings, monkeypatch):
    kept = {"default": {**settings.DATABASES["default"], "CONN_MAX_AGE": 600}}
    monkeypatch.setattr(django_settings, "DATABASES", kept)
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    assert django_checks.run_checks(tags=[checks.TAG]) == []


def test_deployment_checks_run_only_when_asked_for():
    assert django_checks.run_checks(tags=[checks.TAG], include_deployment_checks=True) != []


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("junk", JUNK, ids=[f"{type(one).__name__}{place}" for place, one in enumerate(JUNK)])
def test_no_setting_of_the_wrong_type_breaks_a_check(name, junk):
    with override_settings(**{name: junk}):
        messages = run_all()
    assert "sessionkeeper.W099" not in {message.id for message in messages}
    assert all(str(message) and message.hint for message in messages)


@pytest.mark.parametrize(
    "junk", [{}, {"other": {}}, {"default": {}}, {"default": {"ENGINE": 3, "OPTIONS": 3}}]
)
def test_no_form_of_databases_breaks_a_check(junk, monkeypatch, settings):
    monkeypatch.setattr(django_settings, "DATABASES", junk)
    assert "sessionkeeper.W099" not in {message.id for message in run_all()}


def test_a_check_that_fails_is_a_warning_and_not_a_traceback():
    def check_broken():
        raise RuntimeError("no luck")
        yield

    (message,) = checks.guarded(check_broken)()
    assert message.id == "sessionkeeper.W099"
    assert "check_broken" in message.msg
    assert "no luck" in message.msg


def test_checks_read_settings_that_django_has():
    assert {name for name in SETTINGS if hasattr(global_settings, name)} >= {*SETTINGS} - {
        "SESSIONKEEPER",
        "REST_FRAMEWORK",
        "ROOT_URLCONF",
    }


APP = "'django.contrib.sessions',"
MIDDLEWARE = (
    ("django.contrib.sessions.middleware.SessionMiddleware", "sessionkeeper.middleware.SessionMiddleware"),
    (
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "sessionkeeper.middleware.AuthenticationMiddleware",
    ),
)


@pytest.fixture
def project(tmp_path):
    """A function that runs ``manage.py`` of a fresh project, whose settings a list of changes is made to."""
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "site_", tmp_path],
        check=True,
        capture_output=True,
        env=_clean_env(),
    )
    settings = tmp_path / "site_/settings.py"

    def manage(*args, changes=(), more=""):
        text = settings.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        settings.write_text(text + more)
        return subprocess.run(
            [sys.executable, *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=_clean_env(),
        )

    return manage


def _clean_env():
    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}


INSTALLED = (APP, APP + " 'sessionkeeper',")
ENGINE = (
    "\nSESSION_ENGINE = 'sessionkeeper.engine'"
    "\nAUTHENTICATION_BACKENDS = ['sessionkeeper.backends.ModelBackend']\n"
)


@pytest.mark.parametrize("changes", [(), MIDDLEWARE], ids=["engine alone", "with the middleware"])
def test_a_fresh_project_with_the_steps_of_the_readme_is_met_with_silence(project, changes):
    done = project("manage.py", "check", "--fail-level", "INFO", changes=[INSTALLED, *changes], more=ENGINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_a_project_that_installs_the_application_days_before_the_engine_is_not_warned(project):
    done = project("manage.py", "check", "--fail-level", "WARNING", changes=[INSTALLED])
    assert done.returncode == 0, done.stdout + done.stderr
    assert {*ID.findall(done.stderr)} == {"sessionkeeper.I003"}


def test_a_fresh_project_is_told_before_it_goes_on_the_internet(project):
    done = project("manage.py", "check", "--deploy", changes=[INSTALLED], more=ENGINE)
    assert {one[-4:] for one in ID.findall(done.stderr)} == {
        "W030",
        "W033",
        "W034",
        "W035",
        "W036",
        "W072",
    }


def test_the_engine_without_its_application_says_so_when_the_project_starts(project):
    """E002: what is not installed cannot register a check, so the engine itself refuses to be imported."""
    done = project(
        "-c",
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'site_.settings'; import site_.wsgi",
        more=ENGINE,
    )
    assert done.returncode == 1
    assert "needs 'sessionkeeper' in INSTALLED_APPS" in done.stderr
    assert "sessionkeeper.E002" in done.stderr
