"""``manage.py sessions erase``."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from tests.unit.auth import traces
from tests.unit.auth.traces import ADDRESS, dump

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


@pytest.fixture
def person(make_user):
    """Somebody who has left traces."""
    user = make_user()
    user.other = make_user()
    traces.leave(user, user.other)
    return user


def run(*words, **options):
    """Run the command."""
    call_command("sessions", "erase", *words, **options)


def test_the_command_says_how_much_and_asks_first(person, capsys, monkeypatch):
    name = person.get_username()
    run(name, "--dry-run")
    counted = capsys.readouterr().out
    assert counted.startswith("Would erase: 4 sessions, ")
    monkeypatch.setattr("builtins.input", lambda _: "no")
    with pytest.raises(CommandError, match="Nothing was erased"):
        run(name)
    assert ADDRESS in dump()
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    run(name)
    assert capsys.readouterr().out.splitlines()[-1] == counted.strip().replace("Would erase", "Erased")
    assert ADDRESS not in dump()


def test_the_command_takes_a_key_and_names_of_a_deleted_user(person):
    pk, names = str(person.pk), [person.get_username(), person.email]
    person.delete()
    with pytest.raises(CommandError, match="--user-pk"):
        run(names[0], "--no-input")
    run("--user-pk", pk, "--name", names[0], "--name", names[1], "--no-input")
    assert ADDRESS not in dump()


@pytest.mark.parametrize("words", [[], ["alice", "--user-pk", "1"]])
def test_the_command_says_what_it_needs(words):
    with pytest.raises(CommandError, match="Name the user"):
        run(*words)
