"""Every command under every fault: one sentence, an exit code, no traceback. As people run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

from sessionkeeper.management.commands.sessions import VERBS
from tests.demo_server import free_port

SETTINGS = """
import os

if os.environ.get("FIRST"):  # else Django's own clearsessions is the one that runs
    INSTALLED_APPS = ["sessionkeeper", *INSTALLED_APPS]
else:
    INSTALLED_APPS += ["sessionkeeper"]
SESSION_ENGINE = "sessionkeeper.engine"
SESSIONKEEPER = {"STORE": os.environ.get("STORE", "database:")}
AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
DATABASES["default"]["NAME"] = os.environ.get("NAME", BASE_DIR / "db.sqlite3")
if os.environ.get("POSTGRES_PORT"):
    postgresql = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1"}
    known = {"PORT": os.environ["POSTGRES_PORT"], "NAME": "x", "USER": "x", "PASSWORD": "x"}
    DATABASES = {"default": {**postgresql, **known}}
"""
PREPARE = """
from django.contrib.auth import get_user_model
from django.test import Client
visitor = Client()
visitor.force_login(get_user_model().objects.create_user("alice"))
print(visitor.session.session_key[:11])
"""
#: What each verb is given; one that is not here gets a user.
ARGUMENTS = {
    "init": [],
    "list": [],
    "show": ["SESSION"],
    "revoke": ["AAAAAAAAAAA"],
    "purge": [],
    "stats": [],
    "import": ["FILE"],
    "export": [],
    "unlock": ["alice"],
    "doctor": [],
    "erase": ["alice", "--dry-run"],
}
COMMANDS = {verb: ["sessions", verb, *ARGUMENTS.get(verb, ["alice"])] for verb in VERBS}
CLEARING = {"clearsessions": ["clearsessions"], "Django's clearsessions": ["clearsessions"]}
#: Faults of what the commands ask: environment, and what the sentence says.
DEAD = {
    "no file": ({"NAME": "/nonexistent/db.sqlite3"}, "did not answer: unable to open database file."),
    "no server": ({"POSTGRES_PORT": "CLOSED"}, "did not answer: "),
    "no tables": (
        {"NAME": ":memory:"},
        "lacks a table or a column; run `manage.py migrate`: no such table: ",
    ),
    "no Valkey": ({"STORE": "redis://127.0.0.1:CLOSED"}, "did not answer: "),
}
#: Faults of the output: what the shell does with it, and what the sentence says.
OUTPUTS = {
    "no reader": ('"$@" | :', "The output was closed"),
    "full": ('"$@" >/dev/full', "Reading or writing failed: No space left on device."),
    "closed": ('"$@" >&-', "Reading or writing failed: there is no standard output."),
}
#: These have nothing to say of it but the whole report.
REPORTS = {"doctor"}
#: These read files, and ask a store only for what they can do without.
FILES_ONLY = {"init"}
#: These ask only the database, wherever the sessions are.
DATABASE_ONLY = {"unlock"}


class Project:
    """A project of `django-admin startproject` with the lines of the README, a user and a session."""

    def __init__(self, folder: Path) -> None:
        theirs = ("DJANGO_", "DATABASE_URL", "PYTHON")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        self.folder, self.closed, self.file = folder, str(free_port()), folder / "sessions.jsonl"
        self.python("-m", "django", "startproject", "mysite", str(folder))
        with (folder / "mysite/settings.py").open("a") as settings:
            settings.write(SETTINGS)
        self.python("manage.py", "migrate", "--verbosity", "0")
        self.session = self.python("manage.py", "shell", "-c", PREPARE).stdout.split()[-1]
        self.python("manage.py", "sessions", "export", str(self.file))

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python, which must succeed."""
        done = self.run([sys.executable, *arguments])
        assert done.returncode == 0, done.stderr
        return done

    def manage(self, name, arguments, shell='"$@"', **env) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` under bash, which says how the command itself ended."""
        words = {"SESSION": self.session, "FILE": str(self.file)}
        given = [words.get(word, word) for word in arguments]
        env = {key: value.replace("CLOSED", self.closed) for key, value in env.items()}
        env |= {} if name.startswith("Django's") else {"FIRST": "1"}
        script = f"{shell}; exit ${{PIPESTATUS[0]}}"
        return self.run(["bash", "-c", script, "bash", sys.executable, "manage.py", *given], **env)

    def run(self, command, **env) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder of the project."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project."""
    return Project(tmp_path_factory.mktemp("project"))


def all_of(project, cases):
    """Run what the cases say side by side; return the outcomes by case."""
    with ThreadPoolExecutor(4) as pool:
        done = {case: pool.submit(project.manage, *given, **env) for case, (given, env) in cases.items()}
    return {case: one.result() for case, one in done.items()}


@pytest.fixture(scope="module")
def dead(project):
    """What each command does while what it asks is dead."""
    commands = {**COMMANDS, **CLEARING}
    return all_of(
        project,
        {
            (fault, name): ((name, commands[name]), env)
            for (fault, (env, _)), name in product(DEAD.items(), commands)
        },
    )


@pytest.fixture(scope="module")
def mute(project):
    """What each verb does while nobody takes its output."""
    return all_of(
        project,
        {
            (fault, name): ((name, COMMANDS[name], shell), {})
            for (fault, (shell, _)), name in product(OUTPUTS.items(), COMMANDS)
        },
    )


def says_one_sentence(done, words):
    """Whether a command failed with a sentence, and with nothing else."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.endswith(".\n")
    return True


@pytest.mark.parametrize("name", [*COMMANDS, "clearsessions"])
@pytest.mark.parametrize("fault", DEAD)
def test_what_is_dead_is_said_in_a_sentence(dead, fault, name):
    done, words = dead[fault, name], DEAD[fault][1]
    if name in FILES_ONLY or (fault == "no Valkey" and name in DATABASE_ONLY):
        assert (done.returncode, done.stderr) == (0, "")
    elif name in REPORTS:
        assert words in done.stdout
        assert says_one_sentence(done, "The deployment has problems: see above.")
    else:
        assert says_one_sentence(done, words)
    if fault != "no tables" and name not in FILES_ONLY:
        assert "migrate" not in done.stdout + done.stderr


@pytest.mark.parametrize("fault", DEAD)
def test_djangos_own_clearsessions_ends_with_the_sentence_too(dead, fault):
    """It is the one that runs where ``django.contrib.sessions`` stands first, as after the README's steps."""
    done = dead[fault, "Django's clearsessions"]
    assert done.returncode == 1
    assert DEAD[fault][1] in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("fault", OUTPUTS)
def test_output_that_nobody_takes_is_said_in_a_sentence(mute, fault, name):
    if name in {"revoke", "doctor"}:  # they have failed before that, and say why
        assert says_one_sentence(mute[fault, name], "")
    else:
        assert says_one_sentence(mute[fault, name], OUTPUTS[fault][1])


def test_nowhere_to_say_it_leaves_the_code(project):
    done = project.manage("list", ["sessions", "list"], '"$@" 2>/dev/full', NAME="/nonexistent/db.sqlite3")
    assert done.returncode == 1
    done = project.manage("list", ["sessions", "list", "--limit", "1"], '"$@" 2>&-')
    assert (done.returncode, done.stdout.count("\n")) == (0, 2)


def test_arguments_that_make_no_sense_are_code_2(project):
    for name in ("purge", "doctor"):
        done = project.manage(name, [*COMMANDS[name], "--nonsense"])
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith("error: unrecognized arguments: --nonsense")


def test_somebody_who_does_not_exist_is_said_in_a_sentence(project):
    for given in (["list", "--user", "nobody"], ["revoke", "--user", "nobody"], ["list", "--user-pk", "x"]):
        assert says_one_sentence(
            project.manage("", ["sessions", *given]), "nobody" if given[-1] != "x" else "'x'"
        )


def test_without_standard_input_nothing_is_confirmed_or_imported(project):
    done = project.manage("", ["sessions", "revoke", "--everyone"], '"$@" <&-')
    assert says_one_sentence(done, "Nothing was ended. With --no-input there is no question.")
    done = project.manage("", ["sessions", "import", "-"], '"$@" <&-')
    assert says_one_sentence(done, "There is no standard input. Name a file.")


def test_after_all_that_the_session_is_there(project):
    (row,) = json.loads(project.manage("", ["sessions", "list", "--json"]).stdout)
    assert row["id"] == project.session
