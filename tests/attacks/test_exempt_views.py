"""Views without a CSRF check: a page of another site gets no session there, and signs nobody in."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib import auth
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import SessionAuthentication as StockAuthentication
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response
from rest_framework.views import APIView

from sessionkeeper.models import LoginAttempt
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import TokenApi

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

DONE = []


@csrf_exempt
def sign_in(request):
    user = auth.authenticate(request, username=request.POST["username"], password=PASSWORD)
    auth.login(request, user)
    DONE.append("signed in")
    return HttpResponse("signed in")


@csrf_exempt
async def sign_in_async(request):
    user = await auth.aauthenticate(request, username=request.POST["username"], password=PASSWORD)
    await auth.alogin(request, user)
    DONE.append("signed in")
    return HttpResponse("signed in")


@method_decorator(csrf_exempt, name="dispatch")
class SignIn(View):
    def post(self, request):
        return sign_in(request)


class Rest(APIView):
    """As dj-rest-auth has it: the session authenticates, and a visitor is asked for no token."""

    authentication_classes = [StockAuthentication]

    def post(self, request):
        sign_in(request._request)
        return Response("signed in")


class OurRest(Rest):
    authentication_classes = []


@api_view(["POST"])
@authentication_classes([StockAuthentication])
def rest_user(request):
    return Response(str(request.user.pk))


@api_view(["POST"])
def our_rest_user(request):
    return Response(str(request.user.pk))


def opens(action):
    """A view that does this to the session."""

    @csrf_exempt
    def view(request):
        action(request)
        DONE.append("opened")
        return HttpResponse("opened")

    return view


def swallow(request):
    try:
        request.session["a"] = 1
    except PermissionDenied:
        return


async def read_async(request):
    await request.auser()


async def write_async(request):
    await request.session.aset("a", 1)


def opens_async(action):
    @csrf_exempt
    async def view(request):
        await action(request)
        DONE.append("opened")
        return HttpResponse("opened")

    return view


OPEN = {
    "user": opens(lambda request: request.user.is_authenticated),
    "read": opens(lambda request: request.session.get("a")),
    "write": opens(lambda request: request.session.__setitem__("a", 1)),
    "empty": opens(lambda request: (request.session.clear(), request.session.save())),
    "end": opens(lambda request: request.session.flush()),
    "sign out": opens(auth.logout),
    "begin": opens(lambda request: request.session.create()),
    "delete": opens(lambda request: request.session.delete()),
    "change the key": opens(lambda request: request.session.cycle_key()),
    "ask for the id": opens(lambda request: request.session.session_id),
    "ask for the expiry": opens(lambda request: request.session.get_expiry_age()),
    "user, async": opens_async(read_async),
    "write, async": opens_async(write_async),
    "end, async": opens_async(lambda request: request.session.aflush()),
    "sign out, async": opens_async(auth.alogout),
    "rest": rest_user,
    "our rest": our_rest_user,
}
SIGN_IN = {
    "plain": sign_in,
    "async": sign_in_async,
    "class": SignIn.as_view(),
    "rest": Rest.as_view(),
    "bare rest": OurRest.as_view(),
}


@csrf_exempt
def webhook(request):
    return HttpResponse(f"got {request.body.decode()}")


@csrf_exempt
def remember(request):
    request.session["basket"] = 1
    return HttpResponse("remembered")


@csrf_exempt
def who(request):
    return JsonResponse({"user": request.user.get_username()})


urlpatterns = [
    *[path(f"open/{name}/", view) for name, view in OPEN.items()],
    *[path(f"sign-in/{name}/", view) for name, view in SIGN_IN.items()],
    path("swallow/", opens(swallow)),
    path("webhook/", webhook),
    path("remember/", remember),
    path("who/", who),
    path("acs/", sign_in, name="acs"),
    path("other-acs/", SignIn.as_view()),
    path("named/", include(([path("acs/", Rest.as_view(), name="acs")], "idp"))),
    path("api/auth/", include("sessionkeeper.api.urls")),
]

FOREIGN = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "a sibling": {"Sec-Fetch-Site": "same-site", "Origin": "http://evil.testserver"},
    "no origin": {"Sec-Fetch-Site": "cross-site"},
    "a sandbox": {"Origin": "null"},
    "no fetch metadata": {"Origin": "https://evil.example"},
}
OWN = {
    "this site": {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"},
    "behind a proxy that hides the host": {
        "Sec-Fetch-Site": "same-origin",
        "Origin": "https://outside.example",
    },
    "this site, plain http": {"Origin": "http://testserver"},
    "a trusted site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"},
    "no browser": {},
}


@pytest.fixture(autouse=True)
def site(settings):
    """A site that trusts one other."""
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example"]
    DONE.clear()
    return settings


def replace(settings, old, new):
    settings.MIDDLEWARE = [name.replace(old, new) for name in settings.MIDDLEWARE]


class Victim:
    """A browser, by WSGI or ASGI."""

    def __init__(self, kind):
        self.client = {"wsgi": Client, "asgi": AsyncClient}[kind](enforce_csrf_checks=True)
        self.is_async = kind == "asgi"

    def post(self, url, data=None, **headers):
        post = async_to_sync(self.client.post) if self.is_async else self.client.post
        return post(url, data or {}, headers=headers)

    def sign_in(self, user):
        return self.post("/sign-in/plain/", {"username": user.get_username()}).status_code == 200

    @property
    def key(self):
        morsel = self.client.cookies.get("sessionid")
        return morsel.value if morsel else None

    @property
    def user(self):
        return self.post("/who/").json()["user"]


@pytest.fixture(params=["wsgi", "asgi"])
def victim(request):
    """A browser in which nobody is signed in."""
    return Victim(request.param)


def refused(answer):
    """Return the code of a refusal."""
    assert answer.status_code == 403, answer.content
    assert answer["Content-Type"].endswith("json")
    return answer.json()["code"]


@pytest.mark.rule("R62")
@pytest.mark.parametrize("door", SIGN_IN)
def test_another_site_signs_no_visitor_in_as_the_attacker(victim, make_user, door):
    mallory = make_user()
    for headers in FOREIGN.values():
        answer = victim.post(f"/sign-in/{door}/", {"username": mallory.get_username()}, **headers)
        assert refused(answer) == "cross_site_session"
        assert "sessionid" not in answer.cookies
        assert not contents.records()
        assert not DONE
    assert "CROSS_SITE_VIEWS" in answer.json()["detail"]


@pytest.mark.rule("R62")
@pytest.mark.parametrize("door", SIGN_IN)
def test_another_site_does_not_replace_who_is_signed_in(victim, make_user, door):
    alice, mallory = make_user(), make_user()
    assert victim.sign_in(alice)
    key = victim.key
    DONE.clear()
    for headers in FOREIGN.values():
        answer = victim.post(f"/sign-in/{door}/", {"username": mallory.get_username()}, **headers)
        assert refused(answer) == "cross_site_session"
    assert (victim.key, victim.user) == (key, alice.get_username())
    assert not DONE


@pytest.mark.rule("R62")
@pytest.mark.parametrize("what", OPEN)
def test_another_site_opens_no_session(victim, make_user, what):
    alice = make_user()
    assert victim.sign_in(alice)
    before, key = contents.record(), victim.key
    DONE.clear()
    for headers in FOREIGN.values():
        code = refused(victim.post(f"/open/{what}/", **headers))
        assert code == ("cross_site_session" if what != "our rest" else code)
        assert what != "our rest" or code.startswith("csrf_")
    assert not DONE
    assert contents.record() == before
    assert (victim.key, victim.user) == (key, alice.get_username())


@pytest.mark.rule("R62")
def test_a_view_that_goes_on_after_the_error_is_refused_too(victim, make_user):
    assert victim.sign_in(make_user())
    before = contents.record()
    assert refused(victim.post("/swallow/", **FOREIGN["another site"])) == "cross_site_session"
    assert contents.record() == before


@pytest.mark.rule("R62")
def test_an_error_page_that_asks_who_it_is_for_is_no_error(victim, make_user, site):
    site.CSRF_USE_SESSIONS = True  # Django's page for a 403 asks for the token
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    site.LOGIN_URL = "/acs/"
    victim.client.login(username=make_user().get_username(), password=PASSWORD)
    answer = victim.post("/webhook/", **FOREIGN["another site"])
    assert refused(answer) == "cross_site_session"


@pytest.mark.rule("R62")
@pytest.mark.parametrize("page", FOREIGN)
@pytest.mark.parametrize("with_cookie", [False, True])
def test_a_webhook_that_uses_no_session_goes_on(victim, make_user, page, with_cookie):
    assert not with_cookie or victim.sign_in(make_user())
    answer = victim.post("/webhook/", **FOREIGN[page])
    assert (answer.status_code, answer.content[:3]) == (200, b"got")


@pytest.mark.rule("R62")
@pytest.mark.parametrize("page", FOREIGN)
def test_without_a_session_to_open_everything_but_signing_in_goes_on(victim, page):
    for url in ("/who/", "/remember/", "/open/rest/", "/open/our rest/", "/open/sign out/"):
        assert victim.post(url, **FOREIGN[page]).status_code == 200, url
        victim.client.cookies.clear()


@pytest.mark.rule("R62")
@pytest.mark.parametrize("page", OWN)
@pytest.mark.parametrize("door", SIGN_IN)
def test_who_is_not_of_another_site_signs_in_as_ever(victim, make_user, page, door):
    alice, bob = make_user(), make_user()
    for user in (alice, bob):
        answer = victim.post(f"/sign-in/{door}/", {"username": user.get_username()}, **OWN[page])
        if door == "rest" and user is bob and page not in {"this site", "this site, plain http"}:
            assert answer.status_code == 403  # REST framework asks the signed-in for the token
            continue
        assert answer.status_code == 200, answer.content
        assert victim.user == user.get_username()


@pytest.mark.rule("R62")
def test_links_of_other_sites_lead_to_pages_as_ever(make_user):
    client = Client()
    alice = make_user()
    assert client.login(username=alice.get_username(), password=PASSWORD)
    for headers in FOREIGN.values():
        assert client.get("/who/", headers=headers).json() == {"user": alice.get_username()}


@pytest.mark.rule("R62")
def test_a_token_in_the_header_is_no_cookie(make_user):
    alice, program = make_user(), TokenApi()
    program.log_in(alice)
    for headers in FOREIGN.values():
        assert program.post("/who/", headers=headers).json() == {"user": alice.get_username()}


@pytest.mark.rule("R62")
@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("/acs/", f"{__name__}.sign_in"),
        ("/acs/", "acs"),
        ("/other-acs/", f"{__name__}.SignIn"),
        ("/named/acs/", "idp:acs"),
        ("/named/acs/", f"{__name__}.Rest"),
        ("/sign-in/bare rest/", f"{__name__}.Rest"),  # a subclass of it
    ],
)
def test_a_view_that_is_listed_takes_answers_of_an_identity_provider(victim, make_user, site, url, listed):
    site.SESSIONKEEPER = {"CROSS_SITE_VIEWS": [listed]}
    user = make_user()
    answer = victim.post(url, {"username": user.get_username()}, **FOREIGN["another site"])
    assert (answer.status_code, victim.user) == (200, user.get_username())
    other = victim.post("/sign-in/async/", {"username": user.get_username()}, **FOREIGN["another site"])
    assert refused(other) == "cross_site_session"


# Sites of other kinds


def reads_the_user_first(get_response):
    def middleware(request):
        request.user.is_authenticated  # noqa: B018 - makes it load
        request.session["visits"] = request.session.get("visits", 0) + 1
        response = get_response(request)
        response["X-User"] = str(request.user.pk)
        return response

    return middleware


@pytest.mark.rule("R62")
@pytest.mark.parametrize("stock", [False, True])
@pytest.mark.parametrize("what", OPEN)
def test_a_middleware_that_has_opened_it_before_opens_it_for_nobody_else(
    victim, make_user, site, what, stock
):
    if stock:
        replace(site, "sessionkeeper.middleware.Auth", "django.contrib.auth.middleware.Auth")
        replace(site, "sessionkeeper.middleware.Session", "django.contrib.sessions.middleware.Session")
    csrf = site.MIDDLEWARE.index("sessionkeeper.csrf.FetchMetadataMiddleware")
    users = next(name for name in site.MIDDLEWARE if name.endswith("AuthenticationMiddleware"))
    site.MIDDLEWARE = [
        *(name for name in site.MIDDLEWARE[:csrf]),
        users,
        f"{__name__}.reads_the_user_first",
        *(name for name in site.MIDDLEWARE[csrf:] if name != users),
    ]
    alice = make_user()
    assert victim.sign_in(alice)
    key = victim.key
    DONE.clear()
    answer = victim.post(f"/open/{what}/", **FOREIGN["another site"])
    assert refused(answer) in {"cross_site_session", "csrf_cross_site"}
    assert answer["X-User"] == str(alice.pk)
    assert not DONE
    assert (victim.key, victim.user) == (key, alice.get_username())
    assert victim.post("/webhook/", **FOREIGN["another site"]).status_code == 200
    assert contents.data()["visits"] > 1


@pytest.mark.rule("R62")
@pytest.mark.parametrize("every", [False, True])
def test_it_holds_on_djangos_middleware(victim, make_user, site, every):
    site.SESSION_SAVE_EVERY_REQUEST = every
    replace(site, "sessionkeeper.middleware.Auth", "django.contrib.auth.middleware.Auth")
    replace(site, "sessionkeeper.middleware.Session", "django.contrib.sessions.middleware.Session")
    alice, mallory = make_user(), make_user()
    body = {"username": mallory.get_username()}
    for door in SIGN_IN:
        assert (
            refused(victim.post(f"/sign-in/{door}/", body, **FOREIGN["another site"])) == "cross_site_session"
        )
    assert not contents.records()
    assert victim.sign_in(alice)
    for door in SIGN_IN:
        answer = victim.post(f"/sign-in/{door}/", body, **FOREIGN["another site"])
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_session")
    assert victim.user == alice.get_username()


@pytest.mark.rule("R62")
@pytest.mark.parametrize(
    "given",
    [
        {"SESSION_SAVE_EVERY_REQUEST": True},
        {"CSRF_USE_SESSIONS": True},
        {"SESSIONKEEPER": {"NEAR_CACHE": True}},
    ],
)
def test_it_holds_with_other_settings(make_user, site, given):
    for name, value in given.items():
        setattr(site, name, value)
    alice, mallory, victim = make_user(), make_user(), Victim("wsgi")
    assert victim.sign_in(alice)
    assert victim.user == alice.get_username()
    for url in ("/sign-in/plain/", "/open/user/", "/open/end/"):
        answer = victim.post(url, {"username": mallory.get_username()}, **FOREIGN["another site"])
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_session")
    assert victim.post("/webhook/", **FOREIGN["another site"]).status_code == 200
    assert victim.user == alice.get_username()


def test_sessions_of_another_engine_are_left_alone(make_user, site):
    site.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    replace(site, "sessionkeeper.middleware.Auth", "django.contrib.auth.middleware.Auth")
    replace(site, "sessionkeeper.middleware.Session", "django.contrib.sessions.middleware.Session")
    victim, user = Victim("wsgi"), make_user()
    answer = victim.post("/sign-in/plain/", {"username": user.get_username()}, **FOREIGN["another site"])
    assert answer.status_code == 200


def test_the_guess_in_a_refused_sign_in_is_counted(make_user, site):
    site.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    answer = Victim("wsgi").post(
        "/sign-in/plain/", {"username": make_user().get_username()}, **FOREIGN["a sandbox"]
    )
    assert refused(answer) == "cross_site_session"
    assert LoginAttempt.objects.exists()
