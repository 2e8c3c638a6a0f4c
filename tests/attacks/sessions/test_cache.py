"""Caches: a shared cache in front of the site hands nobody the page of somebody else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from http.client import HTTPConnection

import pytest

from tests.transports import TokenApi
from tools.servers import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.attacks.site")]

CONFIGURATION = """
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=site:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {site};
            proxy_set_header Host $http_host;
            proxy_cache site;
            proxy_cache_key $request_uri;
            proxy_cache_valid any 1m;
            add_header X-Cache $upstream_cache_status always;
        }}
    }}
}}
"""


@pytest.fixture
def cached(live_server, tmp_path, settings):
    """The site behind an nginx that keeps whatever it may, whoever asked for it. Returns a client."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("NOT RUN: there is no nginx on this machine.")
    port, settings.ALLOWED_HOSTS = free_port(), ["127.0.0.1", "testserver"]
    user = "user root;" if os.getuid() == 0 else ""
    text = CONFIGURATION.format(folder=tmp_path, port=port, site=live_server.url, user=user)
    (tmp_path / "nginx.conf").write_text(text)
    with subprocess.Popen([program, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]) as server:
        try:
            _wait(port, server)
            yield lambda path, **headers: _get(port, path, headers)
        finally:
            server.terminate()


def _wait(port, server):
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert server.poll() is None, "nginx ended"
            assert time.monotonic() < deadline
        else:
            return


def _get(port, path, headers):
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers=given)
    response = connection.getresponse()
    try:
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


@pytest.mark.rule("R24")
def test_a_cache_gives_nobody_the_page_of_somebody_else(cached, signed_in, alice):
    assert cached("/public/")[2] == cached("/public/")[2]
    assert cached("/public/")[1]["X-Cache"] == "HIT"  # it does keep what it may

    program = TokenApi()
    program.log_in(alice)
    victim = {"Cookie": f"sessionid={signed_in.key}"}, {"Authorization": f"Bearer {program.bearer}"}
    for path in ("/private/", "/api/auth/session/"):
        for headers in victim:
            assert alice.get_username() in cached(path, **headers)[2]
        status, given, body = cached(path)
        assert alice.get_username() not in body
        assert (status, given["X-Cache"]) in {(302, "MISS"), (401, "MISS")}


@pytest.mark.rule("R24")
def test_a_cache_keeps_no_cookie_for_the_next_one(cached, signed_in):
    """A page that gives a visitor a session, and one that takes it away."""
    _, first, _ = cached("/remembered/")
    _, second, _ = cached("/remembered/")
    assert first["Set-Cookie"]
    assert first["Set-Cookie"].partition(";")[0] != second["Set-Cookie"].partition(";")[0]
    cached("/private/", Cookie=f"sessionid={'x' * 40}")
    assert "Set-Cookie" not in cached("/private/")[1]


@pytest.mark.rule("R24")
@pytest.mark.parametrize("path", ["/greeting/", "/greeting/program/"])
def test_a_cache_gives_the_page_of_nobody_to_nobody_who_is_signed_in(cached, signed_in, alice, path):
    program = TokenApi()
    program.log_in(alice)
    first, again = cached(path), cached(path)
    assert (again[1]["X-Cache"], again[2]) == ("HIT", first[2])
    by = {"Cookie": f"sessionid={signed_in.key}"}, {"Authorization": f"Bearer {program.bearer}"}
    for headers in by if path == "/greeting/" else by[1:]:
        assert alice.get_username() in cached(path, **headers)[2]
    assert cached(path)[2] == first[2]
