"""``manage.py sessions erase``."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from sessionkeeper.audit import events, trail
from sessionkeeper.models import AuditEvent, LoginAttempt, Session
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]

ADDRESS, AGENT = "198.51.100.77", "Netscape/4.0"


class Browser(Client):
    """A browser of the person."""

    def __init__(self):
        super().__init__(
            REMOTE_ADDR=ADDRESS, HTTP_USER_AGENT=AGENT, headers={"sec-fetch-site": "same-origin"}
        )

    def post_json(self, path, **body):
        """Send JSON to the API."""
        return self.post(f"/api/auth/{path}/", body, content_type="application/json")


@pytest.fixture
def person(make_user):
    """Somebody who has signed in, failed to, asked for a reset, and ended a session of somebody else."""
    user, other = make_user(), make_user()
    for _ in range(3):
        assert (
            Browser().post_json("login", username=user.get_username(), password=PASSWORD).status_code == 200
        )
    for _ in range(6):
        Browser().post_json("login", username=user.get_username(), password="wrong")
    here = Browser()
    here.post_json("password/reset", email=user.email)
    here.force_login(user)
    Client().force_login(other)
    trail.record(events.Kind.REVOKED, user=other, actor=user, client=clients_facts(), reason="admin")
    trail.record(events.Kind.REVOKED, user=user, actor=other, reason="admin")
    user.other = other
    return user


def clients_facts():
    """The person's client, as events have it."""
    from sessionkeeper.core.client_info import ClientInfo as Facts

    facts = Facts()
    facts.address, facts.user_agent = ADDRESS, AGENT
    return facts


def dump():
    """All that our tables hold, as text."""
    text = []
    for model in (Session, AuditEvent, LoginAttempt):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            text += map(repr, cursor.fetchall())
    return "\n".join(text)


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
