"""The client at a command line, against a live server."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from client_site import PASSWORD
from sessionkeeper.models import Session
from sessionkeeper_client.__main__ import main

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(live_server, capsys, monkeypatch, tmp_path):
    """A function that runs a command and returns code, output and errors."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def function(*arguments, typed=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main([live_server.url, *arguments])
        return code, *capsys.readouterr()

    return function


@pytest.fixture(params=[[], ["--cookie"]], ids=["bearer", "cookie"])
def how(request):
    """Both transports."""
    return request.param


def test_a_session_from_its_beginning_to_its_end(run, alice, how, tmp_path):
    name = alice.get_username()
    code, said, _ = run(*how, "login", name, "--label", "night shift", typed=f"{PASSWORD}\n")
    assert (code, said) == (0, f"Signed in, in session {said[-13:-2]}.\n")
    [file] = (tmp_path / "config/sessionkeeper").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert json.loads(run(*how, "whoami")[1])["user"]["username"] == name
    code, said, _ = run(*how, "sessions")
    assert said.split()[1:3] == ["*", "cookie" if how else "bearer"]
    assert said.endswith("night shift\n")
    assert json.loads(run(*how, "post", "/notes/", '{"a": 1}')[1])["data"] == {"a": 1}
    assert json.loads(run(*how, "get", "/notes/")[1])["user"] == name
    assert run(*how, "revoke-others")[1] == "Ended: 0.\n"
    assert run(*how, "reauthenticate", typed=PASSWORD)[:2] == (0, "Proved.\n")
    assert run(*how, "logout")[:2] == (0, "Signed out.\n")
    assert not file.exists()
    assert not Session.objects.exists()


def test_the_header_of_the_csrf_token_is_an_option(run, alice, settings):
    settings.CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
    how = ("--cookie", "--csrf-header", "X-XSRF-Token")
    assert run(*how, "login", alice.get_username(), typed=f"{PASSWORD}\n")[0] == 0
    assert json.loads(run(*how, "post", "/notes/", '{"a": 1}')[1])["data"] == {"a": 1}
    assert "csrf_header is" in run("--csrf-header", "no header", "whoami")[2]


def test_another_session_is_ended_by_its_id(run, make, alice, tmp_path):
    other = make()
    other.login(alice.get_username(), PASSWORD)
    run("login", alice.get_username(), typed=PASSWORD)
    assert run("revoke", other.whoami()["session"]["id"])[:2] == (0, "Ended.\n")
    assert Session.objects.count() == 1


def test_what_goes_wrong_is_one_line_and_a_code(run, alice):
    code, said, error = run("login", alice.get_username(), typed="wrong\n")
    assert (code, said) == (1, "")
    assert error.startswith("401 invalid_credentials: ")
    assert run("whoami")[0] == 1
    assert main(["http://example.org", "whoami"]) == 1
    assert main(["http://[", "whoami"]) == 1
    with pytest.raises(SystemExit):
        run("post", "/notes/", "{")


def test_a_label_that_a_terminal_would_obey_does_nothing(run, make, alice):
    make().login(alice.get_username(), PASSWORD, label="\x9b2J" + "\u202e")
    run("login", alice.get_username(), typed=PASSWORD)
    said = run("sessions")[1]
    assert "\x9b" not in said
    assert "\u202e" not in said


def test_it_is_a_module_that_runs():
    done = subprocess.run(
        [sys.executable, "-m", "sessionkeeper_client", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "whoami" in done.stdout


@pytest.mark.parametrize(
    "shell", ['"$@" | :', '"$@" >/dev/full', '"$@" >&-'], ids=["no reader", "full", "closed"]
)
def test_output_that_nobody_takes_is_said_in_a_line(run, live_server, alice, shell):
    run("login", alice.get_username(), typed=f"{PASSWORD}\n")
    command = [sys.executable, "-m", "sessionkeeper_client", live_server.url, "whoami"]
    done = subprocess.run(
        ["bash", "-c", f"{shell}; exit ${{PIPESTATUS[0]}}", "bash", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
