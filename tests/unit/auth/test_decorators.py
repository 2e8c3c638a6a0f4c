"""Views that ask for a recent proof, of one factor or of two: Django's and DRF's, sync and async."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.decorators import api_view
from rest_framework.views import APIView

from sessionkeeper.auth import flows
from sessionkeeper.auth.decorators import require_recent_authentication
from sessionkeeper.core import records
from sessionkeeper.core.records import SessionPatch
from sessionkeeper.engine import registry
from sessionkeeper.engine.session_data import EARLIER, PROOF_IS_VOID
from sessionkeeper.stores.factory import get_store
from tests import contents

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls(__name__)]
MINUTE = timedelta(minutes=1)

fresh = require_recent_authentication(within=timedelta(minutes=5))
strong = require_recent_authentication(within=timedelta(minutes=5), level=2)


def sign_in(request):
    user = auth.get_user_model()._default_manager.get(pk=request.GET["pk"])
    request.session.client.amr = request.GET["amr"]
    auth.login(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


@fresh
def sync_view(request):
    return HttpResponse("in")


@fresh
async def async_view(request):
    return HttpResponse("in")


@api_view()
@fresh
def drf_function(request):
    return HttpResponse("in")


class DrfClass(APIView):
    @fresh
    def get(self, request):
        return HttpResponse("in")


@method_decorator(fresh, name="dispatch")
class DjangoClass(View):
    def get(self, request):
        return HttpResponse("in")


@strong
def strong_view(request):
    return HttpResponse("in")


def step_up(request):
    for amr in request.GET.getlist("amr"):
        flows.complete_reauthentication(request, amr=amr)
    return JsonResponse({"level_2": flows.is_recent(request, timedelta(minutes=5), 2)})


def proofs(request):
    now = registry.now()
    return JsonResponse({name: round((now - at) / MINUTE) for name, at in flows.proofs(request).items()})


FRESH = ["sync", "async", "drf", "drf_class", "class"]
urlpatterns = [
    path("sign_in/", sign_in),
    path("sync/", sync_view),
    path("async/", async_view),
    path("drf/", drf_function),
    path("drf_class/", DrfClass.as_view()),
    path("class/", DjangoClass.as_view()),
    path("strong/", strong_view),
    path("step_up/", step_up),
    path("proofs/", proofs),
]


@pytest.fixture(params=["sync", "async"])
def get(request):
    """A function that sends a request over one of Django's handlers."""
    client = {"sync": Client, "async": AsyncClient}[request.param]()
    call = client.get if request.param == "sync" else async_to_sync(client.get)
    return lambda url, **data: call(url, data, headers={"Accept": "application/json"})


def pass_time(**duration):
    """Let the last proof be older."""
    contents.set_back("authenticated_at", **duration)


@pytest.mark.rule("R30")
@pytest.mark.parametrize("view", FRESH)
def test_a_view_opens_to_a_recent_proof_and_to_no_older_one(get, make_user, view):
    assert get(f"/{view}/").status_code == 403
    get("/sign_in/", pk=str(make_user().pk), amr="pwd")
    pass_time(minutes=4)
    assert get(f"/{view}/").content == b"in"
    pass_time(minutes=2)
    response = get(f"/{view}/")
    assert (response.status_code, response.json()["code"]) == (403, "reauthentication_required")


@pytest.mark.rule("R31")
@pytest.mark.parametrize(
    ("amr", "status"),
    [("pwd", 403), ("pwd pin", 403), ("", 403), ("pwd otp", 200), ("mfa", 200), ("x y", 403)],
)
def test_a_view_that_asks_for_two_factors_is_closed_to_one(get, make_user, amr, status):
    get("/sign_in/", pk=str(make_user().pk), amr=amr)
    assert get("/strong/").status_code == status


@pytest.mark.rule("R31")
def test_a_later_proof_of_one_factor_is_one_factor(get, make_user):
    user = make_user()
    get("/sign_in/", pk=str(user.pk), amr="pwd otp")
    get("/sign_in/", pk=str(user.pk), amr="pwd")
    assert get("/strong/").status_code == 403
    assert contents.record().amr == "pwd"


def pass_more_time(**duration):
    """Let all proofs be older."""
    pass_time(**duration)
    store, record, data = get_store(), contents.record(), contents.data()
    for name, text in data.get(EARLIER, {}).items():
        data[EARLIER][name] = (datetime.fromisoformat(text) - timedelta(**duration)).isoformat()
    store.merge(record.id, record.secret_hash, SessionPatch(patch=json.dumps(data)), None)


@pytest.mark.rule("R31")
def test_each_method_has_its_own_time_and_counts_as_long_as_it_is_recent(get, make_user):
    get("/sign_in/", pk=str(make_user().pk), amr="pwd")
    pass_more_time(minutes=3)
    assert get("/step_up/", amr="otp").json() == {"level_2": True}
    assert get("/proofs/").json() == {"pwd": 3, "otp": 0}
    assert get("/strong/").status_code == 200
    pass_more_time(minutes=3)
    assert get("/strong/").status_code == 403  # the code is recent, the password is not any more
    assert get("/sync/").status_code == 200
    assert get("/step_up/", amr="pwd").json() == {"level_2": True}
    assert get("/proofs/").json() == {"pwd": 0, "otp": 3}
    pass_more_time(minutes=3)
    assert get("/strong/").status_code == 403
    assert get("/step_up/", amr="pwd").json() == {"level_2": False}
    assert contents.record().amr == "pwd"


@pytest.mark.rule("R31")
def test_two_proofs_in_one_request_are_two(get, make_user):
    get("/sign_in/", pk=str(make_user().pk), amr="")
    assert get("/proofs/").json() == {}
    assert get("/step_up/", amr=["pwd", "otp"]).json() == {"level_2": True}


@pytest.mark.rule("R31")
def test_a_sign_in_a_void_proof_and_foreign_data_leave_no_earlier_proof(get, make_user):
    user, others = make_user(), make_user()
    for pk in (user.pk, others.pk, user.pk):
        get("/sign_in/", pk=str(pk), amr="pwd")
        assert get("/proofs/").json() == {"pwd": 0}
        get("/step_up/", amr="otp")
    write(PROOF_IS_VOID, True)
    assert get("/proofs/").json() == {}
    assert get("/step_up/", amr="pwd").json() == {"level_2": False}
    tomorrow = (registry.now() + timedelta(days=1)).isoformat()
    for foreign in ("x", {"otp": 7}, {"otp": "soon"}, {"otp": tomorrow}, {"otp": "2026-01-01T00:00:00"}):
        write(EARLIER, foreign)
        assert get("/strong/").status_code == 403


def write(name, value):
    """Put this into the stored data."""
    record = contents.record()
    get_store().merge(record.id, record.secret_hash, SessionPatch(patch=json.dumps({name: value})), None)


@pytest.mark.parametrize(
    ("amr", "level"), [("", 0), ("pwd", 1), ("hwk", 1), ("pwd hwk fpt", 2), ("mfa", 2), ("unknown", 0)]
)
def test_a_level_counts_kinds_of_factors(amr, level):
    assert records.level_of(amr) == level
