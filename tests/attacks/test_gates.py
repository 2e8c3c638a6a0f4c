"""Gates that ask for a recent proof: they open to the user who was verified, not to what the session says."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import api_view, permission_classes
from rest_framework.views import APIView

from sessionkeeper.api import HasScope, RecentlyAuthenticated, SessionAuthentication, TokenAuthentication
from sessionkeeper.auth import flows
from sessionkeeper.auth.decorators import require_recent_authentication
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import Api, TokenApi

fresh = require_recent_authentication(within=timedelta(minutes=5))


@fresh
def sync_view(request):
    return HttpResponse("in")


@fresh
async def async_view(request):
    return HttpResponse("in")


@method_decorator(fresh, name="dispatch")
class DjangoClass(View):
    def get(self, request):
        return HttpResponse("in")


@method_decorator(fresh, name="dispatch")
class AsyncClass(View):
    async def get(self, request):
        return HttpResponse("in")


@api_view()
@permission_classes([])
@fresh
def drf_function(request):
    return HttpResponse("in")


class DrfClass(APIView):
    permission_classes = []

    @fresh
    def get(self, request):
        return HttpResponse("in")


class DrfPermission(APIView):
    permission_classes = [RecentlyAuthenticated(within=timedelta(minutes=5))]

    def get(self, request):
        return HttpResponse("in")


class Somebody(BaseAuthentication):
    """A token of another package, of the user whom the header names."""

    def authenticate(self, request):
        name = request.headers.get("X-Somebody")
        return (get_user_model().objects.get_by_natural_key(name), None) if name else None


class Foreign(DrfClass):
    authentication_classes = [Somebody, SessionAuthentication]


class ForScopes(DrfClass):
    """A view that takes tokens with scopes, and also asks for a recent proof."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [HasScope("notes")]


class GateBeforeTheUserIsKnown(APIView):
    authentication_classes = [Somebody]
    permission_classes = []

    @method_decorator(fresh)
    def dispatch(self, *args, **kwargs):
        return super().dispatch(*args, **kwargs)

    def get(self, request):
        return HttpResponse("in")


def facts(request):
    """What a view of the project's own may ask."""
    return JsonResponse(
        {
            "recent": flows.is_recent(request),
            "level": flows.is_recent(request, level=1),
            "proofs": list(flows.proofs(request)),
        }
    )


def prove(request):
    flows.complete_reauthentication(request, amr="pwd")
    return HttpResponse("proven")


def who(request):
    return HttpResponse(request.user.get_username())


async def awho(request):
    return HttpResponse((await request.auser()).get_username())


VIEWS = ["sync", "async", "class", "async_class", "drf", "drf_class", "drf_permission"]
urlpatterns = [
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("sync/", sync_view),
    path("async/", async_view),
    path("class/", DjangoClass.as_view()),
    path("async_class/", AsyncClass.as_view()),
    path("drf/", drf_function),
    path("drf_class/", DrfClass.as_view()),
    path("drf_permission/", DrfPermission.as_view()),
    path("foreign/", Foreign.as_view()),
    path("scopes/", ForScopes.as_view()),
    path("before/", GateBeforeTheUserIsKnown.as_view()),
    path("facts/", facts),
    path("prove/", prove),
    path("who/", who),
    path("awho/", awho),
]

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]
NOTHING = {"recent": False, "level": False, "proofs": []}


@pytest.fixture(params=["sync", "async"])
def get(request):
    """A function that sends a request over one of Django's handlers, with the cookies of a client."""
    client = {"sync": Client, "async": AsyncClient}[request.param]()
    call = client.get if request.param == "sync" else async_to_sync(client.get)

    def send(url, of, **headers):
        client.cookies = of.cookies
        if getattr(of, "bearer", None):
            headers["Authorization"] = f"Bearer {of.bearer}"
        return call(url, headers={"Accept": "application/json", **headers})

    return send


def refused(response):
    """Return whether a gate refused the request."""
    return response.status_code in {401, 403} and response.content != b"in"


@pytest.mark.rule("R60")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scopes", [[], ["notes"]])
def test_no_gate_opens_to_a_token_with_scopes(get, alice, view, scopes):
    program = TokenApi()
    assert program.log_in(alice, scopes=scopes).status_code == 201
    assert refused(get(f"/{view}/", program))
    assert get("/facts/", program).json() == NOTHING
    whole = TokenApi()
    assert whole.log_in(alice).status_code == 201
    if not view.startswith("drf"):  # these views of REST framework read cookies only
        assert get(f"/{view}/", whole).content == b"in"


@pytest.mark.rule("R60")
def test_a_view_that_asks_for_the_scope_opens_to_its_recent_token_only(get, alice):
    allowed, other = TokenApi(), TokenApi()
    assert allowed.log_in(alice, scopes=["notes"]).status_code == 201
    assert other.log_in(alice, scopes=["other"]).status_code == 201
    assert get("/scopes/", allowed).content == b"in"
    assert refused(get("/scopes/", other))
    contents.set_back("authenticated_at", minutes=6)
    assert refused(get("/scopes/", allowed))


CHANGES = {
    "disabled": {"is_active": False},
    "another password": {"password": make_password("another " + PASSWORD)},
}


@pytest.mark.rule("R60")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("view", VIEWS)
def test_no_gate_opens_to_a_user_who_changed_behind_djangos_back(get, signed_in, alice, view, change):
    assert get(f"/{view}/", signed_in).content == b"in"
    get_user_model().objects.filter(pk=alice.pk).update(**CHANGES[change])
    assert refused(get(f"/{view}/", signed_in))


@pytest.mark.rule("R60")
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_view_asks_is_answered_for_the_verified_user(get, signed_in, alice, change):
    assert get("/facts/", signed_in).json() == {"recent": True, "level": True, "proofs": ["pwd"]}
    get_user_model().objects.filter(pk=alice.pk).update(**CHANGES[change])
    assert get("/facts/", signed_in).json() == NOTHING


@pytest.mark.rule("R60")
@pytest.mark.parametrize("change", CHANGES)
def test_a_user_who_changed_behind_djangos_back_proves_nothing(signed_in, alice, change):
    before = contents.record().authenticated_at
    get_user_model().objects.filter(pk=alice.pk).update(**CHANGES[change])
    signed_in.raise_request_exception = False
    assert signed_in.get("/prove/").status_code != 200
    assert [record.authenticated_at for record in contents.records()] in ([], [before])


@pytest.mark.rule("R60")
def test_the_proof_of_one_user_is_not_that_of_another(get, signed_in, make_user):
    """A token of bob's with the fresh cookie of alice's."""
    bob = make_user()
    assert get("/foreign/", signed_in).content == b"in"
    assert refused(get("/foreign/", signed_in, **{"X-Somebody": bob.get_username()}))
    assert refused(get("/foreign/", Api(), **{"X-Somebody": bob.get_username()}))


@pytest.mark.rule("R60")
def test_a_gate_that_would_ask_before_rest_framework_knows_the_user_is_an_error(signed_in, make_user):
    with pytest.raises(ImproperlyConfigured, match="RecentlyAuthenticated"):
        signed_in.get("/before/", headers={"X-Somebody": make_user().get_username()})
    with pytest.raises(ImproperlyConfigured, match="RecentlyAuthenticated"):
        fresh(Foreign.as_view())


@pytest.mark.rule("R60")
def test_a_gate_without_a_user_on_the_request_is_closed():
    from sessionkeeper.engine.session_store import SessionStore

    request = HttpRequest()
    request.session = SessionStore()
    assert not flows.is_recent(request)
    assert json.dumps(flows.proofs(request)) == "{}"


@pytest.mark.rule("R60")
@pytest.mark.parametrize("whose", ["ours", "django's"])
def test_no_view_opens_to_a_token_with_scopes_whosever_the_middleware_is(get, alice, settings, whose):
    if whose == "django's":
        djangos = "django.contrib.auth.middleware.AuthenticationMiddleware"
        ours = "sessionkeeper.middleware.AuthenticationMiddleware"
        settings.MIDDLEWARE = [djangos if one == ours else one for one in settings.MIDDLEWARE]
    whole, part = TokenApi(), TokenApi()
    assert whole.log_in(alice).status_code == 201
    assert part.log_in(alice, scopes=["notes"]).status_code == 201
    for view in ("who", "awho"):
        assert get(f"/{view}/", whole).content.decode() == alice.get_username()
        assert get(f"/{view}/", part).content == b""
    assert get("/scopes/", part).content == b"in"
