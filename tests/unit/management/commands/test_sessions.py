"""``manage.py sessions`` and ``manage.py clearsessions``."""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessionkeeper.core import keys
from sessionkeeper.engine import lookup, registry
from sessionkeeper.management.commands.sessions import VERBS
from sessionkeeper.models import Session
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import insert
from tests.unit.management.shell import is_there, name, run, shell, store_for

pytestmark = pytest.mark.django_db


# list


def test_without_sessions_the_list_says_so():
    assert run("list") == "No sessions.\n"
    assert json.loads(run("list", "--json")) == []


@pytest.mark.any_user
def test_the_list_shows_newest_first_who_and_whether_it_lives(make_user):
    user = make_user()
    old = store_for(user, ip_address="192.0.2.1", user_agent="Telnet/1.0")
    new = insert(DatabaseStore(), keys.Key(old.id + 1, keys.mint().secret), idle_seconds=-1)
    heading, first, second = run("list").splitlines()
    assert heading.split()[:2] == ["ID", "STATE"]
    assert first.split()[:2] == [name(new), "expired"]
    assert "(anonymous)" in first
    assert second.split()[:2] == [name(old), "live"]
    for shown in ("192.0.2.1", user.get_username()[:15], "Telnet/1.0"):
        assert shown in second


def test_the_list_ends_at_its_limit_and_says_that_there_are_more():
    for number in range(3):
        insert(DatabaseStore(), keys.Key(number + 1, keys.mint().secret))
    text = run("list", "--limit", "2")
    assert len(text.splitlines()) == 4
    assert "There are more than 2 sessions. Raise --limit" in text
    assert "more than" not in run("list", "--limit", "3")


def test_the_list_names_every_user_with_one_query_a_batch(make_user, django_assert_num_queries):
    for _ in range(5):
        store_for(make_user())
    with django_assert_num_queries(3):  # sessions, users, and a look for more sessions
        run("list")


# show


def test_show_of_no_session_is_an_error():
    with pytest.raises(CommandError, match=r"^There is no session "):
        run("show", name(keys.mint()))


def test_a_whole_key_is_refused_and_not_repeated():
    key = store_for()
    with pytest.raises(CommandError, match="first 11 characters") as caught:
        run("show", key.text)
    assert key.secret not in str(caught.value)


# revoke


@pytest.mark.rule("R18")
@pytest.mark.any_user
def test_a_revoked_session_is_refused_at_its_next_request(make_user):
    client = Client()
    client.force_login(make_user())
    key = client.session.session_key
    assert run("revoke", key[:11]) == "1 session ended.\n"
    assert lookup.resolve(key, transport="cookie")[1] is None


def test_revoke_ends_what_is_there_and_names_what_is_not():
    first, second, missing = store_for(), store_for(), keys.mint()
    out = io.StringIO()
    with pytest.raises(CommandError, match=name(missing)):
        call_command("sessions", "revoke", name(first), name(missing), name(second), stdout=out)
    assert out.getvalue() == "2 sessions ended.\n"
    assert not is_there(first)
    assert not is_there(second)


def test_one_argument_that_is_no_id_ends_nothing():
    key = store_for()
    with pytest.raises(CommandError, match="is not a session id"):
        run("revoke", name(key), "nonsense")
    assert is_there(key)


def test_the_same_session_named_twice_is_ended_once():
    key = store_for()
    assert run("revoke", name(key), name(key)) == "1 session ended.\n"


def test_ids_are_taken_after_two_dashes_and_never_begin_with_one():
    key = store_for()
    assert run("revoke", "--", name(key)) == "1 session ended.\n"
    assert {keys.encode_id(session_id)[0] for session_id in (0, keys.mint().id, keys.MAX_ID)} <= set("ADEf")


@pytest.mark.any_user
def test_revoke_of_a_user_ends_all_of_the_users_sessions_and_no_others(make_user):
    user = make_user()
    mine, others = [store_for(user), store_for(user)], [store_for(make_user()), store_for()]
    assert run("revoke", "--user", user.get_username()) == "2 sessions ended.\n"
    assert not any(map(is_there, mine))
    assert all(map(is_there, others))


def test_revoke_everyone_ends_all_sessions_in_batches(make_user, monkeypatch):
    monkeypatch.setattr(registry, "BATCH", 2)
    for user in (make_user(), make_user(), None):
        store_for(user)
    text = run("revoke", "--everyone", "--no-input", "-v", "2")
    assert text.splitlines() == ["2 ended so far", "3 ended so far", "3 sessions ended."]
    assert Session.objects.count() == 0


@pytest.mark.parametrize(("answer", "left"), [("yes", 0), ("YES ", 0), ("y", 1), ("", 1), (EOFError, 1)])
def test_revoke_everyone_asks_first(monkeypatch, answer, left):
    store_for()

    def say(prompt):
        if answer is EOFError:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", say)
    if left:
        with pytest.raises(CommandError, match="Nothing was ended"):
            run("revoke", "--everyone")
    else:
        assert "1 session ended." in run("revoke", "--everyone")
    assert Session.objects.count() == left


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--everyone", "--user", "x", "--no-input"),
        ("AAAAAAAAAAA", "--everyone", "--no-input"),
        ("--every", "--no-input"),
        ("--user", "x", "--user-pk", "1"),
        ("--user", ""),
        ("--user-pk", ""),
        ("-x",),
    ],
)
def test_revoke_ends_nothing_unless_it_is_told_whose(arguments):
    store_for()
    with pytest.raises(CommandError):
        run("revoke", *arguments)
    assert Session.objects.count() == 1


# purge


def test_purge_removes_expired_sessions_and_says_how_many():
    live = store_for()
    for _ in range(3):
        store_for(lifetime=timezone.now() - timedelta(seconds=1))
    assert run("purge") == "3 expired sessions removed.\n"
    assert is_there(live)
    assert run("purge") == "0 expired sessions removed.\n"


def test_purge_reports_each_batch_when_asked():
    for _ in range(3):
        store_for(lifetime=timezone.now() - timedelta(seconds=1))
    text = run("purge", "--batch", "2", "-v", "2")
    assert text.splitlines() == ["2 removed so far", "3 removed so far", "3 expired sessions removed."]


def test_a_dry_run_of_purge_counts_and_removes_nothing():
    store_for()
    expired = store_for(lifetime=timezone.now() - timedelta(seconds=1))
    assert run("purge", "--dry-run") == "1 expired session would be removed.\n"
    assert Session.objects.count() == 2
    assert is_there(expired)


@pytest.mark.parametrize("choice", ["ids", "user", "everyone"])
def test_a_dry_run_of_revoke_counts_and_ends_nothing(make_user, choice):
    user = make_user()
    ids = [keys.encode_id(store_for(user).id) for _ in range(2)]
    store_for(make_user())
    words = {"ids": [*ids, ids[0]], "user": ["--user", user.get_username()], "everyone": ["--everyone"]}[
        choice
    ]
    number = 3 if choice == "everyone" else 2
    assert run("revoke", "--dry-run", *words) == f"{number} sessions would be ended.\n"
    assert Session.objects.count() == 3


# Whatever is typed


@pytest.mark.parametrize("verb", VERBS)
def test_quiet_leaves_only_what_was_asked_for(verb, make_user, tmp_path):
    """A verb that is not named here is to say nothing with ``-v 0``."""
    user = make_user()
    key, file = store_for(), str(tmp_path / "sessions.jsonl")
    run("export", file)
    arguments = {"show": [name(key)], "revoke": ["--user-pk", str(user.pk)], "import": [file]}
    arguments["erase"] = [user.get_username(), "--no-input"]
    alone, asked = (
        {"list", "purge", "stats", "export", "doctor", "init"},
        {"list", "show", "stats", "export", "doctor", "init"},
    )
    given = [] if verb in alone else arguments.get(verb, [user.get_username()])
    assert bool(run(verb, *given, verbosity=0)) == (verb in asked)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "x" * 5000])
@pytest.mark.parametrize(
    "arguments", [("unlock", "--source"), ("import",), ("export",), ("doctor", "--url"), ("show",)]
)
def test_what_is_no_text_is_refused_in_a_sentence(arguments, text):
    with pytest.raises(CommandError) as caught:
        run(*arguments, text)
    assert len(str(caught.value).splitlines()) == 1


anything = st.one_of(
    st.text(st.characters(), max_size=60),
    st.binary(max_size=60).map(os.fsdecode),
    st.sampled_from(["9" * 40, "-1", "A" * 11, "_" * 11, "a" * 41, "x" * 5000, "None", "1e400", "²"]),
)


@pytest.mark.any_user
@given(text=anything, form=st.sampled_from(["show", "revoke", "--user", "--user-pk"]))
@hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_as_an_argument_gives_a_sentence_or_an_answer(db, text, form):
    arguments = [form, "--", text] if form in ("show", "revoke") else ["list", f"{form}={text}"]
    with suppress(CommandError):
        run(*arguments)


def test_without_a_verb_and_with_help_the_verbs_are_named():
    assert b"list" in shell("sessions").stderr
    text = shell("sessions", "--help").stdout.decode()
    for verb in ("list", "show", "revoke", "purge", "stats", "import", "export"):
        assert f"    {verb}" in text
        assert shell("sessions", verb, "--help").returncode == 0
