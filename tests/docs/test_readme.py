"""The README tells the truth: its lines, put into a new project with the built wheel, make a working site."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import projects
from tests.demo_server import ROOT, Site, Visitor, follow, free_port
from tests.projects import run
from tools import wheel

USER = {"username": "boss", "password": "correct horse battery staple"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project made by following the README, and its environment."""
    folder = tmp_path_factory.mktemp("readme")
    built = wheel.build(folder / "dist")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-index", "--target", str(folder / "packages"), str(built)], check=True)
    unwanted = ("DJANGO_", "DATABASE_URL", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    env |= {"PYTHONPATH": str(folder / "packages"), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error"}
    return projects.start(folder, env), env


def manage(project, *arguments):
    """Run `manage.py` of the project."""
    folder, env = project
    return run(folder, env, sys.executable, "manage.py", *arguments)


@pytest.fixture(scope="module")
def site(project):
    """The project served, with one superuser."""
    folder, env = project
    manage(project, "migrate", "--verbosity", "0")
    env = {**env, "DJANGO_SUPERUSER_PASSWORD": USER["password"]}
    manage(
        (folder, env), "createsuperuser", "--no-input", "--username", "boss", "--email", "boss@example.org"
    )
    served = Site(free_port(), env)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{served.port}"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    ready = threading.Event()
    reader = threading.Thread(target=follow, args=(process, served.log, ready))
    reader.start()
    try:
        assert ready.wait(timeout=120), "the site did not start in two minutes"
        assert process.poll() is None, "".join(served.log)
        yield served
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()


def test_the_wheel_is_what_is_used(project):
    folder, env = project
    where = run(folder, env, sys.executable, "-c", "import sessionkeeper; print(sessionkeeper.__file__)")
    assert Path(where.strip()).is_relative_to(folder.parent / "packages")


def test_the_checks_have_nothing_to_say(project):
    assert "no issues" in manage(project, "check")


def test_the_deployment_checks_name_what_is_left_to_do(project):
    folder, env = project
    command = [
        sys.executable,
        "manage.py",
        "check",
        "--deploy",
    ]  # may fail: Django has errors of its own there
    text = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stderr
    named = set(re.findall(r"sessionkeeper\.\w+", text))
    assert {"sessionkeeper.W030", "sessionkeeper.W034"} <= named
    assert not any(name.startswith("sessionkeeper.E") for name in named)


def test_no_migration_is_missing(project):
    assert "No changes" in manage(project, "makemigrations", "--check", "--dry-run")


def test_the_api_signs_in_and_out(site):
    visitor = Visitor(site)
    assert visitor.get("/api/auth/session/").status == 401
    assert visitor.send_json("POST", "/api/auth/login/", USER).json["user"]["username"] == "boss"
    assert visitor.get("/api/auth/session/").status == 200
    assert visitor.send_json("POST", "/api/auth/logout/", {}).status == 204
    assert visitor.get("/api/auth/session/").status == 401


def test_a_login_without_the_token_says_what_is_missing(site):
    answer = Visitor(site).send(
        "POST", "/api/auth/login/", json.dumps(USER), {"Content-Type": "application/json"}
    )
    assert answer.status == 403
    assert "/api/auth/csrf/" in answer.json["detail"]


def test_who_signs_in_to_the_admin_is_signed_in_to_the_api_and_sees_the_session(site):
    visitor = Visitor(site)
    visitor.get("/admin/login/")
    assert visitor.submit("/admin/login/?next=/admin/", **USER).status == 302
    session_id = visitor.get("/api/auth/session/").json["session"]["id"]
    assert session_id in visitor.get("/admin/sessionkeeper/session/").text


def test_a_session_ended_at_the_command_line_is_over(site, project):
    visitor = Visitor(site)
    session_id = visitor.send_json("POST", "/api/auth/login/", USER).json["session"]["id"]
    assert session_id in manage(project, "sessions", "list")
    assert "1 session ended." in manage(project, "sessions", "revoke", session_id)
    assert visitor.get("/api/auth/session/").status == 401


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_every_file_that_is_linked_to_is_there(name):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text()):
        assert link.startswith("https://") or (ROOT / link).exists(), link
