"""A middleware of the site lets staff act as another user, whose sessions and password are not theirs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from asgiref.sync import markcoroutinefunction
from django.contrib.auth import get_user_model
from django.http import HttpResponse, JsonResponse
from django.test import RequestFactory
from django.urls import include, path

from sessionkeeper.auth import flows, passwords
from sessionkeeper.auth.decorators import require_recent_authentication
from sessionkeeper.core import keys
from sessionkeeper.core.errors import UserMismatch
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_store import SessionStore
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import AUTH, TokenApi, problem

ACT_AS = "X-Act-As"


def impersonating(get_response):
    """Swap the user as django-impersonate does, which leaves the session alone."""

    def middleware(request):
        name = request.headers.get(ACT_AS)
        if name:
            request.user = get_user_model().objects.get_by_natural_key(name)
        return get_response(request)

    return middleware


class ForAsyncViewsOnly:
    """Swap the user of async views only."""

    async_capable, sync_capable = True, False

    def __init__(self, get_response):
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request):
        name = request.headers.get(ACT_AS)
        if name:
            user = await get_user_model().objects.aget(**{get_user_model().USERNAME_FIELD: name})

            async def auser():
                return user

            request.auser = auser
        return await self.get_response(request)


@require_recent_authentication()
def gate(request):
    return HttpResponse("in")


@require_recent_authentication()
async def async_gate(request):
    return HttpResponse((await request.auser()).get_username())


def facts(request):
    return JsonResponse({"recent": flows.is_recent(request), "proofs": list(flows.proofs(request))})


urlpatterns = [
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("pages/", include("sessionkeeper.pages.urls")),
    path("gate/", gate),
    path("async_gate/", async_gate),
    path("facts/", facts),
]
pytestmark = [pytest.mark.django_db, pytest.mark.any_user, pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.impersonating"]
    settings.CSRF_FAILURE_VIEW = "sessionkeeper.csrf.failure"


@pytest.fixture
def victim(make_user):
    """A user with a session of their own."""
    user = make_user()
    client = TokenApi()
    assert client.log_in(user).status_code == 201
    return SimpleNamespace(
        user=user,
        client=client,
        session_id=client.whoami().json()["session"]["id"],
        swap={ACT_AS: user.get_username()},
    )


def is_unhurt(victim):
    """Whether the victim is still signed in, with the same password."""
    victim.user.refresh_from_db()
    return victim.client.whoami().status_code == 200 and victim.user.check_password(PASSWORD)


VERBS = {
    "sessions/revoke-others/": ("post", {}),
    "sessions/revoke-all/": ("post", {}),
    "sessions/{id}/": ("delete", {}),
    "reauthenticate/": ("post", {"password": PASSWORD}),
    "password/change/": ("post", {"current_password": PASSWORD, "new_password": "another " + PASSWORD}),
}


@pytest.mark.rule("R60")
@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_of_the_api_touches_the_other_user(either, victim, verb):
    method, body = VERBS[verb]
    before = contents.count()
    response = either.send(AUTH + verb.format(id=victim.session_id), body, method=method, headers=victim.swap)
    problem(response, 403, "user_mismatch")
    assert is_unhurt(victim)
    assert contents.count() == before
    assert either.whoami().status_code == 200


@pytest.mark.rule("R60")
@pytest.mark.parametrize("listed", ["sessions/", "sessions/history/"])
def test_no_list_of_the_api_shows_the_other_users_sessions(either, victim, listed):
    problem(either.get(AUTH + listed, headers=victim.swap), 403, "user_mismatch")
    assert either.get(AUTH + listed).status_code == 200


def test_who_asks_who_is_signed_in_is_told_of_the_other_user_but_of_no_session(either, victim):
    told = either.get(AUTH + "session/", headers=victim.swap).json()
    assert (told["user"]["username"], told["session"]) == (victim.user.get_username(), None)


PAGES = {
    "sessions/": None,
    "password/change/": None,
    "sessions/end-others/": {},
    "sessions/{id}/end/": {},
    "reauthenticate/": {"password": PASSWORD},
    "password/change/ ": {
        "current_password": PASSWORD,
        "new_password": "another " + PASSWORD,
        "again": "another " + PASSWORD,
    },
}


@pytest.mark.rule("R60")
@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_or_touches_the_other_users_sessions(signed_in, victim, page):
    address, form = "/pages/" + page.strip().format(id=victim.session_id), PAGES[page]
    headers = {**victim.swap, "X-CSRFToken": signed_in.token()}
    if form is None:
        response = signed_in.get(address, headers=headers)
    else:
        response = signed_in.post(address, form, headers=headers)
    problem(response, 403, "user_mismatch")
    assert is_unhurt(victim)


@pytest.mark.rule("R60")
def test_a_gate_of_the_site_does_not_open_on_the_proof_of_another(either, victim):
    assert either.get("/gate/").content == b"in"
    for view in ("gate", "async_gate"):
        problem(either.get(f"/{view}/", headers=victim.swap), 403, "user_mismatch")
    assert either.get("/facts/", headers=victim.swap).json() == {"recent": False, "proofs": []}


@pytest.mark.rule("R60")
def test_an_async_gate_asks_the_user_of_async_views_too(either, victim, settings, alice):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:-1], f"{__name__}.ForAsyncViewsOnly"]
    assert either.get("/async_gate/").content.decode() == alice.get_username()
    problem(either.get("/async_gate/", headers=victim.swap), 403, "user_mismatch")


def test_whoever_is_acted_as_signing_out_ends_the_own_session(either, victim):
    if either.transport == "cookie":
        response = either.send(AUTH + "logout/", headers=victim.swap)
        assert response.status_code == 204
        assert either.whoami().status_code == 401
    assert is_unhurt(victim)


@pytest.mark.rule("R60")
def test_the_own_code_of_a_site_is_refused_too(make_user, victim):
    request = RequestFactory().get("/")
    request.session, request.user = SessionStore(), make_user()
    flows.complete_log_in(request, make_user_with_backend(request.user), amr="pwd")
    request.user = victim.user
    for verb in (
        lambda: flows.revoke_others(request),
        lambda: flows.revoke_all(request),
        lambda: flows.revoke(request, keys.parse_id(victim.session_id)),
        lambda: flows.reauthenticate(request, {"password": PASSWORD}),
        lambda: flows.complete_reauthentication(request, amr="pwd"),
        lambda: flows.require_recent(request),
        lambda: passwords.change_password(request, current=PASSWORD, new="another " + PASSWORD),
    ):
        with pytest.raises(UserMismatch):
            verb()
    assert len(registry.list_for(victim.user)) == 1


def make_user_with_backend(user):
    """Return the user as ``authenticate()`` does."""
    user.backend = "django.contrib.auth.backends.ModelBackend"
    return user
