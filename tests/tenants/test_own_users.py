"""A tenant's sessions are nothing at another one's, wherever they are kept and whatever is remembered."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django_tenants.utils import schema_context

from sessionkeeper.audit import trail
from sessionkeeper.auth import receivers
from sessionkeeper.conf import namespaces
from sessionkeeper.core import keys
from sessionkeeper.core.errors import NoNamespace
from sessionkeeper.engine import lookup
from tests.tenants.conftest import PASSWORD, SAME, SCHEMAS, AsyncBrowser, Browser

pytestmark = pytest.mark.usefixtures("store")


@pytest.mark.rule("R61")
@pytest.mark.parametrize("path", ["/who/", "/who-async/"])
def test_a_session_of_one_tenant_is_nobodys_at_another(path):
    customer = Browser("b").signed_in("admin")
    assert customer.who(path) == "admin-b"
    intruder = Browser("a").copied_from(customer)
    for _ in range(2):
        assert intruder.who(path) == ""
        intruder.copied_from(customer)
        assert customer.who(path) == "admin-b"


@pytest.mark.rule("R61")
async def test_under_asgi_a_session_of_one_tenant_is_nobodys_at_another():
    customer = AsyncBrowser("b")
    body = {"username": "admin-b", "password": PASSWORD}
    answer = await customer.post("/api/login/", body, content_type="application/json", headers=SAME)
    assert answer.status_code == 200
    for _ in range(2):
        assert (await customer.get("/who-async/")).json()["user"] == "admin-b"
        intruder = AsyncBrowser("a").copied_from(customer)
        assert (await intruder.get("/who-async/")).json()["user"] == ""


@pytest.mark.rule("R61")
def test_nothing_is_written_into_a_session_of_another_tenant():
    customer = Browser("b").signed_in()
    key = keys.parse(customer.cookies["sessionid"].value)
    intruder = Browser("a").copied_from(customer)
    assert intruder.get("/keep/?value=theirs").status_code in {200, 400}
    intruder.copied_from(customer)
    intruder.post("/api/logout/")
    with schema_context("b"):
        _, found = lookup.resolve(key.text, transport="cookie")
    assert found is not None
    assert "kept" not in found.data


@pytest.mark.rule("R61")
def test_a_user_lists_and_ends_no_session_of_the_same_number_at_another_tenant():
    at_a, at_b = Browser("a").signed_in(), Browser("b").signed_in()
    listed = at_b.get("/api/sessions/").json()
    assert len(listed["results"]) == 1
    id_at_a = keys.encode_id(keys.parse(at_a.cookies["sessionid"].value).id)
    assert at_b.delete(f"/api/sessions/{id_at_a}/").status_code == 404
    assert at_b.post("/api/sessions/revoke-all/").json() == {"revoked": 1}
    assert at_b.who() == ""
    assert at_a.who() == "person-a"


@pytest.mark.rule("R61")
def test_what_happens_to_a_user_ends_no_session_of_the_same_number_at_another_tenant():
    from django.contrib.auth.models import User

    at_a, at_b = Browser("a").signed_in(), Browser("b").signed_in()
    with schema_context("b"):
        user = User.objects.get(pk=2)
        user.is_active = False
        user.save()
    assert at_b.who() == ""
    assert at_a.who() == "person-a"
    assert len(at_a.get("/api/sessions/").json()["results"]) == 1


@pytest.mark.rule("R61")
def test_guesses_at_one_tenant_lock_nobody_out_of_another():
    with schema_context("a"):
        from django.contrib.auth.models import User

        User.objects.filter(pk=2).update(username="person-b")
    guesser = Browser("b")
    wrong = {"username": "person-b", "password": "wrong"}
    answers = [guesser.post("/api/login/", wrong, content_type="application/json") for _ in range(6)]
    assert answers[-1].status_code == 429
    Browser("a").signed_in("person", tenant="b")


@pytest.mark.rule("R61")
def test_the_history_of_a_user_has_no_events_of_another_tenant():
    Browser("a").signed_in()
    Browser("b").signed_in()
    for name in SCHEMAS:
        with schema_context(name):
            assert trail.rows_of(2).count() == trail.rows().count() == 1


def test_no_other_tenant_can_be_named_than_the_one_of_the_schema():
    with (
        schema_context("a"),
        pytest.raises(NoNamespace, match="schema 'a', not in 'b'"),
        namespaces.namespace("b"),
    ):
        pytest.fail("It ran.")


@pytest.mark.rule("R61")
def test_a_reset_mail_goes_to_the_user_of_the_tenant_that_was_asked():
    for name in SCHEMAS:
        with schema_context(name):
            User.objects.filter(pk=2).update(email="somebody@example.org")
    before = len(mail.outbox)
    for tenant in SCHEMAS:
        answer = Browser(tenant).post("/api/password/reset/", {"email": "somebody@example.org"})
        assert answer.status_code == 204
    receivers.wait()
    told = sorted(re.search(r"account (\S+) on", one.body)[1] for one in mail.outbox[before:])
    assert told == ["person-a", "person-b"]
