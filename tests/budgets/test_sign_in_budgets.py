"""What a sign-in at our own doors may cost, in statements and in commits."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core import mail
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from sessionkeeper import flows
from sessionkeeper.audit import signals
from sessionkeeper.auth import receivers
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import AuditEvent, LoginAttempt, Session
from tests.conftest import PASSWORD

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
    pytest.mark.database_store_only("one database has everything"),
]
urlpatterns = [
    path("auth/", include("sessionkeeper.api.urls")),
    path("in/", include("sessionkeeper.pages.urls")),
]
DOORS = ["auth/login", "auth/tokens", "in/login"]
WRITES = {"INSERT", "UPDATE", "DELETE"}


@pytest.fixture(autouse=True)
def counted(settings):
    """Attempts are counted, and mail is sent."""
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    yield
    receivers.wait()


@pytest.fixture
def user(make_user):
    """A user who has signed in before."""
    user = make_user()
    assert sign_in(user).status_code in {200, 302}
    return user


@pytest.fixture
def receiver():
    """Connects a receiver of ``user_logged_in``."""
    connected = []

    def connect(function):
        user_logged_in.connect(function)
        connected.append(function)

    yield connect
    for function in connected:
        user_logged_in.disconnect(function)


def sign_in(user, door="auth/login", client=None):
    """Sign in from a browser without cookies."""
    client = client or Client(raise_request_exception=False, headers={"sec-fetch-site": "same-origin"})
    return client.post(f"/{door}/", {"username": user.get_username(), "password": PASSWORD})


def cost_of(act, *args):
    """Return the statements, and those of each commit."""
    with CaptureQueriesContext(connection) as captured:
        act(*args)
    statements = [query["sql"] for query in captured]
    commits, current = [], None
    for sql in statements:
        if sql.startswith("BEGIN"):
            current = []
        elif sql == "COMMIT":
            commits.append(current)
            current = None
        elif current is not None:
            current.append(sql)
        elif sql.split()[0] in WRITES:
            commits.append([sql])
    return statements, commits


def first_words(commits):
    """Return the first word of each statement, by commit."""
    return [[sql.split()[0] for sql in commit] for commit in commits]


@pytest.mark.parametrize("door", DOORS)
def test_a_sign_in_makes_two_commits_the_count_and_all_the_rest(user, door):
    statements, commits = cost_of(sign_in, user, door)
    tables = [
        next(
            model._meta.db_table
            for model in (LoginAttempt, Session, AuditEvent, type(user))
            if model._meta.db_table in sql
        )
        for sql in statements
        if sql.split()[0] in WRITES and "= -1" not in sql
    ]
    assert len(commits) == 2, statements
    assert tables == [
        one._meta.db_table for one in (LoginAttempt, type(user), Session, AuditEvent, LoginAttempt)
    ]


@pytest.mark.parametrize("door", DOORS)
def test_each_commit_begins_with_a_write_also_on_a_known_device(user, door):
    """SQLite lets no transaction write that has read before another one wrote."""
    client = Client(headers={"sec-fetch-site": "same-origin"})
    sign_in(user, client=client)
    statements, commits = cost_of(sign_in, user, door, None if "tokens" in door else client)
    assert [words[0] for words in first_words(commits)] == ["INSERT", "UPDATE"], statements


def test_the_event_has_a_savepoint_and_the_counts_are_locked_last(user):
    """What fails in the savepoint fails alone; the count of a network is one that others wait for."""
    last = cost_of(sign_in, user)[1][-1]
    assert first_words([last]) == [["UPDATE", "INSERT", "SAVEPOINT", "INSERT", "RELEASE", "UPDATE"]]
    assert AuditEvent._meta.db_table in last[3]
    assert [LoginAttempt._meta.db_table in sql for sql in last] == [False] * 5 + [True]


def test_a_sign_in_reads_the_account_the_user_and_the_devices_and_nothing_twice(user):
    statements, _ = cost_of(sign_in, user)
    reads = [sql for sql in statements if sql.startswith("SELECT") and "pg_" not in sql]
    reads = [sql for sql in reads if sql != "SELECT 1"]  # whether a kept connection lives
    assert len(reads) == 3, reads
    assert AuditEvent._meta.db_table in reads[-1]


def test_without_lockout_and_audit_it_is_one_commit(user, settings):
    settings.SESSIONKEEPER = {"LOCKOUT": False, "AUDIT": False}
    assert len(cost_of(sign_in, user)[1]) == 1


def test_a_reauthentication_makes_two_commits(user):
    client = Client(headers={"sec-fetch-site": "same-origin"})
    sign_in(user, client=client)
    statements, commits = cost_of(client.post, "/auth/reauthenticate/", {"password": PASSWORD})
    assert [words[0] for words in first_words(commits)] == ["INSERT", "UPDATE"], statements
    assert AuditEvent.objects.filter(kind="step_up").count() == 1


@pytest.mark.parametrize("door", DOORS)
def test_an_audit_table_that_is_missing_keeps_nobody_from_signing_in(user, door, caplog):
    table, other = AuditEvent._meta.db_table, "somewhere_else"
    told, before = [], Session.objects.count()

    def tell(event, **_):
        told.append(event.kind.value)

    signals.signed_in.connect(tell)
    signals.token_made.connect(tell)
    rename(table, other)
    try:
        answer = sign_in(user, door)
    finally:
        rename(other, table)
        signals.signed_in.disconnect(tell)
        signals.token_made.disconnect(tell)
    assert answer.status_code in {200, 201, 302}
    assert Session.objects.count() == before + 1
    assert Session.objects.latest("pk").user_id == user.pk
    assert "could not be written" in caplog.text
    assert told == ["token_made" if "tokens" in door else "sign_in"]
    assert not LoginAttempt.objects.filter(failures__gt=0).exists()


def rename(old, new):
    """Rename a table."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {connection.ops.quote_name(old)} RENAME TO {connection.ops.quote_name(new)}"
        )


@pytest.mark.parametrize("door", DOORS)
def test_a_receiver_that_raises_leaves_nothing_but_what_was_proven(user, receiver, door):
    def fail(**_):
        raise ValueError("of the site")

    Session.objects.all().delete()
    AuditEvent.objects.all()._raw_delete("default")
    last_login = get_user_model().objects.get(pk=user.pk).last_login
    receiver(fail)
    client = Client(raise_request_exception=False, headers={"sec-fetch-site": "same-origin"})
    answer = sign_in(user, door, client)
    assert (answer.status_code, "sessionid" in answer.cookies) == (500, False)
    assert not Session.objects.exists()
    assert not AuditEvent.objects.exists()
    assert get_user_model().objects.get(pk=user.pk).last_login == last_login
    assert not LoginAttempt.objects.filter(failures__gt=0).exists()
    assert client.get("/auth/session/").status_code in {401, 403}
    user_logged_in.disconnect(fail)
    assert sign_in(user, door, client).status_code < 400


def test_a_receiver_that_raises_keeps_the_visitors_session_and_its_key(user, receiver, settings):
    def fail(**_):
        raise ValueError("of the site")

    session = SessionStore()
    session["basket"] = 1
    session.save()
    receiver(fail)
    client = Client(raise_request_exception=False, headers={"sec-fetch-site": "same-origin"})
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert sign_in(user, client=client).status_code == 500
    after = SessionStore(client.cookies[settings.SESSION_COOKIE_NAME].value)
    assert (after["basket"], "_auth_user_id" in after) == (1, False)


def test_a_callers_rollback_takes_the_sign_in_back_and_its_event(user):
    before = Session.objects.count(), AuditEvent.objects.count()
    request = RequestFactory().post("/")
    request.session = SessionStore()
    with transaction.atomic():
        flows.log_in(request, credentials={"username": user.get_username(), "password": PASSWORD})
        assert AuditEvent.objects.count() == before[1] + 1
        transaction.set_rollback(True)
    assert (Session.objects.count(), AuditEvent.objects.count()) == before
    assert "_auth_user_id" not in request.session


def test_a_limit_that_refuses_leaves_the_others_and_forgives_what_was_proven(user, settings):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": 1, "MAX_SESSIONS_ACTION": "refuse"}
    before = list(Session.objects.values_list("pk", flat=True))
    assert sign_in(user).status_code == 409
    assert list(Session.objects.values_list("pk", flat=True)) == before
    assert not LoginAttempt.objects.filter(failures__gt=0).exists()


def test_a_limit_ends_the_oldest_in_the_same_commit_and_tells_of_it(user, settings):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": 1}
    (before,) = Session.objects.values_list("pk", flat=True)
    assert len(cost_of(sign_in, user)[1]) == 2
    assert before not in Session.objects.values_list("pk", flat=True)
    assert AuditEvent.objects.filter(session_id=before, kind="revoked").count() == 1


def test_a_new_device_is_told_of_by_the_door_that_writes_together(user):
    mail.outbox.clear()
    agent = Client(headers={"sec-fetch-site": "same-origin", "user-agent": "another"})
    assert sign_in(user, client=agent).status_code == 200
    receivers.wait()
    assert [message.to for message in mail.outbox] == [[user.email]]
