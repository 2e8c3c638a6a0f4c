"""The project's own commands: what they count, what they find, what they say when they cannot go on."""

from __future__ import annotations

import ast
import contextlib
import os
import re
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
from tools import audit, demo, environment, postgres, sizes, tally, test
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
    results = {"sqlite": tally.Tally(passed=5), "postgres": "No PostgreSQL: install it."}
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
    names = ("one", "two", "free")
    stages = [test.Stage(name, name, "tests", (), on_postgres=name != "free") for name in names]
    run = test.Run(stages, {}, [], jobs=2)
    run.all()
    assert run.results == dict.fromkeys(names, tally.Tally(passed=1))
    assert {"one", "free"} in together
    assert not any({"one", "two"} <= one for one in together)
    assert "=== two: two\ntwo ran" in capsys.readouterr().out


def test_a_stage_that_breaks_down_is_no_success(monkeypatch):
    monkeypatch.setattr(test, "run_stage", lambda *given: 1 / 0)
    run = test.Run(list(test.STAGES[:1]), {}, [], jobs=2)
    with pytest.raises(ZeroDivisionError):
        run.all()


def test_stage_on_sqlite_does_not_see_the_database_of_the_caller():
    stage = next(stage for stage in test.STAGES if stage.name == "sqlite")
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


def test_matrix_runs_every_python_that_the_classifiers_promise():
    """The versions in the classifiers and in the noxfile are the same ones."""
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    pairs = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PAIRS"
    )
    assert sorted(set(promised)) == sorted({python for python, _, _ in pairs})


def test_lock_files_hold_hashes_and_no_paths_of_a_machine():
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        pinned = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,-]+\])?==", text, re.MULTILINE)
        assert pinned
        assert text.count("    --hash=sha256:") >= len(pinned)
        assert "file:" not in text
        assert not re.search(r"(?<![\w.])/(tmp|home|root|work)/", text)


def test_the_audit_says_what_is_known_and_what_could_not_be_looked_up():
    fine = {"name": "a", "version": "1", "vulns": []}
    hole = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
    open_hole = {"name": "c", "version": "3", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
    skipped = {"name": "d", "skip_reason": "Dependency not found on PyPI"}
    lines, code = audit.report({"dependencies": [fine, hole, open_hole, skipped]})
    assert code == 1
    assert lines == [
        "b 2: PYSEC-1, mended in: 2.1",
        "c 3: PYSEC-2, mended in: none yet",
        "NOT LOOKED UP: Dependency not found on PyPI",
        "3 looked up, 2 known holes, 1 not looked up.",
    ]
    assert audit.report({"dependencies": [fine, skipped]})[1] == 2
    assert audit.report({"dependencies": [fine]})[1] == 0
