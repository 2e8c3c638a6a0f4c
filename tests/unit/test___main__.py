"""``python -m sessionkeeper`` finds the project, or says what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sessionkeeper import __main__ as command
from tests.unit.management.init.trees import environment


def run(folder, *arguments):
    """Run it in a folder; return the exit code and the last line."""
    done = subprocess.run(
        [sys.executable, "-m", "sessionkeeper", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_the_settings_are_those_of_manage_py(tmp_path, monkeypatch, quote):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    line = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')".replace("'", quote)
    (tmp_path / "manage.py").write_text(line)
    assert command.find_settings() == "shop.settings"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.other")
    assert command.find_settings() == "shop.other"


def test_without_a_project_a_sentence_says_what_to_do(tmp_path):
    expected = "Error: Run this in the folder of manage.py, or name the module with --settings."
    assert run(tmp_path, "init") == (1, expected)


def test_settings_that_cannot_be_imported_get_a_sentence(tmp_path):
    code, line = run(tmp_path, "init", "--settings", "nowhere.settings")
    assert (code, line) == (1, "Error: No module named 'nowhere'")
