"""The page on the Python client tells the truth: its code runs against the demo."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys

import pytest

import sessionkeeper_client as module
from tests.demo_server import ALICE, ROOT, running_demo

PAGE = (ROOT / "docs/howto/python-client.md").read_text()
IN_ONE_GO, ASYNC, BETWEEN_RUNS, SESSIONS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The demo."""
    with running_demo(tmp_path_factory.mktemp("client"), "tests.demo_settings") as site:
        yield site


@pytest.fixture
def names(monkeypatch):
    """What the code of the page may use besides what it imports."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return {
        **{name: getattr(module, name) for name in module.__all__},
        "ask_for_the_password": lambda: ALICE["password"],
    }


def run(code, site, names):
    """Run code of the page at the demo; return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.replace("https://example.org", site.url), names)
    return printed.getvalue().splitlines()


def test_a_script_signs_in_and_writes_a_note(site, names):
    lines = run(IN_ONE_GO, site, names)
    assert lines[0] == "alice"
    assert "Feed the cat" in lines[1:]


def test_the_same_with_asyncio(site, names):
    assert run(ASYNC, site, names) == ["bearer"]


def test_the_session_is_there_in_the_next_run(site, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(BETWEEN_RUNS, site, names)
    del names["ask_for_the_password"]
    run(BETWEEN_RUNS, site, names)
    assert (tmp_path / "session.json").stat().st_mode & 0o777 == 0o600


def test_sessions_are_listed_and_ended(site, names):
    with module.Client(site.url, http_options={"trust_env": False}) as client:
        client.login(**ALICE, label="here")
        [first, *_] = run(SESSIONS, site, {**names, "client": client})
        assert first.endswith(" True")
        assert " here " in first
        assert [one["label"] for one in client.sessions()] == ["here"]


def test_the_commands_run_as_they_stand(site, tmp_path):
    [_, commands] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    script = commands.replace("https://example.org", site.url).replace("python -m", f"{sys.executable} -m")
    first, rest = script.split("\n", 1)
    script = f"echo '{ALICE['password']}' | {first}\n{rest}"
    env = {**os.environ, "NO_PROXY": "127.0.0.1", "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(["sh", "-ec", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("Signed in, in session ")
    assert "Feed the cat" in done.stdout
    assert done.stdout.endswith("Signed out.\n")
    assert not list((tmp_path / "sessionkeeper").iterdir())


def test_each_error_is_on_the_page():
    for name in module.__all__:
        if name not in {"Client", "AsyncClient"}:
            assert f"`{name}`" in PAGE
