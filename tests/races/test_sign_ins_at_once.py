"""People behind one address who sign in at the same moment, each in a transaction of its request."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import dj_database_url
import pytest
from django.contrib import auth
from django.contrib.auth.views import LoginView
from django.db import OperationalError, connections, transaction
from django.test import Client
from django.urls import include, path

from sessionkeeper.auth import attempts, lockout
from sessionkeeper.models import LoginAttempt, Session
from tests.conftest import PASSWORD, new_user
from tests.servers import mariadb
from tests.stores import create_tables, database
from tools.servers import Unavailable

PEOPLE, TIMES = 12, 3
urlpatterns = [
    path("auth/", include("sessionkeeper.api.urls")),
    path("theirs/", LoginView.as_view(template_name="sessionkeeper/pages/base.html", next_page="/in/")),
]


class Everything:
    """Sends all models to one database."""

    alias = "default"

    def db_for_read(self, model, **hints):
        return self.alias

    db_for_write = db_for_read


@pytest.fixture(scope="module")
def mariadb_url():
    """The URL of an empty MariaDB."""
    pymysql = pytest.importorskip("pymysql")
    pymysql.version_info = (2, 2, 7, "final", 0)  # what Django asks of mysqlclient
    pymysql.install_as_MySQLdb()
    with ExitStack() as stack:
        try:
            url = stack.enter_context(mariadb.private_server())
        except Unavailable as error:
            if os.environ.get("CI"):
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield url


@pytest.fixture(params=[pytest.param("postgresql", marks=pytest.mark.postgres), "mariadb"])
def alias(request, any_database, settings, monkeypatch):
    """A database that has everything, and in which each request is a transaction."""
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    settings.DATABASE_ROUTERS = [Everything()]
    settings.ROOT_URLCONF = __name__
    given = {"ATOMIC_REQUESTS": True}
    if request.param == "mariadb":
        given |= dj_database_url.parse(request.getfixturevalue("mariadb_url"))
    with database("atomic", **given) as name:
        monkeypatch.setattr(Everything, "alias", name)
        if request.param == "mariadb" and "auth_user" not in connections[name].introspection.table_names():
            create_tables(name)
        yield name
        for model in (LoginAttempt, Session, auth.get_user_model()):
            model._base_manager.using(name).all()._raw_delete(name)


def at_once(*calls):
    """Call these in threads that start together; return what each gave."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def by_api(client, name):
    """Sign in at our API."""
    given = {"username": name, "password": PASSWORD}
    return client.post("/auth/login/", given, content_type="application/json").status_code


def by_django(client, name):
    """Sign in at Django's own view, which is in the request's transaction."""
    return client.post("/theirs/", {"username": name, "password": PASSWORD}).status_code


@pytest.mark.parametrize(("door", "answer"), [(by_api, 200), (by_django, 302)], ids=["ours", "django's"])
def test_everybody_behind_one_address_gets_in(alias, door, answer):
    names = [new_user().get_username() for _ in range(PEOPLE)]

    def person(name):
        def sign_in():
            return [
                door(Client(REMOTE_ADDR="192.0.2.1", headers={"sec-fetch-site": "same-origin"}), name)
                for _ in range(TIMES)
            ]

        return sign_in

    assert at_once(*map(person, names)) == [[answer] * TIMES] * PEOPLE
    assert LoginAttempt.objects.get(kind="source").failures == 0


@pytest.mark.parametrize("door", [by_api, by_django], ids=["ours", "django's"])
def test_one_account_from_many_places_at_once_is_counted_exactly(alias, door, settings):
    settings.SESSIONKEEPER = {"LOCKOUT_TRIES": 5}
    name = new_user().get_username()

    def guess(number):
        client = Client(REMOTE_ADDR=f"192.0.{number}.1", headers={"sec-fetch-site": "same-origin"})
        wrong = {"username": name, "password": "wrong"}
        kind = {"content_type": "application/json"} if door is by_api else {}
        return lambda: (
            client.post("/auth/login/" if door is by_api else "/theirs/", wrong, **kind).status_code
        )

    answers = at_once(*map(guess, range(PEOPLE)))
    assert sorted(answers) == sorted([401 if door is by_api else 200] * 5 + [429] * (PEOPLE - 5))
    assert LoginAttempt.objects.get(kind="account").failures == 5


@pytest.mark.rule("R56")
def test_all_spellings_that_the_database_takes_for_one_share_its_tries(alias):
    """The default collations of MySQL and MariaDB find an account by hundreds of spellings."""
    auth.get_user_model().objects.create_user("alice", password=PASSWORD)
    spellings = ["alice", "al\u0131ce", "\u0251lice", "al\u026ace", "ALICE", "alic\u00e9"]
    found = {name for name in spellings if auth.get_user_model().objects.filter(username=name).exists()}
    assert ("al\u0131ce" in found) == (connections[alias].vendor == "mysql")
    looked_at = 0
    for number, name in enumerate(spellings * 4):
        client = Client(REMOTE_ADDR=f"192.0.{number}.1", headers={"sec-fetch-site": "same-origin"})
        given = {"username": name, "password": "wrong"}
        answer = client.post("/auth/login/", given, content_type="application/json")
        looked_at += answer.status_code == 401 and name in found
    assert looked_at <= 5


def test_two_tries_that_share_their_rows_wait_for_one_another_and_not_in_a_circle(alias):
    """Each takes all its rows at once and in one order, so the second waits before it has anything."""
    rows = [("b" * 64, attempts.SOURCE), ("a" * 64, attempts.ACCOUNT)]
    counted, may_end = threading.Event(), threading.Event()

    def first():
        with transaction.atomic(using=alias):
            assert not attempts.consume(rows, "", attempts.now()).wait
            counted.set()
            may_end.wait()
            attempts.give_back({"a" * 64: attempts.ALL, "b" * 64: 1})

    def second():
        counted.wait()
        may_end.set()
        with transaction.atomic(using=alias):
            assert not attempts.consume(rows[::-1], "", attempts.now()).wait
        return dict(LoginAttempt.objects.values_list("kind", "failures"))

    assert at_once(first, second)[1] == {"account": 1, "source": 1}


def test_in_a_transaction_a_known_device_waits_for_no_row_that_it_has_not_counted_in(alias):
    """A stranger has the account's row and wants the source's; the device has that one, and gets in."""
    device, account, source = "c" * 64, "a" * 64, "b" * 64
    attempts.consume([(account, attempts.ACCOUNT)], "", attempts.now())
    with transaction.atomic(using=alias):
        attempts.consume([(device, attempts.DEVICE), (source, attempts.SOURCE)], "", attempts.now())
        holding, done = threading.Event(), threading.Event()

        def stranger():
            with transaction.atomic(using=alias):
                attempts.consume([(account, attempts.ACCOUNT)], "", attempts.now())
                holding.set()
                done.wait()
            connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(stranger)
            holding.wait()
            try:
                tried = lockout.Attempt(counts={device: attempts.DEVICE, source: attempts.SOURCE})
                lockout._forgive(tried, {device: attempts.ALL, account: attempts.ALL})
            finally:
                done.set()
            waiting.result()
    failures = dict(LoginAttempt.objects.values_list("kind", "failures"))
    assert failures == {"device": 0, "account": 0, "source": 1}


def test_the_code_of_a_deadlock_is_known(alias):
    """Of two transactions that take two rows crosswise one is given up, with the code that is looked for."""
    rows = ["a" * 64, "b" * 64]
    attempts.consume([(key, attempts.ACCOUNT) for key in rows], "", attempts.now())
    both = threading.Barrier(2)

    def crosswise(mine, other):
        def run():
            try:
                with transaction.atomic(using=alias):
                    attempts.reset(mine)
                    both.wait()
                    attempts.reset(other)
            except OperationalError as error:
                return attempts._is_deadlock(error)
            return None

        return run

    assert True in at_once(crosswise(*rows), crosswise(*rows[::-1]))
