"""What all verbs share: sentences in place of tracebacks."""

from __future__ import annotations

import pytest
from django.core.management.base import CommandError

from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from tests.unit.management.shell import run, shell

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9" * 30, "", "²"])
@pytest.mark.parametrize("option", [("list", "--limit"), ("purge", "--batch")])
def test_a_number_out_of_range_is_refused(option, number):
    with pytest.raises(CommandError, match="is not a number from 1 to"):
        run(option[0], f"{option[1]}={number}")


def test_an_interruption_is_a_sentence_and_a_code_of_its_own(monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "purge", interrupt)
    with pytest.raises(CommandError, match="Interrupted") as caught:
        run("purge")
    assert caught.value.returncode == 130


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(registry, "purge", lambda batch: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("purge")


@pytest.mark.parametrize(
    "verb",
    [("list",), ("stats",), ("export",), ("show", "AAAAAAAAAAA"), ("purge",), ("revoke", "AAAAAAAAAAA")],
)
def test_an_outage_is_said_in_a_sentence(monkeypatch, verb):
    class Down:
        def __getattr__(self, name):
            raise StoreUnavailable("no answer")

    for module in ("engine.registry", "management.commands.sessions"):
        monkeypatch.setattr(f"sessionkeeper.{module}.get_store", Down)
    with pytest.raises(CommandError, match="The session store did not answer"):
        run(*verb)


def test_before_migrate_the_command_says_what_to_do():
    done = shell("sessions", "list")
    assert done.returncode == 1
    assert b"run `manage.py migrate`" in done.stderr
    assert b"Traceback" not in done.stderr


def test_bytes_that_are_no_text_are_refused_in_a_sentence_in_any_locale():
    for locale in ("C", "C.UTF-8"):
        done = shell(b"sessions", b"show", b"\xff\xfe\x1b[2J", env={"LC_ALL": locale, "PYTHONUTF8": "0"})
        assert done.returncode == 1
        assert b"is not a session id" in done.stderr
        assert b"\x1b" not in done.stderr
