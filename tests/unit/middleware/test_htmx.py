"""What htmx asks for while nobody is signed in: the whole page is led to the login, not the fragment."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.test import AsyncClient, Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from hypothesis import given
from hypothesis import strategies as st

from sessionkeeper.auth.decorators import require_recent_authentication

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/inbox/?page=2#top"}


@login_required
def fragment(request):
    """Rows of a table."""
    return HttpResponse("<tr></tr>")


@login_required(redirect_field_name="after")
def renamed(request):
    """Say where to go afterwards in a field of its own."""
    return HttpResponse("<tr></tr>")


@login_required(login_url="https://sso.example/login?lang=en")
def elsewhere(request):
    """Sign in at another host."""
    return HttpResponse("<tr></tr>")


@login_required
async def afragment(request):
    """Rows in the event loop."""
    return HttpResponse("<tr></tr>")


@method_decorator(require_recent_authentication(), name="dispatch")
class Guarded(View):
    """Rows for those who proved the password just now."""

    def get(self, request):
        """Give them."""
        return HttpResponse("<tr></tr>")

    post = get


def moved(request):
    """Lead to another fragment, with a cookie."""
    response = redirect("/fragment/" if "on" in request.GET else "sessionkeeper-pages:login")
    response.set_cookie("theme", "dark")
    return response


urlpatterns = [
    path("fragment/", fragment),
    path("afragment/", afragment),
    path("renamed/", renamed),
    path("elsewhere/", elsewhere),
    path("guarded/", Guarded.as_view()),
    path("moved/", moved),
    path("auth/", include("sessionkeeper.pages.urls")),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def login_url(settings):
    """Sign in at our page."""
    settings.LOGIN_URL = "sessionkeeper-pages:login"


def ask(place, method="get", **headers):
    """Ask for a fragment; return the answer and where the page is led."""
    answer = getattr(Client(), method)(place, headers={**HTMX, **headers})
    return answer, answer.headers.get("HX-Redirect")


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_signed_out_fragment_leads_the_page_to_the_login_and_back(method):
    answer, target = ask("/fragment/?q=1", method)
    assert (answer.status_code, answer.content) == (200, b"")
    assert target == "/auth/login/?next=%2Finbox%2F%3Fpage%3D2"
    assert "Location" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store, private"
    assert "HX-Request" in answer.headers["Vary"]


async def test_in_the_event_loop_too():
    answer = await AsyncClient().get("/afragment/", headers=HTMX)
    assert answer.headers["HX-Redirect"] == "/auth/login/?next=%2Finbox%2F%3Fpage%3D2"


def test_a_page_is_redirected_as_ever():
    answer = Client().get("/fragment/")
    assert answer.url == "/auth/login/?next=/fragment/"
    assert "HX-Redirect" not in answer.headers


@pytest.mark.parametrize("mark", ["HX-Boosted", "HX-History-Restore-Request"])
def test_a_whole_page_that_htmx_asks_for_is_what_to_come_back_to(mark):
    assert ask("/fragment/", **{mark: "true"})[1] == "/auth/login/?next=/fragment/"


def test_the_field_that_says_where_to_go_may_have_another_name():
    assert ask("/renamed/")[1] == "/auth/login/?after=%2Finbox%2F%3Fpage%3D2"


def test_a_login_at_another_host_is_given_the_whole_address(settings):
    settings.LOGIN_URL = "https://sso.example/login"
    page = "http%3A%2F%2Ftestserver%2Finbox%2F%3Fpage%3D2"
    assert ask("/elsewhere/")[1] == f"https://sso.example/login?lang=en&next={page}"


@pytest.mark.parametrize(
    "page",
    [
        "",
        "https://evil.example/inbox/",
        "https://testserver/inbox/",
        "http://testserver:8000/inbox/",
        "http://testserver.evil.example/",
        "http://user@testserver/",
        "http://testserver//evil.example/",
        "http://testserver/\\evil.example",
        "http://[",
        "//testserver/inbox/",
        "/inbox/",
        "javascript:alert(1)",
    ],
)
def test_a_page_of_another_origin_is_none_to_come_back_to(page):
    assert ask("/fragment/", **{"HX-Current-URL": page})[1] == "/auth/login/"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_whatever_the_page_is_said_to_be_nobody_is_led_off_this_site(text):
    from django.test import RequestFactory

    from sessionkeeper.middleware.htmx import lead_out

    request = RequestFactory().get(
        "/fragment/", headers={**HTMX, "HX-Current-URL": f"http://testserver{text}"}
    )
    target = lead_out(request, HttpResponseRedirect("/auth/login/?next=/fragment/")).headers["HX-Redirect"]
    assert target.partition("?")[0] == "/auth/login/"
    for page in parse_qs(urlsplit(target).query).get("next", []):
        assert page.startswith("/")
        assert not page.startswith(("//", "/\\"))


def test_other_redirects_are_followed_inside_the_fragment():
    answer, target = ask("/moved/?on")
    assert (answer.status_code, answer.url, target) == (302, "/fragment/", None)


def test_what_else_the_answer_says_stays():
    answer, target = ask("/moved/")
    assert target == "/auth/login/"
    assert answer.cookies["theme"].value == "dark"


def test_our_pages_lead_out_of_a_fragment_too():
    assert ask("/auth/sessions/")[1] == "/auth/login/?next=%2Finbox%2F%3Fpage%3D2"


def test_a_fragment_that_asks_for_a_proof_leads_the_page_to_the_question():
    assert ask("/guarded/")[1] == "/auth/reauthenticate/?next=%2Finbox%2F%3Fpage%3D2"
    answer, target = ask("/guarded/", "post")  # what was typed stays on the page
    assert (answer.status_code, answer.json()["code"], target) == (403, "reauthentication_required", None)
