"""The project's own commands: what they count, what they find, what they say when they cannot go on."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shlex
import socket
import stat
import subprocess
import sys
import threading
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import sessionkeeper
from tools import demo, environment, postgres, servers, sizes, tally, test
from tools.environment import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def find_python(**env):
    """Run the finder in a folder without `.venv`."""
    command = ["sh", str(ROOT / "tools" / "find_python.sh")]
    return subprocess.run(
        command, cwd="/", env={**os.environ, **env}, capture_output=True, text=True, check=False
    )


def write_report(path, **counts):
    numbers = " ".join(f'{name}="{number}"' for name, number in counts.items())
    path.write_text(f"<testsuites><testsuite {numbers}/></testsuites>")
    return path


def test_finder_prints_a_python_that_runs():
    found = find_python(PYTHON="").stdout.strip()
    said = subprocess.run(
        [found, "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True, check=True
    )
    assert said.stdout == b"True\n"


def test_finder_refuses_a_python_that_does_not_run_in_one_sentence(tmp_path):
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(stat.S_IRWXU)
    done = find_python(PYTHON=str(shim))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "is not a working Python 3.11 or newer" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_finder_passes_over_a_name_on_path_that_does_not_run(tmp_path):
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 127\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    kept = tmp_path / "pyenv" / "versions" / "mine" / "bin"
    kept.mkdir(parents=True)
    (kept / "python3").symlink_to(Path(sys.executable).resolve())
    path = f"{tmp_path}:{os.environ['PATH']}"
    found = find_python(PYTHON="", PATH=path, PYENV_ROOT=str(tmp_path / "pyenv")).stdout.strip()
    assert found
    assert Path(found).parent != tmp_path


def test_port_in_use_is_a_sentence_with_a_way_out():
    with socket.socket() as taken:
        taken.bind((demo.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"Port {port} is in use: .*make demo PORT=\d+"):
            demo.require_free(port)


@pytest.mark.parametrize("text", ["", "abc", "0", "65536", "-1"])
def test_what_is_not_a_port_is_said_so(text):
    with pytest.raises(SystemExit, match="is not a port"):
        demo.chosen_port(text)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("ERROR: No matching distribution found for Django", "cannot be reached"),
        ("error: Failed to fetch: `https://example.org/simple/django/`", "cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("error: metadata-generation-failed", "see .cache/install.log"),
    ],
)
def test_failed_installation_is_explained_by_what_the_installer_said(tmp_path, monkeypatch, said, sentence):
    log = tmp_path / "log"
    log.write_text(said)
    monkeypatch.setattr(environment, "LOG", log)
    assert sentence in environment.explain_failure()


def test_tally_reads_a_report(tmp_path):
    report = write_report(tmp_path / "r.xml", tests=10, failures=1, errors=2, skipped=3)
    assert tally.read_report(report, 1) == tally.Tally(passed=4, failed=3, skipped=3)


def test_tally_of_a_run_that_broke_without_a_failed_test_is_a_failure(tmp_path):
    report = write_report(tmp_path / "r.xml", tests=2, failures=0, errors=0, skipped=0)
    assert tally.read_report(report, 3) == tally.Tally(passed=2, failed=1)
    assert tally.read_report(tmp_path / "missing.xml", 2) == tally.Tally(failed=1)


def test_tallies_of_several_runs_add_up_to_one_line(tmp_path, monkeypatch):
    file = tmp_path / "tally"
    monkeypatch.setenv("SESSIONKEEPER_TALLY", str(file))
    tally.record(tally.Tally(passed=3, skipped=1))
    tally.record(tally.Tally(passed=4, failed=1))
    assert str(tally.read_records(file)) == "7 passed, 1 failed, 1 skipped"


def test_stage_without_postgresql_fails_in_ci_and_is_loud_elsewhere(monkeypatch, capsys):
    monkeypatch.delenv("SESSIONKEEPER_TALLY", raising=False)
    results = {"sqlite": tally.Tally(passed=5), "postgres": "NOT RUN. No PostgreSQL: install it."}
    monkeypatch.delenv("CI", raising=False)
    assert test.summarise(results) == 0
    assert "NOT RUN. No PostgreSQL: install it." in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    assert test.summarise(results) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "5 passed, 1 failed"


def test_run_without_any_test_is_a_failure(monkeypatch, capsys):
    monkeypatch.delenv("SESSIONKEEPER_TALLY", raising=False)
    assert test.summarise({}) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_stages_run_side_by_side_but_for_those_that_share_a_server(monkeypatch, capsys):
    running, together = [], set()
    both = threading.Barrier(2)  # broken, and no longer waited at, when only one is left

    def run_stage(stage, env, extra, output):
        running.append(stage.name)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(5 if stage.name in {"one", "free"} else 0)
        together.add(frozenset(running))
        running.remove(stage.name)
        output.write(f"{stage.name} ran")
        return tally.Tally(passed=1)

    monkeypatch.setattr(test, "run_stage", run_stage)
    monkeypatch.setattr(test, "stage_environment", lambda stage, base, servers: {})
    names = ("one", "free", "two")
    stages = [test.Stage(name, name, "tests", shares=["postgres"] * (name != "free")) for name in names]
    results = test.run_stages(stages, {}, [], jobs=2)
    assert results == dict.fromkeys(names, tally.Tally(passed=1))
    assert {"one", "free"} in together
    assert not any({"one", "two"} <= one for one in together)
    assert "=== two: two\ntwo ran" in capsys.readouterr().out


def test_a_stage_that_breaks_down_is_no_success(monkeypatch):
    monkeypatch.setattr(test, "run_stage", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        test.run_stages([test.STAGES["sqlite"]], {}, [], jobs=2)


def test_a_stage_whose_server_cannot_be_had_says_so_and_the_others_run(monkeypatch, capsys):
    def environment_of(stage, base, found):
        if stage.shares:
            raise servers.Unavailable("No PostgreSQL: install it.")
        return {}

    monkeypatch.setattr(test, "stage_environment", environment_of)
    monkeypatch.setattr(test, "run_stage", lambda *given: tally.Tally(passed=1))
    stages = [test.STAGES["postgres"], test.STAGES["sqlite"]]
    results = test.run_stages(stages, {}, [], jobs=2)
    assert results == {"postgres": "NOT RUN. No PostgreSQL: install it.", "sqlite": tally.Tally(passed=1)}
    assert "NOT RUN. No PostgreSQL" in capsys.readouterr().out


def test_the_paths_of_all_stages_are_there():
    for stage in test.STAGES.values():
        paths = [word for word in shlex.split(stage.arguments) if "/" in word and not word.startswith("-")]
        assert all((ROOT / path).exists() for path in paths), stage.name


def test_stage_on_sqlite_does_not_see_the_database_of_the_caller():
    stage = test.STAGES["sqlite"]
    env = test.stage_environment(stage, {"DATABASE_URL": "postgres://x/y", "HOME": "/h"}, None)
    assert env == {"HOME": "/h", "DJANGO_SETTINGS_MODULE": "tests.settings"}


@pytest.mark.parametrize(
    ("url", "answer"),
    [("postgres://u:p@h/n", True), ("postgresql://h/n", True), ("sqlite:///x", False), ("", False)],
)
def test_database_url_is_used_when_it_names_postgresql(url, answer):
    assert postgres.is_postgres(url) is answer


def test_sizes_finds_long_functions_and_modules(tmp_path):
    path = tmp_path / "long.py"
    body = "    pass\n" * sizes.FUNCTION_LINES
    path.write_text(f"def long():\n{body}" + "\n" * sizes.MODULE_LINES)
    assert [line.split(": ")[1] for line in sizes.oversized(path)] == [
        "541 lines, at most 500",
        "long has 41 lines, at most 40",
    ]
    path = tmp_path / "long.js"
    path.write_text("{\n" * (sizes.MODULE_LINES + 1))
    assert [line.split(": ")[1] for line in sizes.oversized(path)] == ["501 lines, at most 500"]


def test_version_is_the_same_everywhere():
    assert sessionkeeper.__version__ == PROJECT["version"] == version("django-sessionkeeper")
    client = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]
    assert client["version"] == version("sessionkeeper-client")


def test_matrix_runs_every_python_that_the_classifiers_promise():
    """The versions in the classifiers and in the noxfile are the same ones."""
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    pairs = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PAIRS"
    )
    assert sorted(set(promised)) == sorted({python for python, _ in pairs})


def test_the_lock_names_no_index_and_no_path_of_a_machine():
    for package in environment.locked():
        if package["name"] in environment.DISTRIBUTIONS:
            assert not Path(package["source"]["editable"]).is_absolute()
            continue
        assert package["source"] == {"registry": "https://pypi.org/simple"}
        for file in (*package.get("wheels", ()), *filter(None, [package.get("sdist")])):
            assert file["url"].startswith("https://files.pythonhosted.org/")
            assert file["hash"].startswith("sha256:")


def test_pip_gets_what_the_groups_say_in_the_versions_of_the_lock():
    said = environment.requirements("test")
    assert f"{ROOT}[api,openapi,postgres,redis,argon2]" in said
    assert f"{ROOT}/clients/python" in said
    assert "pytest>=8.4" in said
    pinned = [*environment.constraints()]
    [django, newer] = environment.versions("django")
    assert any(line.startswith(f"django=={django} ; python_full_version") for line in pinned)
    assert any(line.startswith(f"django=={newer} ; python_full_version") for line in pinned)
    assert f"pytest=={version('pytest')}\n" in pinned


def test_an_installation_by_pip_follows_one_by_uv_that_failed(tmp_path, monkeypatch):
    commands = []

    def run_logged(*command, **env):
        commands.append(command)
        return "sync" not in command

    monkeypatch.setattr(environment, "LOG", tmp_path / "install.log")
    monkeypatch.setattr(environment, "run_logged", run_logged)
    environment.install(["docs"])
    assert commands[-2][1:] == ("sync", "--frozen", "--group=docs")
    assert commands[-1][1:3] == ("-m", "pip")
    assert commands[-1][-2:] == (str(tmp_path / "constraints.txt"), "zensical>=0.0.10")
