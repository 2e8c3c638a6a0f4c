"""Error reports: neither Django's debug page nor a tracker is sent a secret from the frames of our functions.

Nothing is listed here: what the functions are is found by watching them, so that a new one is under test too.
"""

from __future__ import annotations

import copy
import inspect
import re
import sys
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest
import sentry_sdk
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.db import SessionStore as OldStore
from django.core import mail
from django.core.signals import got_request_exception, request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection, transaction
from django.http import JsonResponse
from django.test import AsyncClient, AsyncRequestFactory, RequestFactory
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.debug import ExceptionReporter
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.serializer import serialize
from sentry_sdk.utils import event_from_exception

from sessionkeeper.auth import attempts, receivers
from sessionkeeper.core import keys
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores.database import shortcut
from sessionkeeper_client import Client, ProblemError
from tests.attacks import frames
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.rule("R59")]

NEW_PASSWORD = "another-staple-with-a-horse"
SECRET_KEY = "the-secret-key-of-this-site-that-derives-others"
OLD_SECRET_KEY = "the-secret-key-of-last-year-that-derives-others"
#: What other code hands these functions as text. Their first statement hides it, before anything can fail.
EDGES = frozenset(
    {
        "core.keys:Secret.__init__",
        "core.keys:Secret.of",
        "core.keys:parse",
        "core.keys:parse_bearer",
        "core.context:begin",  # Django's signal, with all headers
        "engine.session_store:SessionStore.__init__",
        "engine.session_store:SessionStore.exists",
        "engine.session_store:SessionStore.delete",
        "auth.backends:LockoutBackend.authenticate",
        "auth.backends:LockoutBackend.aauthenticate",
        "auth.backends:ModelBackend.authenticate",
        "auth.backends:ModelBackend.aauthenticate",
        "auth.passwords:_ResetForm.send_mail",
        "api.views.base:SecretText.run_validation",
        "pages.passwords:_Hidden.to_python",
        "pages.passwords:_Hidden.to_url",
        "stores.database.user_query:hash_of_password",
    }
)


def basket(request):
    request.session["basket"] = [*request.session.get("basket", []), request.GET.get("item")]
    return JsonResponse({"basket": request.session["basket"]})


async def me(request):
    return JsonResponse({"user": (await request.auser()).get_username()})


urlpatterns = [
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("auth/", include("sessionkeeper.pages.urls")),
    path("basket/", basket),
    path("me/", me),
]


class Traveller:
    """A person with a browser, a program with a token, and a list of all secrets that they have held."""

    def __init__(self, user):
        self.user = user
        self.browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
        self.token = None
        self.password = PASSWORD
        self.secrets = {
            "password": {PASSWORD, NEW_PASSWORD},
            "SECRET_KEY": {SECRET_KEY, OLD_SECRET_KEY},
            "session key": set(),
            "device cookie": set(),
            "CSRF secret": set(),
            "reset token": set(),
        }

    def note_key(self, text):
        key = keys.parse(text) or keys.parse_bearer(text)
        if key is not None:
            self.secrets["session key"] |= frames.forms_of(key)
        elif text:
            self.secrets["session key"].add(text)

    def _note_cookies(self):
        names = {
            django_settings.CSRF_COOKIE_NAME: "CSRF secret",
            attempts.cookie_name(): "device cookie",
        }
        for name, morsel in self.browser.cookies.items():
            if name == django_settings.SESSION_COOKIE_NAME:
                self.note_key(morsel.value)
            elif name in names and morsel.value:
                self.secrets[names[name]].add(morsel.value)

    def ask(self, method, path, body=None, *, form=False, **headers):
        """Send a request as the browser, with what it holds."""
        csrf = self.browser.cookies.get(django_settings.CSRF_COOKIE_NAME)
        own = {} if csrf is None or method == "get" else {"X-CSRFToken": csrf.value}
        kind = {} if form or method == "get" else {"content_type": "application/json"}
        response = getattr(self.browser, method)(path, body or {}, headers={**own, **headers}, **kind)
        self._note_cookies()
        return response

    def ask_as_program(self, method, path, body=None):
        """Send a request as the program."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        program = Browser(raise_request_exception=False)
        return getattr(program, method)(path, body or {}, content_type="application/json", headers=headers)


def sign_in(someone):
    someone.ask("get", "/api/auth/csrf/")
    body = {"username": someone.user.get_username(), "password": someone.password}
    return someone.ask("post", "/api/auth/login/", body)


def look_around(someone):
    someone.ask("get", "/basket/?item=egg")
    someone.ask("get", "/me/")
    someone.ask("get", "/api/auth/session/")
    someone.ask("get", "/api/auth/sessions/")
    return someone.ask("get", "/api/auth/sessions/history/")


def guess(someone):
    body = {"username": someone.user.get_username(), "password": NEW_PASSWORD}
    return someone.ask("post", "/api/auth/login/", body)


def reauthenticate(someone):
    return someone.ask("post", "/api/auth/reauthenticate/", {"password": someone.password})


def change_password(someone):
    old, new = someone.password, NEW_PASSWORD if someone.password == PASSWORD else PASSWORD
    body = {"current_password": old, "new_password": new}
    response = someone.ask("post", "/api/auth/password/change/", body)
    if response.status_code == 204:
        someone.password = new
    return response


def end_sessions(someone):
    other = Traveller(someone.user)
    other.password = someone.password
    sign_in(other)
    someone.ask("get", "/auth/sessions/")
    response = someone.ask("post", "/api/auth/sessions/revoke-others/")
    someone.secrets["session key"] |= other.secrets["session key"]
    return response


def use_token(someone):
    body = {"username": someone.user.get_username(), "password": someone.password, "scopes": None}
    response = someone.ask_as_program("post", "/api/auth/tokens/", body)
    if response.status_code == 201:
        someone.token = response.json()["token"]
        someone.note_key(someone.token)
    someone.ask_as_program("get", "/api/auth/session/")
    someone.ask_as_program("get", "/basket/?item=ham")
    response = someone.ask_as_program("post", "/api/auth/reauthenticate/", {"password": someone.password})
    someone.ask_as_program("post", "/api/auth/logout/")
    someone.token = None
    return response


def walk_through_pages(someone):
    someone.ask("get", "/auth/login/")
    body = {"username": someone.user.get_username(), "password": someone.password}
    someone.ask("post", "/auth/login/", body, form=True)
    someone.ask("post", "/auth/reauthenticate/", {"password": someone.password}, form=True)
    old, new = someone.password, NEW_PASSWORD if someone.password == PASSWORD else PASSWORD
    body = {"current_password": old, "new_password": new, "again": new}
    if someone.ask("post", "/auth/password/change/", body, form=True).status_code == 302:
        someone.password = new
    return someone.ask("post", "/auth/logout/", form=True)


def ask_for_mail(someone):
    mail.outbox.clear()
    response = someone.ask("post", "/api/auth/password/reset/", {"email": someone.user.email})
    receivers.wait()
    for message in mail.outbox:
        someone.secrets["reset token"] |= set(re.findall(r"/reset/[^/]+/([^/\s]+)/", message.body))
    return response


def reset_token(someone):
    someone.user.refresh_from_db()
    token = default_token_generator.make_token(someone.user)
    someone.secrets["reset token"].add(token)
    return urlsafe_base64_encode(force_bytes(someone.user.pk)), token


def reset_by_api(someone):
    uid, token = reset_token(someone)
    new = NEW_PASSWORD if someone.password == PASSWORD else PASSWORD
    body = {"uid": uid, "token": token, "new_password": new}
    response = someone.ask("post", "/api/auth/password/reset/confirm/", body)
    if response.status_code == 204:
        someone.password = new
    return response


def reset_by_page(someone):
    uid, token = reset_token(someone)
    new = NEW_PASSWORD if someone.password == PASSWORD else PASSWORD
    shown = someone.ask("get", f"/auth/password/reset/{uid}/{token}/")
    where = shown["Location"] if shown.status_code == 302 else f"/auth/password/reset/{uid}/{token}/"
    someone.ask("get", where)
    response = someone.ask("post", where, {"new_password": new, "again": new}, form=True)
    if response.status_code == 302:
        someone.password = new
    return response


def bring_an_old_cookie(someone):
    old = OldStore()
    old["basket"] = ["from before"]
    old.save()
    someone.note_key(old.session_key)
    someone.browser.cookies[django_settings.SESSION_COOKIE_NAME] = old.session_key
    return someone.ask("get", "/basket/?item=tea")


def bring_several_cookies(someone):
    sign_in(someone)
    name = django_settings.SESSION_COOKIE_NAME
    live = someone.browser.cookies[name].value
    other = keys.rotate(keys.parse(live)).text
    someone.note_key(other)
    browser = Browser(raise_request_exception=False)
    return browser.get("/basket/?item=tea", headers={"Cookie": f"{name}={other}; {name}={live}"})


def bring_nonsense(someone):
    someone.note_key("not-a-key-but-perhaps-somebodys-password")
    browser = Browser(raise_request_exception=False)
    browser.cookies[django_settings.SESSION_COOKIE_NAME] = "not-a-key-but-perhaps-somebodys-password"
    return browser.get("/basket/?item=tea")


def send_broken_bodies(someone):
    password = PASSWORD.encode()
    for body in (
        b'{"password": "' + password + b'\xff"}',
        b'{"password": "' + password,
        b'"' + password + b'"',
    ):
        client = Browser(raise_request_exception=False)
        client.post("/api/auth/tokens/", body, content_type="application/json")
    client.post("/api/auth/tokens/", {"username": 7, "password": [PASSWORD]}, content_type="application/json")


async def in_a_loop(someone):
    browser = AsyncClient(raise_request_exception=False)
    browser.cookies.update(someone.browser.cookies)
    await browser.get("/me/")
    request = AsyncRequestFactory().get("/")
    return await aauthenticate(request, username=someone.user.get_username(), password=someone.password)


def authenticate_in_a_loop(someone):
    sign_in(someone)
    return async_to_sync(in_a_loop)(someone)


def use_the_engine(someone):
    session = SessionStore()
    session["basket"] = ["of code"]
    session.save()
    someone.note_key(session.session_key)
    again = SessionStore(session.session_key)
    again.exists(session.session_key)
    again.cycle_key()
    someone.note_key(again.session_key)
    again.save()
    again.delete(again.session_key)
    authenticate(RequestFactory().get("/"), username=someone.user.get_username(), password=someone.password)


STEPS = (
    sign_in,
    look_around,
    guess,
    reauthenticate,
    end_sessions,
    change_password,
    use_token,
    walk_through_pages,
    ask_for_mail,
    reset_by_api,
    reset_by_page,
    bring_an_old_cookie,
    bring_several_cookies,
    bring_nonsense,
    send_broken_bodies,
    authenticate_in_a_loop,
    use_the_engine,
)
MODERATE = {"ADOPT": "django.contrib.sessions.backends.db", "COOKIE_PARTITIONED": True}
RENEWING = {**MODERATE, "ROTATE_AFTER": timedelta(seconds=0.001), "ROTATE_OVERLAP": 60}


@pytest.fixture
def someone(make_user, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = SECRET_KEY, [OLD_SECRET_KEY]
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    return Traveller(make_user())


@pytest.mark.parametrize("options", [MODERATE, RENEWING], ids=["", "renewing"])
def test_no_line_of_ours_has_a_secret_in_its_locals(someone, settings, options):
    settings.SESSIONKEEPER = options
    with frames.watched(frames.Watcher(EDGES)) as watcher:
        for step in STEPS:
            step(someone)
    assert len(watcher.functions) > 200
    assert len(someone.secrets["session key"]) > 20
    shown = watcher.found(someone.secrets)
    assert not shown, "\n".join(["", *shown])


EDGES_OF_THE_CLIENT = {
    "sessionkeeper_client.secret:Secret.__init__",
    "sessionkeeper_client.base:BaseClient.__init__",
    "sessionkeeper_client.protocol:Conversation.__init__",
    *(
        f"sessionkeeper_client.client:Client.{name}"
        for name in ("login", "reauthenticate", "request", "post")
    ),
}


@pytest.fixture
def _connections_stay():
    """As in Django's test client: the test has a transaction on the connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("_connections_stay")
@pytest.mark.parametrize("transport", ["cookie", "bearer"])
def test_no_line_of_the_client_has_a_secret_in_its_locals(someone, tmp_path, transport):
    someone.secrets.pop("SECRET_KEY")
    web = {"transport": httpx.WSGITransport(app=get_wsgi_application())}
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    with frames.watched(frames.Watcher(EDGES | EDGES_OF_THE_CLIENT)) as watcher:
        for _ in range(2):
            made = {"transport": transport, "file": tmp_path / "session", "http_options": web}
            with Client("https://testserver", **made) as client:
                client.login(someone.user.get_username(), someone.password)
                someone.note_key(client.token)
                for cookie in client._talk.jar:
                    someone.note_key(cookie.value)
                    someone.secrets["CSRF secret"].add(cookie.value)
                client.reauthenticate(someone.password)
                client.whoami()
            with Client("https://testserver", **made) as client:
                client.get("/basket/?item=egg")
                client.sessions()
                with suppress(ProblemError):
                    client.post("/api/auth/password/change/", json=change)
                    someone.password = NEW_PASSWORD
                if client.token:
                    Client("https://testserver", token=client.token, http_options=web).close()
    assert someone.password == NEW_PASSWORD
    assert len(someone.secrets["session key"]) > 4
    shown = watcher.found(someone.secrets)
    assert not shown, "\n".join(["", *shown])


@pytest.mark.rule("R06")
def test_no_statement_has_a_secret_as_a_parameter(someone, settings):
    """They are in the log of queries, and in the exceptions of some drivers."""
    settings.SESSIONKEEPER = RENEWING
    with CaptureQueriesContext(connection) as queries:
        for step in set(STEPS) - {bring_an_old_cookie}:  # whose key is in Django's table
            step(someone)
    text = "\n".join(query["sql"] for query in queries)
    assert len(queries) > 100
    assert not [kind for kind, forms in someone.secrets.items() if any(form in text for form in forms)]


# What is sent of a fault: Django's page, which goes to the administrators by mail, and a tracker's event.


class FaultError(Exception):
    """Something that no code expects, at any place."""


class Fault:
    """Raises as one function that is reached in a step returns, when its locals are all there.

    In a generator at its first line, since what "returns" there goes on afterwards.
    """

    def __init__(self, name):
        self.name = name

    def trace(self, frame, event, _):
        """For ``sys.settrace``."""
        return self._raise if frames.name_of(frame.f_code) == self.name else None

    def _raise(self, frame, event, _):
        is_generator = frame.f_code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE)
        is_handed_over = self.name in EDGES and frames.hides(frame)
        if event == ("line" if is_generator else "return") and not is_handed_over:
            raise FaultError
        return self._raise


class OfOurs(ExceptionReporter):
    """Django's report with our frames only: others have what the request itself was made of."""

    def get_traceback_frames(self):
        """Leave out all other frames."""
        return [one for one in super().get_traceback_frames() if frames.is_ours(one["filename"])]


def sent_to_a_tracker(error):
    """Return what Sentry's SDK sends of an exception, with its defaults, and no frames of others."""
    options = sentry_sdk.Client(default_integrations=False).options
    event, _ = event_from_exception(error, client_options=options)
    EventScrubber().scrub_event(event)
    for one in event["exception"]["values"]:
        stack = one["stacktrace"]["frames"]
        one["stacktrace"]["frames"] = [each for each in stack if frames.is_ours(each["abs_path"])]
    return str(serialize(event))


def reports_of(step, someone, name):
    """Raise in one function during a step, and return all reports."""
    reports = []

    def report(request=None, **_):
        kind, error, traceback = sys.exc_info()
        if request is not None:
            request.META.pop("CSRF_COOKIE", None)  # Django's own note, which its report shows
        # What Django's template shows; to render it each time would take a minute.
        reports.append(str(OfOurs(request, kind, error, traceback).get_traceback_data()))
        reports.append(sent_to_a_tracker(error))

    got_request_exception.connect(report)
    before = sys.gettrace(), someone.password
    try:
        with transaction.atomic():
            sys.settrace(Fault(name).trace)
            try:
                step(someone)
            except Exception:  # noqa: BLE001 - also what was made of it
                report()
            sys.settrace(before[0])
            transaction.set_rollback(True)
    finally:
        sys.settrace(before[0])
        got_request_exception.disconnect(report)
        shortcut.turn_on()
        someone.password = before[1]
    return reports


def functions_of(step, someone):
    """Return the functions of ours that are entered in a step."""
    found, before = set(), sys.getprofile()
    sys.setprofile(lambda frame, event, _: found.add(frames.name_of(frame.f_code)))
    try:
        step(someone)
    finally:
        sys.setprofile(before)
    return sorted(found - {None})


OF_REPORTS = (sign_in, reauthenticate, change_password, use_token, reset_by_api)


def test_no_report_of_a_fault_anywhere_has_a_secret(someone, settings):
    settings.SESSIONKEEPER = MODERATE
    done, number = set(), 0
    for step in OF_REPORTS:
        sign_in(someone)
        cookies = copy.deepcopy(someone.browser.cookies)
        for name in functions_of(step, someone):
            if name in done:
                continue
            done.add(name)
            someone.browser.cookies = copy.deepcopy(cookies)
            for report in reports_of(step, someone, name):
                number += 1
                for kind, forms in someone.secrets.items():
                    assert not any(form in report for form in forms), (kind, step.__name__, name)
    assert number > 300
