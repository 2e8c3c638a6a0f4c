"""The doctor: what it looks at, what it says of each, and its exit code."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
import trustme
from django.contrib.auth.models import AnonymousUser
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import override_settings
from django.utils import timezone

from sessionkeeper.core import keys
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.engine import registry
from sessionkeeper.management.doctor import deployment, http_probe, report
from sessionkeeper.models import Session
from sessionkeeper.stores.factory import get_store
from tests.stores import insert

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]

SAFE = {
    "DEBUG": False,
    "SECRET_KEY": "k" * 20 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "ALLOWED_HOSTS": ["example.org"],
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 3600,
}


def examine(*arguments):
    out = StringIO()
    try:
        call_command("sessions", "doctor", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), None


def found(findings):
    return {(one.about, one.level.name) for one in findings}


@pytest.mark.parametrize(
    ("levels", "grade"), [("", "A"), ("0", "A"), ("01", "B"), ("0111", "B"), ("1111", "C"), ("02", "F")]
)
def test_the_grade_is_by_the_worst_and_by_how_many(levels, grade):
    findings = [report.Finding(report.Level(int(level)), "a", "b") for level in levels]
    assert report.grade(findings) == grade


@pytest.mark.rule("R54")
def test_each_warning_has_a_fix_below_it():
    text, failure = examine()
    assert "sessionkeeper.W030: SESSION_COOKIE_SECURE is not set to True" in text
    assert "-> Set SESSION_COOKIE_SECURE = True." in text
    assert "security.W010" not in text  # Django's own, of the same
    assert failure is None


def test_json_holds_the_same_and_warnings_fail_when_asked_to():
    text, failure = examine("--json", "--fail-level", "warning")
    found = json.loads(text)
    assert found["grade"] == "C"
    assert {"level", "about", "text", "fix"} == set(found["findings"][0])
    assert failure is not None


@pytest.mark.rule("R54")
def test_a_broken_setting_is_an_error_and_fails():
    with override_settings(SESSIONKEEPER={"IDLE_TIMOUT": 5}):
        text, failure = examine()
    assert "ERROR   sessionkeeper.E001" in text
    assert "Grade F" in text
    assert failure is not None


def test_a_store_that_does_not_answer_is_an_error(monkeypatch):
    def fail(*args):
        raise StoreUnavailable("down")

    monkeypatch.setattr(type(get_store()), "count", fail)
    assert ("store", "ERROR") in found(deployment.look())


def test_old_expired_sessions_show_that_nothing_purges():
    now = timezone.now()
    old = keys.Key(keys.id_before(now - timedelta(days=60)), keys.mint().secret)
    insert(get_store(), old)
    insert(get_store())
    assert ("purge", "OK") in found(deployment.look())
    Session.objects.filter(pk=old.id).update(
        last_seen_at=now - timedelta(days=60), expires_at=now - timedelta(days=30)
    )
    assert ("purge", "WARNING") in found(deployment.look())


def test_clocks_that_differ_are_a_warning(monkeypatch):
    insert(get_store())
    real = registry.now
    monkeypatch.setattr(registry, "now", lambda: real() + timedelta(minutes=5))
    assert ("clock", "WARNING") in found(deployment.look())


# a request through the middleware


def sets_a_user(get_response):
    """A middleware of a project's own that does what AuthenticationMiddleware does."""

    def middleware(request):
        request.user = AnonymousUser()
        return get_response(request)

    return middleware


def answers_all(get_response):
    """A middleware that lets nothing through."""
    return lambda request: HttpResponse(status=503)


def says(*paths):
    """What the doctor finds out about ``MIDDLEWARE``, and the checks that it has heard."""
    with override_settings(MIDDLEWARE=list(paths)):
        findings = list(deployment.look())
    return (
        [(one.level.name, one.text) for one in findings if one.about == "middleware"],
        {one.about for one in findings} & {*CheckId},
    )


SESSION = "sessionkeeper.middleware.SessionMiddleware"
AUTHENTICATION = "sessionkeeper.middleware.AuthenticationMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"


def test_a_request_shows_what_the_checks_only_guess():
    (told,), heard = says(SESSION, f"{__name__}.sets_a_user")
    assert told == ("OK", "After MIDDLEWARE a request has a session of sessionkeeper's and a user.")
    assert "sessionkeeper.W004" not in heard
    (told,), heard = says(SESSION)
    assert told == ("WARNING", "After MIDDLEWARE a request has no user.")


def test_a_request_without_a_session_is_an_error():
    told, heard = says(f"{__name__}.sets_a_user")
    assert told == [("ERROR", "After MIDDLEWARE a request has no session.")]
    assert not {"sessionkeeper.W003", "sessionkeeper.W009"} & heard


def test_sessions_of_another_engine_are_told():
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db"):
        told, _ = says(STOCK, f"{__name__}.sets_a_user")
    assert "django.contrib.sessions.backends.db.SessionStore, not sessionkeeper's" in told[0][1]


def test_where_nothing_comes_through_the_guess_stays_one():
    told, heard = says(f"{__name__}.answers_all", SESSION)
    assert told == [("OK", "A middleware answered with 503, so those after it could not be tested.")]
    assert "sessionkeeper.W004" in heard


def test_middleware_that_cannot_be_set_up_is_an_error():
    told, _ = says("no.such.Middleware")
    assert told[0][0] == "ERROR"
    assert "MIDDLEWARE fails" in told[0][1]


# a site


@contextmanager
def serving(answer, certificate=None):
    """A site that answers as ``answer(method, path, headers)`` says: status, headers, body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answer(self.command, self.path, self.headers)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_projects_own_site_is_well(live_server):
    findings = list(http_probe.look(http_probe.Site(live_server.url)))
    assert [one for one in findings if one.level is report.Level.ERROR] == []
    assert {("api", "OK"), ("csrf", "OK"), ("cookies", "OK"), ("debug", "OK")} <= found(findings)
    text, failure = examine("--url", live_server.url)
    assert "gets a 401" in text
    assert failure is None


def test_a_site_that_lets_everything_through_is_told_so():
    def answer(method, path, headers):
        if "sessionid" in headers.get("Cookie", ""):
            return 500, [], b""
        return (
            200,
            [("Set-Cookie", "sessionid=x"), ("Date", "Mon, 01 Jan 2024 00:00:00 GMT")],
            b"DEBUG = True",
        )

    with serving(answer) as url:
        findings = found(http_probe.look(http_probe.Site(url)))
    errors = {about for about, level in findings if level == "ERROR"}
    assert errors == {"debug", "cookies", "api"}
    assert {("headers", "WARNING"), ("cookies", "WARNING")} <= findings


def test_a_proxy_that_opens_csrf_and_caches_is_found():
    def answer(method, path, headers):
        if method == "POST":
            return 204, [], b""
        return 401, [("WWW-Authenticate", "Session"), ("Cache-Control", "max-age=60")], b"{}"

    with serving(answer) as url:
        findings = found(http_probe.look(http_probe.Site(url)))
    assert {("csrf", "ERROR"), ("caching", "ERROR")} <= findings


@pytest.mark.parametrize(
    ("headers", "level"), [([], "WARNING"), ([("Strict-Transport-Security", "max-age=3600")], "OK")]
)
def test_a_site_over_https_is_trusted_by_its_certificate_and_has_to_say_so(tmp_path, headers, level):
    authority, unknown = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    unknown.cert_pem.write_to_path(tmp_path / "unknown.pem")
    with serving(lambda *args: (200, headers, b""), authority.issue_cert("127.0.0.1")) as url:
        assert ("https", level) in found(http_probe.look(http_probe.Site(url, tmp_path / "ca.pem")))
        assert found(http_probe.look(http_probe.Site(url, tmp_path / "unknown.pem"))) == {("site", "ERROR")}
    assert "No such file" in examine("--url", url, "--ca-file", str(tmp_path / "nothing.pem"))[1]


def test_a_site_that_does_not_answer_is_an_error():
    with serving(lambda *args: (200, [], b"")) as url:
        pass
    assert found(http_probe.look(http_probe.Site(url))) == {("site", "ERROR")}


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "https://", "http://[", "\0"])
def test_what_is_no_address_is_one_sentence(url):
    _, failure = examine("--url", url)
    assert failure


@override_settings(**SAFE)
def test_a_safe_configuration_leaves_little_to_say():
    text, failure = examine()
    assert "W03" not in text
    assert failure is None
