"""The plugin in small projects: with pytest-django, under ``manage.py test``, and without Django.

The tests of the project are the examples of the documentation.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from sessionkeeper import testing
from tests.demo_server import ROOT

PAGE = (ROOT / "docs/howto/testing.md").read_text()
EXAMPLES = dict(re.findall(r'```python title="([\w.]+)"\n(.*?)```', PAGE, re.DOTALL))
SETTINGS = """
SECRET_KEY = "a key for tests of fifty characters at the very least"
ROOT_URLCONF = "project.urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "sessionkeeper", "rest_framework"]
MIDDLEWARE = [
    "sessionkeeper.middleware.SessionMiddleware",
    "sessionkeeper.csrf.FetchMetadataMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessionkeeper.middleware.AuthenticationMiddleware",
]
SESSION_ENGINE = "sessionkeeper.engine"
AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "project.sqlite3"}}
USE_TZ = True
"""
FILES = {
    "manage.py": (
        "import os, sys\n"
        "from django.core.management import execute_from_command_line\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'project.settings'\n"
        "execute_from_command_line(sys.argv)\n"
    ),
    "project/__init__.py": "",
    "project/settings.py": SETTINGS,
    "project/urls.py": (
        "from django.urls import include, path\n"
        "urlpatterns = [path('api/auth/', include('sessionkeeper.api.urls'))]\n"
    ),
    **EXAMPLES,
}


@pytest.fixture
def project(tmp_path):
    """A folder with a project, whose tests are those of the documentation."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def run(folder, *command):
    """Run Python in a folder, without the settings of this suite; return what it printed."""
    left_out = {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "PYTEST_ADDOPTS", "PYTEST_PLUGINS"}
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_fixture_has_the_helpers(sessionkeeper):
    assert isinstance(sessionkeeper, testing.SessionTestMixin)


def test_pytest_django_runs_the_examples(project):
    assert "6 passed" in run(
        project,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:asyncio",
        "-W",
        "error",
        "--ds=project.settings",
        "test_sessions.py",
    )


def test_pytest_runs_the_test_case_too(project):
    assert "2 passed" in run(project, "-m", "pytest", "-q", "--ds=project.settings", "tests.py")


def test_manage_py_test_runs_the_examples_in_parallel(project):
    printed = run(project, "manage.py", "test", "--parallel", "2", "tests")
    assert "Ran 2 tests" in printed
    assert "OK" in printed
    assert printed.count("Cloning test database") == 2


def test_a_project_without_django_is_not_disturbed(tmp_path):
    (tmp_path / "test_sums.py").write_text(
        "import sys\n\n\ndef test_sums():\n    assert 'sessionkeeper.testing' not in sys.modules\n"
    )
    assert "1 passed" in run(
        tmp_path, "-m", "pytest", "-q", "-p", "no:django", "-p", "no:asyncio", "-W", "error"
    )


def test_the_plugin_imports_nothing_of_django():
    code = (
        "import sys, sessionkeeper.pytest_plugin; print([m for m in sys.modules if m.startswith('django')])"
    )
    assert run(ROOT, "-c", code) == "[]\n"


def test_the_plugin_can_be_left_out(project):
    run(project, "-m", "pytest", "-q", "-p", "no:sessionkeeper", "--ds=project.settings", "tests.py")
