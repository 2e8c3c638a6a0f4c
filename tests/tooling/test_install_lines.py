"""The lines of the installation are the same wherever they stand, and ``init`` writes just these."""

from __future__ import annotations

import ast
import re
import sys

import pytest

from tests import projects
from tests.demo_server import ROOT
from tests.projects import README
from tests.unit.management.init import trees

DIFF = re.compile(r"```diff\n(.*?)```", re.DOTALL)
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "+SESSION_ENGINE" in page.read_text()]
#: What the demo and the tutorial have too.
SHARED = ("SESSION_ENGINE", "AUTHENTICATION_BACKENDS", "CSRF_FAILURE_VIEW")


def changes(diff):
    """The added and removed lines of a diff."""
    return [line.rstrip() for line in diff.splitlines() if line[:1] in {"+", "-"} and line[1:].strip()]


def assigned(text):
    """The settings of a file whose values are written out."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A new project with the lines of the README."""
    return projects.start(tmp_path_factory.mktemp("lines"), trees.environment())


def test_the_readme_has_pages_and_both_authenticators():
    settings, urls = DIFF.findall(README)
    for part in ("SessionAuthentication", "TokenAuthentication", "LOGIN_URL = 'sessionkeeper-pages:login'"):
        assert part in settings
    assert "sessionkeeper.pages.urls" in urls
    assert "sessionkeeper.api.urls" in urls


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_with_the_lines_has_those_of_the_readme(page):
    found = [changes(diff) for diff in DIFF.findall(page.read_text())]
    for diff in DIFF.findall(README):
        assert changes(diff) in found


def test_init_writes_the_lines_of_the_readme(project, tmp_path):
    start = sys.executable, "-m", "django", "startproject", "mysite"
    other = trees.Tree(trees.made(tmp_path / "init", *start) / "mysite")
    other.init("--write")
    for name in ("settings", "urls"):
        written, shown = (
            re.sub(r"\n\n+", "\n", (folder / f"mysite/{name}.py").read_text())
            for folder in (other.folder, project)
        )
        assert re.sub(r"SECRET_KEY.*", "", written) == re.sub(r"SECRET_KEY.*", "", shown)


def test_the_demo_has_the_same_settings(project):
    shown = assigned((project / "mysite/settings.py").read_text())
    demo = assigned((ROOT / "demo/demo/settings.py").read_text())
    assert {name: demo[name] for name in SHARED} == {name: shown[name] for name in SHARED}
    key = "DEFAULT_AUTHENTICATION_CLASSES"
    assert demo["REST_FRAMEWORK"][key] == shown["REST_FRAMEWORK"][key]
    assert [name for name in shown["MIDDLEWARE"] if name not in demo["MIDDLEWARE"]] == []
    assert "sessionkeeper.pages.urls" in (ROOT / "demo/demo/urls.py").read_text()


def test_the_closing_step_names_the_page_and_the_endpoint_of_the_lines():
    assert "http://127.0.0.1:8000/auth/sessions/" in README
    assert "curl http://127.0.0.1:8000/api/auth/tokens/" in README
