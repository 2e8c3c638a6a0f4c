"""What a request for a password reset does before it is answered: the same, whoever has the address."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from sessionkeeper.auth import receivers as our_mail

pytestmark = [
    pytest.mark.any_user,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
]
urlpatterns = [
    path("auth/", include("sessionkeeper.api.urls")),
    path("pages/", include("sessionkeeper.pages.urls")),
]


def asked(door, email, peer):
    """Ask for a mail; return the statements of the request."""
    client = Client(REMOTE_ADDR=peer, headers={"sec-fetch-site": "same-origin"})
    with CaptureQueriesContext(connection) as queries:
        assert client.post(door, {"email": email}).status_code in {204, 302}
    our_mail.wait()
    return [query["sql"] for query in queries]


@pytest.mark.rule("R34")
@pytest.mark.parametrize("door", ["/auth/password/reset/", "/pages/password/reset/"])
def test_a_request_for_a_reset_does_not_ask_who_has_the_address(make_user, door):
    make_user(email="ann@example.org")
    known, unknown = asked(door, "ann@example.org", "192.0.2.1"), asked(door, "bob@example.org", "192.0.2.2")
    assert len(mail.outbox) == 1
    assert len(known) == len(unknown) > 0
    table = get_user_model()._meta.db_table
    assert not [sql for sql in known + unknown if table in sql]


@pytest.mark.rule("R34")
def test_nothing_of_a_reset_runs_beside_the_request_that_asks(make_user, monkeypatch):
    """A thread that works meanwhile would slow the answer down, and so tell that it has work."""
    make_user(email="ann@example.org")
    begun = []
    submit = our_mail._mailer.submit
    monkeypatch.setattr(our_mail._mailer, "submit", lambda *args: begun.append(args) or submit(*args))
    client = Client(REMOTE_ADDR="192.0.2.1", headers={"sec-fetch-site": "same-origin"})
    seen = []
    client.handler.load_middleware()
    chain = client.handler._middleware_chain
    client.handler._middleware_chain = lambda request: (chain(request), seen.append(len(begun)))[0]
    assert client.post("/auth/password/reset/", {"email": "ann@example.org"}).status_code == 204
    our_mail.wait()
    assert (seen, len(begun)) == ([0], 1)
    assert len(mail.outbox) == 1


def test_under_asgi_the_mail_is_sent_too(make_user):
    make_user(email="ann@example.org")
    client = AsyncClient(headers={"sec-fetch-site": "same-origin"})
    answer = async_to_sync(client.post)("/auth/password/reset/", {"email": "ann@example.org"})
    our_mail.wait()
    assert (answer.status_code, len(mail.outbox)) == (204, 1)
