"""Which tenant code works for, who says so, and what happens where nobody does."""

from __future__ import annotations

from contextvars import ContextVar

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from sessionkeeper import conf
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context, keys
from sessionkeeper.core.errors import NoNamespace
from sessionkeeper.engine import lookup, registry
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import AuditEvent, Session
from tests.near_sides import sign_in

tenant = ContextVar("tenant", default=None)


def active_tenant():
    """What a project's NAMESPACE names: the tenant that its middleware has set."""
    return tenant.get()


def who(request):
    return HttpResponse(request.user.get_username())


async def who_async(request):
    return HttpResponse((await request.auser()).get_username())


def public(request):
    return HttpResponse("public")


urlpatterns = [path("who/", who), path("who-async/", who_async), path("public/", public)]


@pytest.fixture(autouse=True)
def _of_nobody():
    token = tenant.set(None)
    yield
    tenant.reset(token)


@pytest.fixture
def asked(settings):
    """A project with tenants of its own, whose middleware this test is."""
    settings.SESSIONKEEPER = {"NAMESPACE": f"{__name__}.active_tenant"}
    settings.ROOT_URLCONF = __name__


def test_without_tenants_there_is_one_namespace_without_a_name():
    assert namespaces.active() == ""


def test_a_text_is_the_namespace(settings):
    settings.SESSIONKEEPER = {"NAMESPACE": "acme"}
    assert namespaces.active() == "acme"


@pytest.mark.parametrize("given", [active_tenant, f"{__name__}.active_tenant"])
def test_a_function_is_asked_each_time(settings, given):
    settings.SESSIONKEEPER = {"NAMESPACE": given}
    for name in ("a", "b"):
        tenant.set(name)
        assert namespaces.active() == name


@pytest.mark.parametrize("answer", [None, "", 7, "x" * 101, "two\nlines", "nul\0"])
def test_an_answer_that_names_nobody_is_refused(settings, answer):
    settings.SESSIONKEEPER = {"NAMESPACE": lambda: answer}
    with pytest.raises(NoNamespace):
        namespaces.active()


def test_what_a_function_raises_goes_through(settings):
    def fails():
        raise LookupError("no tenant")

    settings.SESSIONKEEPER = {"NAMESPACE": fails}
    with pytest.raises(LookupError, match="no tenant"):
        namespaces.active()


@pytest.mark.parametrize("value", ["", 7, b"acme", "x" * 101, "a\nb"])
def test_a_value_that_can_be_none_is_an_error(settings, value):
    settings.SESSIONKEEPER = {"NAMESPACE": value}
    [problem] = conf.problems()
    assert "NAMESPACE" in problem.message


def test_the_context_manager_counts_first_and_ends_with_its_block(asked):
    tenant.set("a")
    with namespaces.namespace("b"):
        assert namespaces.active() == "b"
        with namespaces.namespace("c"):
            assert namespaces.active() == "c"
        assert namespaces.active() == "b"
    assert namespaces.active() == "a"


@pytest.mark.parametrize("name", ["", None, "x" * 101])
def test_the_context_manager_refuses_what_is_no_name(name):
    with pytest.raises(NoNamespace), namespaces.namespace(name):
        pytest.fail("It ran.")


def test_it_may_not_name_another_tenant_than_the_schema_of_the_connection(monkeypatch):
    monkeypatch.setattr(connection, "schema_name", "a", raising=False)
    namespaces.schemas.cache_clear()
    try:
        with namespaces.namespace("a"):
            assert namespaces.active() == "a"
        with pytest.raises(NoNamespace, match="schema 'a', not in 'b'"), namespaces.namespace("b"):
            pytest.fail("It ran.")
    finally:
        monkeypatch.undo()
        namespaces.schemas.cache_clear()


@pytest.mark.django_db
def test_nothing_is_done_where_nobody_says_for_whom(asked, make_user):
    user = make_user()
    for operation in (
        lambda: SessionStore().create(),
        lambda: registry.list_for(user),
        lambda: registry.revoke_all(user),
        lambda: list(registry.purge()),
        lambda: lookup.resolve(keys.mint().text, transport="cookie"),
    ):
        with pytest.raises(NoNamespace, match="No tenant is active"):
            operation()
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_a_request_without_a_tenant_is_an_error_that_only_the_log_explains(asked, caplog):
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = keys.mint().text
    assert client.get("/public/").content == b"public"
    answer = client.get("/who/")
    assert answer.status_code == 500
    assert b"NAMESPACE" not in answer.content
    assert "sessionid" not in answer.cookies
    assert any("NAMESPACE" in str(record.exc_info) for record in caplog.records)


@pytest.mark.django_db
def test_the_host_header_says_nothing_of_the_tenant(asked, make_user, settings):
    settings.ALLOWED_HOSTS = ["*"]
    tenant.set("a")
    key = sign_in(make_user())
    client = Client(headers={"host": "b.example.test"})
    client.cookies["sessionid"] = key
    assert client.get("/who/").content
    tenant.set("b")
    client = Client(headers={"host": "a.example.test"})
    client.cookies["sessionid"] = key
    assert client.get("/who/").content == b""


@pytest.mark.django_db(transaction=True)
async def test_async_views_have_the_tenant_of_the_request(asked, make_user):
    tenant.set("a")
    user = await sync_to_async(make_user)()
    client = AsyncClient()
    client.cookies["sessionid"] = await sync_to_async(sign_in)(user)
    assert (await client.get("/who-async/")).content.decode() == user.get_username()
    tenant.set("b")
    assert (await client.get("/who-async/")).content == b""


async def test_an_event_loop_is_told_the_tenant_by_the_thread_of_the_request(asked):
    tenant.set("a")
    with pytest.raises(NoNamespace, match="event loop"):
        namespaces.active()
    assert namespaces.at_hand() is None
    assert await context.greenlet_spawn(namespaces.active) == "a"
    context.begin()
    await namespaces.note()
    assert namespaces.active() == namespaces.at_hand() == "a"


async def test_the_context_manager_counts_in_an_event_loop_too(asked):
    with namespaces.namespace("b"):
        assert namespaces.active() == namespaces.at_hand() == "b"
        assert await sync_to_async(namespaces.active)() == "b"


@pytest.mark.django_db
def test_events_and_counts_are_of_the_tenant(asked, make_user):
    from sessionkeeper.audit import events, trail
    from sessionkeeper.auth import lockout

    user = make_user()
    seen = {}
    for name in ("a", "b"):
        tenant.set(name)
        trail.record(events.Kind.STEP_UP, user=user)
        seen[name] = (lockout.keys_of("alice"), lockout.key_of(user.pk), lockout.marks(user))
        assert trail.rows_of(user.pk).count() == 1
    assert seen["a"] != seen["b"]
    assert set(AuditEvent.objects.values_list("namespace", flat=True)) == {"a", "b"}


@pytest.mark.django_db
def test_without_namespaces_the_keys_of_the_lockout_are_what_they_were(settings):
    from django.utils.crypto import salted_hmac

    from sessionkeeper.auth import lockout

    expected = salted_hmac("sessionkeeper.lockout.name", "alice", algorithm="sha256").hexdigest()
    assert lockout.keys_of("alice")[0] == expected


@pytest.mark.django_db
def test_what_is_done_after_a_commit_is_done_for_the_tenant_of_before(asked):
    tenant.set("a")
    seen = []
    with transaction.atomic():
        function = namespaces.later(lambda: seen.append(namespaces.active()))
        tenant.set("b")
        function()
    assert seen == ["a"]
