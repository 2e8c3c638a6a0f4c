"""A look at the site over HTTP."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from django.core import mail
from django.test import Client

from sessionkeeper.management.doctor import http_probe, report
from tests.unit.management.doctor.examined import examine

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.http.api_site")]


def found(findings):
    return {(one.about, one.level.name) for one in findings}


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


@pytest.fixture
def behind(settings):
    """A site that hears of its client by REMOTE_ADDR or by a proxy, and what the doctor says of it."""

    def says(peer, own="127.0.0.1", appended=None, **options):
        settings.SESSIONKEEPER = options
        site = http_probe.Site("http://testserver")

        def ask(method, path, *, plain, body, **headers):
            site.local = own
            if appended is not None:
                before = headers.get("X-Forwarded-For")
                headers["X-Forwarded-For"] = f"{before}, {appended}" if before else appended
            client = Client(REMOTE_ADDR=peer, headers={**headers})
            client.post(path, body, content_type=headers["Content-Type"])

        site.ask = ask
        finding = http_probe._client_address(site)
        return finding.level.name, finding.text

    return says


@pytest.mark.rule("R57")
@pytest.mark.parametrize(
    ("peer", "options", "level", "says"),
    [
        ("127.0.0.1", {}, "OK", "takes 127.0.0.1"),
        ("203.0.113.9", {"own": "10.0.0.5"}, "OK", "takes 203.0.113.9"),
        ("", {}, "WARNING", "does not know the addresses"),
        ("172.17.0.1", {}, "WARNING", "probably a proxy's"),
        ("203.0.113.80", {"own": "203.0.113.9"}, "WARNING", "probably a proxy's"),
        ("10.0.0.1", {"TRUSTED_PROXIES": ["10.0.0.1"]}, "ERROR", "choose their address"),
        ("10.0.0.1", {"TRUSTED_PROXIES": ["10.0.0.1"], "appended": "203.0.113.9"}, "OK", "takes 203.0.113.9"),
        ("10.0.0.1", {"TRUSTED_PROXIES": ["10.0.0.2"], "appended": "203.0.113.9"}, "WARNING", "proxy's"),
        (
            "192.0.2.1",
            {
                "own": "10.0.0.5",
                "TRUSTED_PROXIES": ["192.0.2.1"],
                "PROXY_HEADER": "Forwarded",
                "appended": "x",
            },
            "ERROR",
            "write in Forwarded",
        ),
        ("127.0.0.1", {"AUDIT": False}, "OK", "not tested"),
    ],
)
def test_the_address_that_the_site_takes_for_the_clients_is_compared(behind, peer, options, level, says):
    found_level, text = behind(peer, **options)
    assert (found_level, says in text) == (level, True), text
    assert mail.outbox == []


def test_a_site_with_another_audit_trail_is_not_judged(behind, monkeypatch):
    monkeypatch.setattr(http_probe, "_recorded", lambda mailbox: None)
    assert behind("10.0.0.1")[1].endswith("its audit trail is another one.")
