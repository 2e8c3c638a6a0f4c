"""W060: a view that checks a password and forgets to sign the user in is told so, under DEBUG."""

import sys
import types
from typing import ClassVar

import pytest
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import aauthenticate, alogin, authenticate, get_user_model, login
from django.contrib.auth.views import LoginView
from django.db.models.signals import post_init
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import clear_url_caches, path
from rest_framework.authentication import BasicAuthentication
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.views import APIView

from sessionkeeper.middleware import forgotten_login
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def credentials(request):
    model = get_user_model()
    name = request.GET.get("name", "")
    return {model.USERNAME_FIELD: name, "password": request.GET.get("password", PASSWORD)}


def forgets(request):
    authenticate(request, **credentials(request))
    return HttpResponse()


async def forgets_async(request):
    await aauthenticate(request, **credentials(request))
    return HttpResponse()


def remembers(request):
    login(request, authenticate(request, **credentials(request)))
    return HttpResponse()


async def remembers_async(request):
    await alogin(request, await aauthenticate(request, **credentials(request)))
    return HttpResponse()


def refuses(request):
    authenticate(request, **credentials(request))
    return HttpResponse(status=403)


def asks_for_more(request):
    request.session["pending"] = authenticate(request, **credentials(request)).pk
    return HttpResponse()


def proves_again(request):
    assert request.user.is_authenticated
    authenticate(request, **credentials(request))
    return HttpResponse()


def looks_at_users(request):
    return HttpResponse(str(len(get_user_model().objects.all())))


class Token(ObtainAuthToken):
    authentication_classes = ()

    def post(self, request):
        authenticate(request, **credentials(request))
        return HttpResponse()


class Plain(APIView):
    authentication_classes = ()

    def post(self, request):
        authenticate(request, **credentials(request))
        return HttpResponse()


class Basic(APIView):
    authentication_classes = (BasicAuthentication,)

    def get(self, request):
        return HttpResponse(str(request.user))


class StaffLogin(LoginView):
    authentication_form = AdminAuthenticationForm
    template_name = "admin/login.html"
    extra_context: ClassVar = {"site_header": ""}


VIEWS = (
    forgets,
    forgets_async,
    remembers,
    remembers_async,
    refuses,
    asks_for_more,
    proves_again,
    looks_at_users,
)


@pytest.fixture(autouse=True)
def routes(settings):
    """Each view under its own name, in a project under DEBUG that has named no view yet."""
    module = sys.modules["forgotten_urls"] = types.ModuleType("forgotten_urls")
    module.urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]
    module.urlpatterns += [path(f"{view.__name__}/", view.as_view()) for view in (Token, Plain, Basic)]
    module.urlpatterns += [path("admin/", admin.site.urls), path("own_login/", StaffLogin.as_view())]
    settings.ROOT_URLCONF, settings.DEBUG = "forgotten_urls", True
    clear_url_caches()
    forgotten_login._named.clear()
    yield
    clear_url_caches()
    del sys.modules["forgotten_urls"]


@pytest.fixture
def person(make_user):
    return make_user()


@pytest.fixture
def said(caplog):
    """A function: what the log has been told."""
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "sessionkeeper.forgotten"
    ]


def query(person):
    return {"name": person.get_username()}


def test_a_view_that_forgets_login_is_named_with_the_fix(person, said):
    Client().get("/forgets/", query(person))
    (text,) = said()
    assert f"{__name__}.forgets called authenticate()" in text
    assert "login(request, user)" in text
    assert "sessionkeeper.W060" in text


def test_each_view_is_named_once(person, said):
    for _ in range(3):
        Client().get("/forgets/", query(person))
    assert len(said()) == 1


@pytest.mark.django_db(transaction=True)
async def test_an_async_view_that_forgets_login_is_named(person, said):
    await AsyncClient().get("/forgets_async/", query(person))
    assert len(said()) == 1


@pytest.mark.django_db(transaction=True)
async def test_an_async_view_that_remembers_login_is_not_named(person, said):
    await AsyncClient().get("/remembers_async/", query(person))
    assert said() == []


def test_a_framework_view_that_forgets_login_is_named(person, said):
    Client().post(f"/Plain/?name={person.get_username()}")
    assert len(said()) == 1


@pytest.mark.parametrize("name", ["remembers", "refuses", "asks_for_more", "looks_at_users"])
def test_a_view_that_signs_in_or_has_a_reason_not_to_is_not_named(person, said, name):
    Client().get(f"/{name}/", query(person))
    assert said() == []


@pytest.mark.parametrize("url", ["/admin/login/", "/own_login/"])
def test_a_form_that_refuses_somebody_is_not_a_forgotten_login(person, said, url):
    """Django's admin checks the password of who is no staff, and shows its form again, with status 200."""
    form = {"username": person.get_username(), "password": PASSWORD}
    response = Client().post(url, form)
    assert response.status_code == 200
    assert response.context_data["form"].errors
    assert said() == []


def test_a_wrong_password_is_not_a_forgotten_login(person, said):
    Client().get("/forgets/", {**query(person), "password": "wrong"})
    assert said() == []


def test_proving_the_password_again_while_signed_in_is_not_a_forgotten_login(person, said):
    client = Client()
    client.force_login(person)
    client.get("/proves_again/", query(person))
    assert said() == []


def test_requests_that_prove_themselves_each_time_are_not_named(person, said):
    from base64 import b64encode

    header = b64encode(f"{person.get_username()}:{PASSWORD}".encode()).decode()
    response = Client().get("/Basic/", headers={"Authorization": f"Basic {header}"})
    assert response.content.decode() == str(person)
    assert said() == []


def test_views_that_hand_out_tokens_are_not_named(person, said):
    Client().post(f"/Token/?name={person.get_username()}")
    assert said() == []


def test_the_list_of_silenced_checks_silences_it(person, said, settings):
    settings.SILENCED_SYSTEM_CHECKS = ["sessionkeeper.W060"]
    Client().get("/forgets/", query(person))
    assert said() == []


def test_nothing_is_watched_without_debug(person, said, settings, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError

    settings.DEBUG = False
    monkeypatch.setattr(forgotten_login, "begin", never)
    monkeypatch.setattr(forgotten_login, "end", never)
    assert Client().get("/forgets/", query(person)).status_code == 200
    assert said() == []


def test_nothing_is_connected_before_the_first_request_under_debug():
    import subprocess

    code = (
        "import django; django.setup()\n"
        "from django.contrib.auth import get_user_model\n"
        "from django.db.models.signals import post_init\n"
        "assert not post_init.has_listeners(get_user_model())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_request_that_makes_very_many_users_keeps_only_some(person, monkeypatch):
    monkeypatch.setattr(forgotten_login, "MOST_USERS", 2)
    forgotten_login.begin()
    assert post_init.has_listeners(get_user_model())
    for _ in range(5):
        get_user_model().objects.get(pk=person.pk)
    assert len(forgotten_login._watch.get().users) == 2
    forgotten_login._watch.set(None)
