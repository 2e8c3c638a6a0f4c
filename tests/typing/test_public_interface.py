"""The types of the public interface, as mypy sees them (``make check``) and as they are at run time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, assert_type

import pytest
from django.contrib.auth import backends as django_backends
from django.contrib.auth import login
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from rest_framework import authentication
from rest_framework.permissions import BasePermission
from rest_framework.response import Response

from sessionkeeper import admin, api, csrf, errors, flows, models, pages, sessions, signals, testing
from sessionkeeper.backends import LockoutBackend, ModelBackend
from sessionkeeper.decorators import passive, require_recent_authentication
from sessionkeeper.engine import SessionStore
from sessionkeeper.middleware import AuthenticationMiddleware, SessionMiddleware


class Request(HttpRequest):
    """As ``docs/reference/python.md`` annotates a request."""

    session: SessionStore


View = Callable[[HttpRequest, int], HttpResponse]
AsyncView = Callable[[HttpRequest], Awaitable[HttpResponse]]


def page(request: HttpRequest, number: int) -> HttpResponse:
    """A view."""
    return HttpResponse(f"{request.method} {number}")


async def async_page(request: HttpRequest) -> HttpResponse:
    """A view in async code."""
    return HttpResponse(request.method)


@pytest.fixture
def request_() -> Request:
    """A request with a session."""
    request = Request()
    request.session, request.user = SessionStore(), AnonymousUser()
    return request


@pytest.fixture
def user(make_user: Callable[[], User]) -> User:
    """A user."""
    return make_user()


def test_a_request_has_a_session_with_an_id(request_: Request) -> None:
    assert_type(request_.session.session_id, str | None)
    assert_type(request_.session.transport, str)
    assert_type(request_.session.client.amr, str)
    assert_type(request_.session.client.address, str)
    session: SessionBase = request_.session
    assert session.session_key is None


def test_decorators_keep_the_type_of_a_view() -> None:
    view: View = passive(page)
    assert_type(passive(view), View)
    assert_type(require_recent_authentication()(view), View)
    assert_type(require_recent_authentication(within=timedelta(minutes=5), level=2)(view), View)
    async_view: AsyncView = passive(async_page)
    assert_type(require_recent_authentication()(async_view), AsyncView)
    assert view(HttpRequest(), 3).content == b"None 3"


@pytest.mark.django_db
def test_a_projects_own_code_lists_and_ends_sessions(user: User) -> None:
    records = assert_type(sessions.list_for(user), list[sessions.SessionRecord])
    assert_type([record.last_seen_at for record in records], list[datetime])
    assert_type([record.ip_address for record in records], list[str | None])
    assert_type(sessions.history_for(user, limit=10), list[sessions.EndedSession])
    assert assert_type(sessions.revoke("AAAAAAAAAAA", reason="mine", actor=user), bool) is False
    assert assert_type(sessions.revoke_all(user, except_="AAAAAAAAAAA"), int) == 0
    assert sum(assert_type(sessions.purge(batch=100), Iterator[int])) == 0
    assert assert_type(sessions.erase(user, dry_run=True), sessions.Erased).sessions == 0
    assert assert_type(sessions.client_address(HttpRequest()), str | None) is None


@pytest.mark.django_db
def test_flows_sign_in_and_out(request_: Request, user: User) -> None:
    login(request_, user, backend="sessionkeeper.backends.ModelBackend")
    request_.session.save()
    assert assert_type(flows.is_recent(request_, within=timedelta(minutes=1)), bool)
    assert_type(flows.proofs(request_), dict[str, datetime])
    assert_type(flows.require_recent(request_), None)
    assert assert_type(flows.revoke_others(request_), int) == 0
    assert assert_type(flows.revoke_all(request_), int) == 1
    assert_type(flows.log_out(request_), None)
    assert assert_type(flows.unlock("alice", reason="support"), bool) is False


def begin_a_token(request: HttpRequest) -> str:
    """A view of a project's that gives out tokens."""
    issued = flows.issue_token(
        request, credentials={"username": "alice", "password": "x"}, scopes=["notes:read"]
    )
    assert_type(issued.scopes, list[str] | None)
    return assert_type(issued.token, str)


def receiver(sender: Any, event: signals.Event, **kwargs: Any) -> None:
    """A receiver of a signal."""
    assert_type(event.kind, signals.Kind)
    assert_type(event.at, datetime)
    assert_type(event.ip_address, str | None)


def test_signals_are_djangos() -> None:
    signal: Signal = signals.signed_in
    signal.connect(receiver)
    assert signal.disconnect(receiver)


def test_errors_have_one_base() -> None:
    outage: type[errors.StoreUnavailable] = errors.StoreUnreachable
    base: type[errors.SessionKeeperError] = outage
    exported = [getattr(errors, name) for name in errors.__all__]
    assert [error for error in exported if not issubclass(error, errors.SessionKeeperError)] == []
    assert issubclass(base, Exception)
    assert_type(errors.TooManyTries(60).retry_after, int)
    assert_type(errors.RefusedPassword(["Too short."]).messages, list[str])


def test_what_is_named_in_settings_is_djangos_kind() -> None:
    middleware: type[DjangoSessionMiddleware] = SessionMiddleware
    backends: list[type[django_backends.BaseBackend]] = [LockoutBackend, ModelBackend]
    authenticators: list[type[authentication.BaseAuthentication]] = [
        api.SessionAuthentication,
        api.TokenAuthentication,
    ]
    permissions: list[type[BasePermission]] = [
        api.HasScope("notes:read"),
        api.RecentlyAuthenticated(within=timedelta(minutes=5)),
    ]
    handler: Callable[[Exception, dict[str, Any]], Response | None] = api.exception_handler
    failure: Callable[[HttpRequest, str], HttpResponse] = csrf.failure
    login_view: Callable[[HttpRequest], HttpResponse] = pages.admin_login
    named = [middleware, AuthenticationMiddleware, csrf.FetchMetadataMiddleware, admin.LoginForm]
    assert all(
        map(callable, [*named, *backends, *authenticators, *permissions, handler, failure, login_view])
    )


def test_rows_have_the_types_of_their_columns() -> None:
    assert_type(models.Session().label, str)
    assert_type(models.AuditEvent().session_id, int | None)


def test_the_helpers_for_tests(user: User) -> None:
    client = assert_type(testing.sign_in(user, transport="bearer", scopes=["read"]), testing.SessionClient)
    assert_type(client.session_id, str)
    assert_type(testing.second_device(client), testing.SessionClient)
    assert_type(testing.lock_account(user), int)
    testing.travel(client, timedelta(minutes=1))
    testing.stale_proof(client, age=timedelta(hours=1))
    testing.fresh_proof(client)
    with testing.store_outage():
        pass
    mixin = testing.SessionTestMixin()
    assert_type(mixin.sign_in(user), testing.SessionClient)
    mixin.assert_signed_in(client, user)
    mixin.travel_past_absolute_timeout(client)
    mixin.assert_session_ended(client.session_id, reason=None)
