"""The URLs of Valkey and Redis: what they say, and that nothing shows what is secret in them."""

from __future__ import annotations

import pytest

from sessionkeeper import conf
from sessionkeeper.conf import redis_url


@pytest.mark.parametrize(
    ("url", "way", "hosts"),
    [
        ("redis://host", "server", (("host", 6379),)),
        ("valkeys://host:7000/3", "server", (("host", 7000),)),
        ("rediss://[::1]:7000/0", "server", (("::1", 7000),)),
        ("redis+sentinel://a:1,b/main/2", "sentinel", (("a", 1), ("b", 26379))),
        ("valkey+cluster://a,b:2,c", "cluster", (("a", 6379), ("b", 2), ("c", 6379))),
    ],
)
def test_a_url_names_servers_and_how_they_are_found(url, way, hosts):
    read = redis_url.parse(url)
    assert (read.way, read.hosts, read.tls) == (way, hosts, url.startswith(("rediss", "valkeys")))


def test_a_url_holds_users_passwords_and_options():
    read = redis_url.parse(
        "rediss://me:p%40ss@host/3?timeout=0.5&prefix=x:&ssl_ca_certs=/ca.pem&connections=9"
    )
    assert (read.username, read.password, read.db) == ("me", "p@ss", 3)
    assert (read.timeout, read.connect_timeout, read.prefix, read.connections) == (0.5, 1, "x:", 9)
    assert read.ssl == {"ssl_ca_certs": "/ca.pem"}


def test_a_url_says_when_an_idle_connection_is_tried():
    read = redis_url.parse(
        "redis://host?keepalive=60&keepalive_interval=10&keepalive_count=2&health_check_interval=25"
    )
    assert (read.keepalive, read.keepalive_interval, read.keepalive_count) == (60, 10, 2)
    assert read.health_check_interval == 25
    usual = redis_url.parse("redis://host")
    assert (usual.keepalive, usual.keepalive_interval, usual.keepalive_count) == (30, 5, 3)
    assert usual.health_check_interval == 0


def test_a_sentinel_url_names_the_service_and_a_socket_its_path():
    assert redis_url.parse("redis+sentinel://a/main/2?sentinel_password=x").service == "main"
    assert redis_url.parse("unix:///run/valkey.sock?db=2").path == "/run/valkey.sock"


WRONG = {
    "redis://": "name a host",
    "redis://a,b/0": "one host",
    "redis://a:99999": "port",
    "redis://a/x": "integer",
    "redis+sentinel://a": "name the service",
    "redis+cluster://a/1": "only one",
    "unix://host/x": "unix:///path",
    "redis://a?prefx=1": "Did you mean 'prefix'",
    "redis://a?timeout=0": "positive",
    "redis://a?timeout=nan": "positive",
    "redis://a?connections=0": "integer from 1",
    "redis://a?keepalive=0": "integer from 1 to 32767",
    "redis://a?keepalive_count=128": "integer from 1 to 127",
    "redis://a?health_check_interval=-1": "integer",
    "redis://a?ssl_ca_certs=x": "not encrypted",
    "rediss://a?ssl_cert_reqs=maybe": "required",
}


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_url_is_a_sentence(settings, url):
    settings.SESSIONKEEPER = {"STORE": url}
    [problem] = conf.problems()
    assert WRONG[url] in problem.message
    assert conf.current().store == "database:"


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:hunter2@host:x",
        "redis://me:hunter2@",
        "redis://:hunter2@a,b",
        "rediss://:hunter2@a?x=1",
        "mongo://:hunter2@a",
    ],
)
def test_no_message_shows_a_password(settings, url):
    settings.SESSIONKEEPER = {"STORE": url}
    assert "hunter2" not in "".join(problem.message + problem.hint for problem in conf.problems())


def test_what_is_shown_of_a_url_holds_no_password(settings):
    url = "redis+sentinel://me:hunter2@a/main?sentinel_password=hunter2"
    settings.SESSIONKEEPER = {"STORE": url}
    read = redis_url.parse(url)
    assert "hunter2" not in repr(read) + read.shown + repr(conf.current())
    assert read.shown == "'main' by Sentinel at a:26379"
