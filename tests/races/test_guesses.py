"""Guesses at the same moment, from many threads of many processes, are counted one by one."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from sessionkeeper.auth import lockout
from sessionkeeper.models import LoginAttempt
from tests.races.test_processes import database_url, heard, worker
from tests.stores import is_postgresql, sqlite_file

PROCESSES, THREADS, TRIES = 5, 10, 5


@pytest.fixture
def shared(any_database, tmp_path):
    """The URL and the alias of a database that other processes reach too."""
    if is_postgresql():
        yield database_url(), "default"
        return
    with sqlite_file("shared", tmp_path / "guesses.sqlite3") as alias:
        yield f"sqlite:///{tmp_path / 'guesses.sqlite3'}", alias


@pytest.mark.rule("R32")
def test_of_fifty_guesses_at_once_five_are_looked_at_and_five_are_counted(shared):
    url, alias = shared
    with ExitStack() as stack:
        guessers = [stack.enter_context(worker("guess", "Alice", THREADS, url=url)) for _ in range(PROCESSES)]
        assert [heard(one) for one in guessers] == [["ready"]] * PROCESSES
        for one in guessers:
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [heard(one) for one in guessers]
    assert [what[2] for what in said] == [THREADS] * PROCESSES
    assert sum(what[1] for what in said) == TRIES
    counts = LoginAttempt._base_manager.using(alias).filter(pk__in=lockout.keys_of("alice"))
    assert {row.failures for row in counts} == {TRIES}
