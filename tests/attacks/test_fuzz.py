"""Any bytes anywhere: no 5xx, nothing stored, no second log line."""

from __future__ import annotations

import io
import logging

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import contents

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.attacks.site")]

#: As a WSGI server hands them over: latin-1 of what the client sent, without line ends.
HEADER = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=200)
NASTY = st.sampled_from(
    [
        '"\\000"',
        '"\\377\\376"',
        "\x00",
        "%00",
        "' OR 1=1 --",
        "A" * 40,
        "sess_" + "A" * 46,
        "\x1b[2J",
        "ï»¿",
        "../../etc/passwd",
        "\u00e2\u0080\u00ae",
        "9" * 400,
        "null",
        "NaN",
    ]
)
VALUE = st.one_of(NASTY, HEADER)
HEADERS = (
    "HTTP_COOKIE",
    "HTTP_AUTHORIZATION",
    "HTTP_ORIGIN",
    "HTTP_REFERER",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_X_CSRFTOKEN",
    "HTTP_USER_AGENT",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_FORWARDED",
    "CONTENT_TYPE",
    "REMOTE_ADDR",
)
PATHS = (
    "session/",
    "login/",
    "logout/",
    "csrf/",
    "sessions/",
    "tokens/",
    "password/reset/",
    "reauthenticate/",
)
QUICK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@pytest.fixture(autouse=True)
def _keep_the_connection():
    """A request of its own would close the connection that the test's transaction is on."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def send(method, path, headers, body=b""):
    """Make a request as a WSGI server does; return its status."""
    status = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": "127.0.0.1",
        **headers,
    }
    response = WSGIHandler()(environ, lambda line, _: status.append(line))
    b"".join(response)
    response.close()
    return int(status[0].partition(" ")[0])


@pytest.mark.rule("R05")
@QUICK
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]),
    path=st.sampled_from(PATHS),
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUE, max_size=4),
)
def test_no_header_is_a_server_error(method, path, headers):
    assert send(method, f"/api/auth/{path}", headers) < 500
    assert not contents.records()


@pytest.mark.rule("R05")
@QUICK
@given(value=VALUE)
def test_no_session_cookie_is_a_server_error_or_another_log_line(value):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(handler.format(record))
    logging.getLogger().addHandler(handler)
    try:
        for path in ("/api/auth/session/", "/private/", "/remember/"):
            assert send("GET", path, {"HTTP_COOKIE": f"sessionid={value}"}) < 500
    finally:
        logging.getLogger().removeHandler(handler)
    assert not any("\n" in line or "\r" in line or "\x1b" in line for line in lines)


@QUICK
@given(part=st.text(max_size=60))
def test_no_address_is_a_server_error(part):
    path = f"/api/auth/sessions/{part}/".encode("utf-8", "surrogatepass").decode("latin-1")
    assert send("DELETE", path, {}) < 500
