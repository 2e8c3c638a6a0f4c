"""``manage.py sessions`` and ``manage.py clearsessions``."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command, get_commands
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessionkeeper.audit import events, trail
from sessionkeeper.auth import attempts
from sessionkeeper.core import keys
from sessionkeeper.core.client_info import ClientInfo as Facts
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import lookup, registry
from sessionkeeper.management.commands.sessions import VERBS
from sessionkeeper.models import Session
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import insert

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[3]


def run(*arguments, **options):
    """Run the command and return what it printed."""
    out = io.StringIO()
    call_command("sessions", *arguments, stdout=out, stderr=out, no_color=True, **options)
    return out.getvalue()


def name(key):
    """The 11 characters of a key's session."""
    return keys.encode_id(key.id)


def store_for(user=None, **fields):
    """Store a session of a user; return its key."""
    return insert(DatabaseStore(), user_id=None if user is None else user.pk, **fields)


def is_there(key):
    """Whether the store has the session."""
    return Session.objects.filter(pk=key.id).exists()


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


@pytest.mark.any_user
def test_the_list_of_one_user_takes_a_name_or_a_key(make_user):
    user, other = make_user(), make_user()
    mine = store_for(user)
    store_for(other)
    for arguments in (
        ("--user", user.get_username()),
        ("--user", str(user.pk)),
        ("--user-pk", str(user.pk)),
        (f"--user={user.pk}",),
    ):
        assert [row["id"] for row in json.loads(run("list", "--json", *arguments))] == [name(mine)]


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


@pytest.mark.rule("R39")
def test_a_name_cannot_steer_the_terminal(make_user):
    user = make_user()
    get_user_model().objects.filter(pk=user.pk).update(username="eve\x1b[2J\r\nroot")
    store_for(user)
    text = run("list")
    assert "eve?[2J??root" in text
    assert "\x1b" not in text


def test_json_holds_everything_but_secrets_and_data(make_user):
    user = make_user()
    key = store_for(
        user, data='{"basket": "a-private-thing"}', authenticated=True, amr="pwd otp", label="Mine"
    )
    text = run("list", "--json")
    (row,) = json.loads(text)
    assert row == json.loads(run("show", name(key), "--json"))
    assert row["user"] == {"id": user.pk, "username": user.username}
    assert (row["label"], row["amr"], row["data_keys"]) == ("Mine", ["pwd", "otp"], ["basket"])
    assert row["expires_at"].endswith("Z")
    row_in_store = Session.objects.get()
    for hidden in ("a-private-thing", key.secret, bytes(row_in_store.secret_hash).hex()):
        assert hidden not in text


def test_json_of_many_sessions_is_one_array():
    made = [name(store_for()) for _ in range(4)]
    assert {row["id"] for row in json.loads(run("list", "--json"))} == set(made)


# show


@pytest.mark.any_user
def test_show_tells_the_facts_of_a_session(make_user):
    user = make_user()
    key = store_for(user, data='{"basket": 1, "colour": "a-private-thing"}', user_agent="Telnet/1.0")
    text = run("show", name(key))
    for shown in (name(key), user.get_username(), "Telnet/1.0", "basket, colour", "live"):
        assert shown in text
    assert "a-private-thing" not in text
    assert key.secret not in text


def test_show_tells_of_a_deleted_user_and_of_data_that_cannot_be_read(make_user):
    user = make_user()
    key = store_for(user, data="[1]")
    get_user_model().objects.filter(pk=user.pk)._raw_delete("default")
    text = run("show", name(key))
    assert f"(deleted user {user.pk})" in text
    assert "(cannot be read)" in text


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


def test_sessions_of_a_user_deleted_behind_our_back_end_by_key(make_user):
    user = make_user()
    store_for(user)
    get_user_model().objects.filter(pk=user.pk)._raw_delete("default")
    with pytest.raises(CommandError, match="--user-pk"):
        run("revoke", "--user", str(user.pk))
    assert run("revoke", "--user-pk", str(user.pk)) == "1 session ended.\n"


def test_a_name_that_is_another_users_key_is_refused(make_user):
    user = make_user()
    namesake = make_user(username=str(user.pk))
    store_for(namesake)
    with pytest.raises(CommandError, match=r"Choose one with --user-pk\."):
        run("revoke", "--user", str(user.pk))
    assert Session.objects.count() == 1


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


def test_clearsessions_is_there_without_djangos_sessions_application(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django.contrib.sessions"]
    get_commands.cache_clear()
    try:
        assert get_commands()["clearsessions"] == "sessionkeeper"
        live, over = store_for(), store_for(lifetime=timezone.now() - timedelta(seconds=1))
        call_command("clearsessions")
    finally:
        get_commands.cache_clear()
    assert is_there(live)
    assert not is_there(over)


# Whatever is typed


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9" * 30, "", "²"])
@pytest.mark.parametrize("option", [("list", "--limit"), ("purge", "--batch")])
def test_a_number_out_of_range_is_refused(option, number):
    with pytest.raises(CommandError, match="is not a number from 1 to"):
        run(option[0], f"{option[1]}={number}")


@pytest.mark.parametrize("verb", VERBS)
def test_quiet_leaves_only_what_was_asked_for(verb, make_user, tmp_path):
    """A verb that is not named here is to say nothing with ``-v 0``."""
    user = make_user()
    key, file = store_for(), str(tmp_path / "sessions.jsonl")
    run("export", file)
    arguments = {"show": [name(key)], "revoke": ["--user-pk", str(user.pk)], "import": [file]}
    arguments["erase"] = [user.get_username(), "--no-input"]
    alone, asked = (
        {"list", "purge", "stats", "export", "doctor"},
        {"list", "show", "stats", "export", "doctor"},
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


@pytest.mark.parametrize("command", [("sessions", "purge"), ("clearsessions",)])
def test_both_commands_remove_all_that_is_old(command, make_user, settings):
    """Sessions, audit events, what older ones say of where, and counts of failed sign-ins."""
    store_for(lifetime=timezone.now() - timedelta(seconds=1))
    attempts.consume([("a" * 64, attempts.ACCOUNT)], "", attempts.now() - 40 * 86_400_000)
    for days in (1, 40, 400):
        event = trail.make(events.Kind.SIGN_IN, user=make_user(), client=Facts("192.0.2.77", "Firefox"))
        trail.record_all([replace(event, at=event.at - timedelta(days=days))])
    call_command(*command, verbosity=0)
    assert Session.objects.count() == 0
    assert attempts.rows().count() == 0
    found = trail.rows().filter(kind="sign_in").order_by("-at").values_list("ip_address", "user_agent")
    assert list(found) == [("192.0.2.77", "Firefox"), ("192.0.2.0", "")]


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


def test_stats_counts_by_state_user_transport_and_last_use(make_user, monkeypatch):
    monkeypatch.setattr(registry, "BATCH", 2)
    assert json.loads(run("stats", "--json"))["sessions"] == 0
    user = make_user()
    store_for(user)
    store_for(user, transport="bearer")
    old, gone = store_for(idle_seconds=None), store_for()
    now = timezone.now()
    Session.objects.filter(pk=old.id).update(last_seen_at=now - timedelta(hours=5))
    Session.objects.filter(pk=gone.id).update(expires_at=now)
    counts = json.loads(run("stats", "--json"))
    assert counts["sessions"] == 4
    assert counts["state"] == {"live": 3, "expired": 1}
    assert counts["who"] == {"signed in": 2, "anonymous": 1}
    assert counts["transport"] == {"cookie": 2, "bearer": 1}
    used = {name: number for name, number in counts["last used"].items() if number}
    assert used == {"within an hour": 2, "within a day": 1}
    text = run("stats")
    assert re.search(r"^sessions +4$", text, re.MULTILINE)
    assert re.search(r"^  last used within a day +1$", text, re.MULTILINE)


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


def shell(*arguments, **options):
    """Run the command as people do, over a database without tables, in a process of its own."""
    env = {**os.environ, "DATABASE_URL": "sqlite://:memory:", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        cwd=ROOT,
        env={**env, **options.pop("env", {})},
        capture_output=True,
        check=False,
        **options,
    )


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


def test_without_a_verb_and_with_help_the_verbs_are_named():
    assert b"list" in shell("sessions").stderr
    text = shell("sessions", "--help").stdout.decode()
    for verb in ("list", "show", "revoke", "purge", "stats", "import", "export"):
        assert f"    {verb}" in text
        assert shell("sessions", verb, "--help").returncode == 0
