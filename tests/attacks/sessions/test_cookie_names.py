"""Names of cookies that only look like ours: Django strips more from them than a browser does."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from sessionkeeper.auth import attempts
from sessionkeeper.http import transports
from sessionkeeper.middleware.session import SessionMiddleware
from tests.unit.middleware.visiting import session_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

SESSION, CSRF = "__Host-sessionid", "__Host-csrftoken"
#: What ``str.strip()`` strips and browsers do not: they strip the space and the tab.
BLANKS = [chr(code) for code in range(0x11_0000) if chr(code).isspace() and chr(code) not in " \t"]
SAFE = "abcdefghijklmnopqrstuvwxyzABCDEF"


def cookies(request):
    return JsonResponse({"user": request.user.pk and str(request.user.pk), **request.COOKIES})


def change(request):
    return HttpResponse("changed")


def token(request):
    return HttpResponse(get_token(request))


urlpatterns = [path("cookies/", cookies), path("change/", change), path("token/", token)]


@pytest.fixture(autouse=True)
def prefixed(settings):
    """A site that does what a check asks for: a sibling host cannot set its cookies."""
    settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE = SESSION, True
    settings.CSRF_COOKIE_NAME, settings.CSRF_COOKIE_SECURE = CSRF, True
    settings.CSRF_FAILURE_VIEW = "sessionkeeper.csrf.failure"


def wsgi(raw, path="/cookies/", method="get"):
    """Send these bytes as the Cookie header, as a WSGI server passes them."""
    client = Client(enforce_csrf_checks=True)
    return getattr(client, method)(path, headers={"cookie": raw.decode("latin-1")})


class Wire(AsyncClient):
    """A client that sends the Cookie headers that a test names, and no other."""

    def __init__(self, *cookies):
        super().__init__(enforce_csrf_checks=True)
        self.sent = [(b"cookie", raw) for raw in cookies]

    def _base_scope(self, **request):
        scope = super()._base_scope(**request)
        return {**scope, "headers": [one for one in scope["headers"] if one[0] != b"cookie"] + self.sent}


def asgi(raw, path="/cookies/", method="get"):
    """The same by ASGI."""
    return async_to_sync(getattr(Wire(raw), method))(path)


def spellings(name):
    """The bytes of names that Django reads as ``name``, in the charsets in which it reads any."""
    for blank in BLANKS:
        for charset in ("utf-8", "latin-1"):
            try:
                around = blank.encode(charset)
            except UnicodeEncodeError:
                continue
            yield from (around + name.encode(), name.encode() + around, b" " + around + name.encode())


@pytest.fixture(params=[wsgi, asgi])
def ask(request):
    """How the request comes."""
    return request.param


@pytest.mark.rule("R58")
@pytest.mark.parametrize("others", ["", "a=b; ", "$Version=1; ", "=; ", "="], ids=repr)
def test_a_name_with_a_blank_of_python_is_not_ours(ask, make_user, others):
    planted = session_of(make_user())
    for spelled in spellings(SESSION):
        raw = others.encode() + spelled + b"=" + planted.encode()
        answer = ask(raw)
        assert answer.json()["user"] is None, raw
        assert SESSION not in answer.json(), raw
        assert not answer.cookies


@pytest.mark.rule("R58")
def test_it_does_not_hide_the_real_one_before_or_after_it(ask, make_user):
    user = make_user()
    real, planted = f"{SESSION}={session_of(user)}".encode(), session_of(make_user()).encode()
    for spelled in spellings(SESSION):
        for raw in (b"%s; %s=%s", b"%s;%s=%s"):
            assert ask(raw % (real, spelled, planted)).json()["user"] == str(user.pk)
        assert ask(b"%s=%s; %s" % (spelled, planted, real)).json()["user"] == str(user.pk)


@pytest.mark.rule("R58")
@pytest.mark.parametrize("name", [CSRF, f"{SESSION}-device-key"])
def test_the_other_cookies_of_ours_are_read_as_narrowly(ask, name):
    for spelled in spellings(name):
        assert name not in ask(spelled + b"=" + SAFE.encode()).json()
        raw = b"%s=right; %s=planted" % (name.encode(), spelled)
        assert ask(raw).json()[name] == "right"


@pytest.mark.rule("R58")
def test_a_planted_csrf_cookie_makes_no_pair_with_a_planted_token(ask):
    for spelled in spellings(CSRF):
        raw = spelled + b"=" + SAFE.encode()
        assert ask(raw, "/change/", "post").json()["code"] == "csrf_cookie_missing"
        answer = Client(enforce_csrf_checks=True).post(
            "/change/", headers={"cookie": raw.decode("latin-1"), "X-CSRFToken": SAFE}
        )
        assert answer.json()["code"] == "csrf_cookie_missing"


@pytest.mark.rule("R58")
@pytest.mark.parametrize(
    "raw",
    [
        '"{name}"={key}',
        "={name}={key}",
        "; ={name}={key}",
        "$Version=1, {name}={key}",
        "$Version=1; $Path=/; ${name}={key}",
        "{name}%20={key}",
        "{name}\\040={key}",
        "\xad{name}={key}",  # a soft hyphen
        "\ufeff{name}={key}",
        "\u200b{name}={key}",
        "a={key}, {name}",
        'a="b, {name}={key}"',
    ],
)
def test_what_is_no_blank_makes_another_name_anyway(ask, make_user, raw):
    sent = raw.format(name=SESSION, key=session_of(make_user())).encode()
    assert ask(sent).json()["user"] is None


@pytest.mark.rule("R58")
@pytest.mark.parametrize(
    "raw",
    [
        "{name}={key}",
        "a=b;{name}={key}",
        "a=b;  {name}={key} ; c",
        "\t{name}={key}",
        '{name}="{key}"',
        "a=\u2003; b=\u00e4\u00f6; {name}={key}; \u65e5\u672c=c",
        "\u2003=x; {name}={key}",
        "\u2003{name}x=y; {name}={key}",
    ],
)
def test_the_name_itself_is_ours_whatever_stands_beside_it(ask, make_user, raw):
    user = make_user()
    assert ask(raw.format(name=SESSION, key=session_of(user)).encode()).json()["user"] == str(user.pk)


@pytest.mark.rule("R58")
def test_several_headers_are_read_as_one(make_user):
    """HTTP/2 splits cookies into headers; Django joins those of ASGI."""
    user = make_user()
    planted = session_of(make_user())
    header = b"%s=%s" % (SESSION.encode(), session_of(user).encode())
    answer = async_to_sync(Wire(b"a=b", header, b"\xa0%s=%s" % (SESSION.encode(), planted.encode())).get)(
        "/cookies/"
    )
    # Before Django 6.1, they are joined by a comma, and none of them is ours.
    assert answer.json()["user"] in {str(user.pk), None}


@pytest.mark.rule("R58")
def test_of_several_with_the_right_name_the_last_counts_as_django_has_it(rf):
    raw = "\u2003a=planted; a=first; a=last; \u2003a=planted".encode().decode("latin-1")
    request = rf.get("/", headers={"cookie": raw})
    transports.drop_misspelled(request, ["a", "missing"])
    assert request.COOKIES == {"a": "last"}


@pytest.mark.rule("R58")
def test_a_value_that_was_set_in_this_process_is_believed(make_user):
    user, planted = make_user(), session_of(make_user())
    raw = f"\u2003{SESSION}={planted}".encode().decode("latin-1")
    for header in ({}, {"cookie": raw}):
        request = RequestFactory().get("/", headers=header)
        request.COOKIES[SESSION] = session_of(user)
        answer = SessionMiddleware(lambda request: HttpResponse(request.session["_auth_user_id"]))(request)
        assert answer.content.decode() == str(user.pk)


def test_a_cookie_that_was_taken_away_in_this_process_does_not_come_back(rf):
    request = rf.get("/", headers={"cookie": f"\xa0x=1; {SESSION}=key"})
    del request.COOKIES[SESSION]
    transports.drop_misspelled(request, [SESSION])
    assert SESSION not in request.COOKIES


def test_a_plain_header_is_not_taken_apart(make_user, monkeypatch):
    monkeypatch.delattr(transports, "drop_misspelled")
    user = make_user()
    assert wsgi(f"{SESSION}={session_of(user)}; a=b".encode()).json()["user"] == str(user.pk)
    assert attempts.cookie_name() == f"{SESSION}-device-key"
