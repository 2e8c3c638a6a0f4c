"""Where a request comes from: every combination of what browsers say, and of what they never would."""

from __future__ import annotations

import logging

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib import admin
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from hypothesis import example, given
from hypothesis import strategies as st
from rest_framework.authentication import SessionAuthentication as RestSessionAuthentication
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response

from sessionkeeper import csrf
from sessionkeeper.api.authentication import CheckedSessionAuthentication, SessionAuthentication
from sessionkeeper.csrf import problems as csrf_problems
from sessionkeeper.csrf.fetch_metadata import Verdict, check, is_trusted, judge, own_origin

UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "PROPFIND")
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
OWN, TOKEN = Verdict.OWN, Verdict.TOKEN
CROSS, SAME_SITE, CONTRADICTION = Verdict.CROSS_SITE, Verdict.SAME_SITE, Verdict.CONTRADICTION
PASSED, NO_COOKIE = "passed", "csrf_cookie_missing"
TRUSTED = ["https://app.example.org", "http://app.example.org", "https://*.partner.example"]

# Each row: what Sec-Fetch-Site says; then the verdict for each Origin. OTHER is foreign, OWN_SCHEME is this
# site's host under the other scheme.
ORIGINS = ("absent", "own", "null", "foreign", "trusted", "other scheme", "garbage")
TABLE = {
    None: (TOKEN, OWN, TOKEN, TOKEN, TOKEN, TOKEN, TOKEN),
    "same-origin": (OWN, OWN, TOKEN, CONTRADICTION, OWN, CONTRADICTION, CONTRADICTION),
    "same-site": (SAME_SITE, SAME_SITE, SAME_SITE, SAME_SITE, TOKEN, SAME_SITE, SAME_SITE),
    "cross-site": (CROSS, CROSS, CROSS, CROSS, TOKEN, CROSS, CROSS),
    **{
        unknown: (TOKEN,) * len(ORIGINS)
        for unknown in (
            "none",
            "",
            "Same-Origin",
            "same-origin, same-origin",
            "same-origin;x=1",
            "same-party",
        )
    },
}
ROWS = [
    (site, origin, verdict)
    for site, verdicts in TABLE.items()
    for origin, verdict in zip(ORIGINS, verdicts, strict=True)
]


def origin_header(kind, *, secure):
    """The header that a kind of origin sends to http(s)://testserver."""
    scheme, other = ("https", "http") if secure else ("http", "https")
    return {
        "absent": None,
        "own": f"{scheme}://testserver",
        "null": "null",
        "foreign": "https://evil.example",
        "trusted": f"{scheme}://app.example.org",
        "other scheme": f"{other}://testserver",
        "garbage": "http://[",
    }[kind]


def headers(site, origin):
    """Both headers, without those that are None."""
    return {
        name: value for name, value in {"Sec-Fetch-Site": site, "Origin": origin}.items() if value is not None
    }


def a_request(method="POST", *, secure=False, site=None, origin=None, **meta):
    """A request with these headers."""
    return RequestFactory().generic(method, "/", secure=secure, headers=headers(site, origin), **meta)


def plain(request):
    return HttpResponse(PASSED)


async def plain_async(request):
    return HttpResponse(PASSED)


def form(request):
    return HttpResponse(get_token(request))


def rest(authentication):
    """A view of REST framework with that authentication."""

    @api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
    @authentication_classes([authentication])
    def view(request):
        return Response(PASSED)

    return view


urlpatterns = [
    path("plain/", plain),
    path("async/", plain_async),
    path("form/", form),
    path("exempt/", csrf_exempt(plain)),
    path("protected/", csrf_exempt(csrf_protect(plain))),
    path("checked/", rest(CheckedSessionAuthentication)),
    path("rest/", rest(SessionAuthentication)),
    path("stock-rest/", rest(RestSessionAuthentication)),
    path("admin/", admin.site.urls),
]
pytestmark = [pytest.mark.urls(__name__)]


@pytest.fixture(autouse=True)
def project(settings):
    """A site with the middleware, our failure view, and two trusted origins."""
    settings.ALLOWED_HOSTS = ["testserver", "xn--bcher-kva.example", "[::1]"]
    settings.CSRF_TRUSTED_ORIGINS = TRUSTED
    settings.CSRF_FAILURE_VIEW = "sessionkeeper.csrf.failure"
    settings.MIDDLEWARE = [
        "sessionkeeper.middleware.SessionMiddleware",
        "sessionkeeper.csrf.FetchMetadataMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "sessionkeeper.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    return settings


@pytest.fixture
def client():
    """A client whose requests are checked."""
    return Client(enforce_csrf_checks=True)


@pytest.mark.rule("R27")
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("site", "origin", "verdict"), ROWS)
def test_an_unsafe_request_is_judged_by_the_table(site, origin, verdict, secure):
    for method in UNSAFE:
        request = a_request(method, secure=secure, site=site, origin=origin_header(origin, secure=secure))
        assert judge(request) is verdict
        assert (check(request) is None) is (verdict in {OWN, TOKEN})
        for mark in ("csrf_processing_done", "_dont_enforce_csrf_checks"):
            assert getattr(request, mark, False) is (verdict is OWN)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("site", "origin", "verdict"), ROWS)
def test_a_safe_request_is_not_judged(site, origin, verdict, secure):
    for method in SAFE:
        request = a_request(method, secure=secure, site=site, origin=origin_header(origin, secure=secure))
        assert check(request) is None
        assert not hasattr(request, "csrf_processing_done")


CODES = {CROSS: "csrf_cross_site", SAME_SITE: "csrf_same_site", CONTRADICTION: "csrf_origin_contradictory"}


def expected(site, origin, verdict, *, secure):
    """The code of the answer to a request without cookie and token."""
    if verdict is not TOKEN:
        return CODES.get(verdict, PASSED)
    if origin == "null":
        return "csrf_origin_hidden"
    if origin in {"foreign", "other scheme", "garbage"}:
        return "csrf_origin_untrusted"
    return "csrf_referer_missing" if secure and origin == "absent" else NO_COOKIE


@pytest.mark.rule("R27")
@pytest.mark.django_db
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("address", ["/plain/", "/checked/", "/async/"])
def test_a_view_and_an_endpoint_answer_every_row_of_the_table_alike(client, address, secure):
    for site, origin, verdict in ROWS:
        sent = headers(site, origin_header(origin, secure=secure))
        answer = client.post(address, secure=secure, headers=sent)
        want = expected(site, origin, verdict, secure=secure)
        if want == PASSED:
            assert answer.status_code == 200, (site, origin)
            continue
        assert answer.status_code == 403, (site, origin)
        assert answer.json()["code"] == want, (site, origin)
        details = {problem.code: str(problem.detail) for problem in csrf_problems.PROBLEMS}
        assert answer.json()["detail"].startswith(details[want])


@pytest.mark.django_db
async def test_it_answers_alike_in_the_event_loop():
    client = AsyncClient(enforce_csrf_checks=True)
    for sent, code in ((("same-origin", None), None), (("cross-site", None), "csrf_cross_site")):
        answer = await client.post("/async/", headers=headers(*sent))
        assert (answer.status_code, answer.json()["code"] if code else None) == (403 if code else 200, code)


def test_in_the_event_loop_it_takes_no_thread():
    async def get_response(request):
        return HttpResponse()

    assert iscoroutinefunction(csrf.FetchMetadataMiddleware(get_response).process_view)
    assert not iscoroutinefunction(csrf.FetchMetadataMiddleware(plain).process_view)


@pytest.mark.rule("R27")
@pytest.mark.django_db
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("address", ["/plain/", "/checked/"])
@pytest.mark.parametrize("origin", [None, "http://testserver", "https://evil.example", "null"])
def test_the_token_does_not_help_another_site(client, address, site, origin):
    token = client.get("/form/").content.decode()
    sent = {"X-CSRFToken": token, **headers(site, origin)}
    answer = client.post(address, headers=sent)
    assert answer.json()["code"] == CODES[CROSS if site == "cross-site" else SAME_SITE]


@pytest.mark.django_db
@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
@pytest.mark.parametrize("address", ["/plain/", "/checked/"])
@pytest.mark.parametrize("origin", ["http://app.example.org", "https://eu.partner.example"])
def test_a_trusted_origin_passes_with_the_token_and_not_without(client, address, site, origin):
    sent = headers(site, origin)
    token = client.get("/form/").content.decode()
    assert client.post(address, headers=sent).json()["code"] == "csrf_token_missing"
    assert client.post(address, headers={"X-CSRFToken": token, **sent}).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("site", ["none", "same-party", None])
@pytest.mark.parametrize("address", ["/plain/", "/checked/"])
def test_who_does_not_say_passes_with_the_token_and_not_without(client, address, site):
    token = client.get("/form/").content.decode()
    assert client.post(address, headers=headers(site, None)).json()["code"] == "csrf_token_missing"
    sent = {"X-CSRFToken": token, **headers(site, None)}
    assert client.post(address, headers=sent).status_code == 200


@pytest.mark.django_db
def test_passing_is_honoured_by_djangos_decorator_and_by_rest_frameworks_own_authentication(
    client, make_user
):
    client.force_login(make_user())
    for address in ("/protected/", "/stock-rest/", "/rest/"):
        assert client.post(address, headers=headers("same-origin", None)).status_code == 200, address
        assert client.post(address, headers=headers("cross-site", "https://evil.example")).status_code == 403
        assert client.post(address).status_code == 403, address


@pytest.mark.django_db
def test_passing_is_honoured_by_the_admin(client, make_user):
    user = make_user(is_staff=True, is_superuser=True)
    fields = {"username": user.get_username(), "password": "correct horse battery staple"}
    refused = client.post("/admin/login/", fields, headers=headers("cross-site", "https://evil.example"))
    assert refused.status_code == 403
    assert client.post("/admin/login/", fields).status_code == 403
    answer = client.post("/admin/login/?next=/plain/", fields, headers=headers("same-origin", None))
    assert answer.status_code == 302, answer.content


@pytest.mark.django_db
def test_an_exempt_view_stays_exempt(client):
    for site, origin, _ in ROWS:
        sent = headers(site, origin_header(origin, secure=False))
        assert client.post("/exempt/", headers=sent).content == PASSED.encode()


@pytest.mark.django_db
def test_our_authentication_needs_no_middleware_for_it(client, project):
    project.MIDDLEWARE = [path for path in project.MIDDLEWARE if "csrf" not in path]
    assert client.post("/checked/", headers=headers("same-origin", None)).status_code == 200
    refused = client.post("/checked/", headers=headers("cross-site", None))
    assert refused.json()["code"] == "csrf_cross_site"


@pytest.mark.django_db
def test_the_test_client_asks_for_no_check_as_ever():
    assert Client().post("/plain/", headers=headers("cross-site", "https://evil.example")).status_code == 200


def test_what_was_checked_before_is_not_judged_again():
    request = a_request(site="cross-site")
    request.csrf_processing_done = True
    assert check(request) is None


@pytest.mark.django_db
def test_the_csrf_cookie_is_set_and_kept_as_django_does(client):
    same = headers("same-origin", None)
    assert "csrftoken" not in client.post("/plain/", headers=same).cookies
    first = client.post("/form/", headers=same)
    assert first.cookies["csrftoken"].value
    second = client.post("/form/", headers=same)
    assert second.cookies["csrftoken"].value == first.cookies["csrftoken"].value


@pytest.mark.django_db
def test_tokens_kept_in_sessions_work_and_a_passing_request_reads_no_session(client, project):
    project.CSRF_USE_SESSIONS = True
    token = client.get("/form/").content.decode()
    assert client.post("/plain/").json()["code"] == "csrf_token_missing"
    assert client.post("/plain/", headers={"X-CSRFToken": token}).status_code == 200
    assert client.post("/plain/", headers=headers("same-origin", None)).status_code == 200


@pytest.mark.django_db
def test_a_refusal_is_logged_as_djangos_are_and_names_nothing_that_the_client_sent(client, caplog):
    with caplog.at_level(logging.WARNING, "django.security.csrf"):
        client.post("/plain/", headers=headers("cross-site", "https://evil.example"))
    assert [record.getMessage() for record in caplog.records] == [f"Forbidden ({CROSS.value}): /plain/"]


@pytest.mark.django_db
def test_a_person_gets_a_page_without_advice_that_cannot_help(client):
    sent = {"Accept": "text/html", **headers("cross-site", "https://evil.example")}
    answer = client.post("/plain/", headers=sent)
    assert answer["Content-Type"].startswith("text/html")
    assert "Another site asked for this" in answer.content.decode()
    assert "reload the page" not in answer.content.decode()
    assert "evil" not in answer.content.decode()


@pytest.mark.django_db
def test_the_projects_own_failure_view_is_asked(client, project):
    project.CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
    answer = client.post("/plain/", headers=headers("cross-site", None))
    assert answer.status_code == 403
    assert b"CSRF verification failed" in answer.content


# ---------------------------------------------------------------- the origin of this site


@pytest.mark.parametrize(
    ("secure", "host", "origin"),
    [
        (False, "testserver", "http://testserver"),
        (False, "testserver:80", "http://testserver"),
        (False, "testserver:443", "http://testserver:443"),
        (False, "testserver:8000", "http://testserver:8000"),
        (True, "testserver:443", "https://testserver"),
        (True, "testserver:80", "https://testserver:80"),
        (True, "TestServer", "https://testserver"),
        (True, "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        (False, "[::1]:8000", "http://[::1]:8000"),
        (False, "[::1]:80", "http://[::1]"),
        (True, "other.example", None),
        (True, "bücher.example", None),
        (True, "", None),
    ],
)
def test_the_own_origin_is_what_browsers_call_it(secure, host, origin):
    request = a_request(secure=secure, HTTP_HOST=host)
    assert own_origin(request) == origin
    if origin is not None:
        assert judge(a_request(secure=secure, origin=origin, HTTP_HOST=host)) is OWN


@pytest.mark.parametrize(
    "origin",
    [
        "http://testserver:8000",
        "http://testserver:80",
        "http://testserver.",
        "http://testserver/",
        "http://testserver.evil.example",
        "http://eviltestserver",
        "http://user@testserver",
        "http://testserver, http://testserver",
        "//testserver",
        "testserver",
        " http://testserver",
        "",
    ],
)
def test_an_origin_that_only_looks_like_this_one_is_another(origin):
    assert judge(a_request(origin=origin)) is TOKEN
    assert judge(a_request(site="same-origin", origin=origin)) is CONTRADICTION


def test_a_host_that_is_not_allowed_has_no_pages_of_its_own():
    for site in (None, "same-origin"):
        for origin in (None, "http://rebound.example"):
            assert judge(a_request(site=site, origin=origin, HTTP_HOST="rebound.example")) is TOKEN


def test_behind_a_proxy_the_site_is_what_djangos_settings_say(project):
    browser = {"origin": "https://testserver", "HTTP_HOST": "inside:8000"}
    proxy = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "testserver"}
    project.ALLOWED_HOSTS = ["testserver", "inside"]
    assert judge(a_request(site="same-origin", **browser, **proxy)) is CONTRADICTION
    project.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    project.USE_X_FORWARDED_HOST = True
    assert judge(a_request(site="same-origin", **browser, **proxy)) is OWN
    assert judge(a_request(**browser, **proxy)) is OWN


def test_a_proxy_that_django_does_not_see_through_can_be_named_in_the_trusted_origins(project):
    project.CSRF_TRUSTED_ORIGINS = ["https://testserver"]
    assert judge(a_request(site="same-origin", origin="https://testserver")) is OWN
    assert judge(a_request(site="cross-site", origin="https://testserver")) is TOKEN
    assert judge(a_request(origin="https://testserver")) is TOKEN


# ---------------------------------------------------------------- any bytes

_known = st.sampled_from(
    [
        "same-origin",
        "same-site",
        "cross-site",
        "none",
        "null",
        *TRUSTED,
        "https://a.partner.example",
        "http://[",
    ]
)
_value = st.none() | _known | st.text(st.characters(max_codepoint=255), max_size=40)


@given(site=_value, origin=_value, host=st.just("testserver") | st.text(st.characters(max_codepoint=255)))
@example(site="cross-site", origin="http://[", host="testserver")
@example(site="same-origin", origin="https://\u00e9", host="\u00e9")
def test_any_bytes_are_judged_and_nothing_passes_that_browsers_do_not_say(site, origin, host):
    request = a_request(HTTP_HOST=host)
    request.META.update(
        {
            name: value
            for name, value in {"HTTP_SEC_FETCH_SITE": site, "HTTP_ORIGIN": origin}.items()
            if value is not None
        }
    )
    verdict = judge(request)
    if verdict is OWN:
        assert site == "same-origin" or (site is None and origin.lower() == f"http://{host.lower()}")
    assert check(request) in {None, CROSS.value, SAME_SITE.value, CONTRADICTION.value}


@given(site=_value, origin=_value)
def test_any_bytes_are_answered(site, origin):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    sent = {"HTTP_SEC_FETCH_SITE": site, "HTTP_ORIGIN": origin}
    sent = {name: value for name, value in sent.items() if value is not None}
    assert client.post("/plain/", **sent).status_code in {200, 403}


@given(origin=_known | st.text(st.characters(max_codepoint=255), max_size=40))
@example("https://partner.example")
@example("https://app.partner.example:8443")
@example("http://a.partner.example")
@example("https://*.partner.example")
@example("https://A.Partner.Example")
def test_an_origin_is_trusted_exactly_when_django_trusts_it(origin):
    request = a_request(origin=None)
    request.META["HTTP_ORIGIN"] = origin
    django = CsrfViewMiddleware(plain)._origin_verified(request)
    assert (is_trusted(origin) or origin == "http://testserver") is django
