"""The checks of a Valkey or Redis store."""

from __future__ import annotations

import socket

import pytest

from sessionkeeper.checks import caches, store
from sessionkeeper.checks import settings as of_settings
from sessionkeeper.models import SiteMark
from sessionkeeper.stores import redis
from sessionkeeper.stores.redis import key_prefix
from sessionkeeper.stores.redis.client import Client
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import KINDS, insert, redis_store, server_url
from tools.valkey import with_options

pytestmark = pytest.mark.django_db


def found(settings, url):
    """Return the ids of what is reported."""
    settings.SESSIONKEEPER = {"STORE": url}
    return [message.id for message in store.check_redis()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_persistence_is_warned_of(settings, kind):
    assert set(found(settings, with_options(server_url(kind)))) == {"sessionkeeper.W024"}


def test_a_server_that_saves_is_fine(settings, monkeypatch):
    monkeypatch.setattr(Client, "saving", lambda self: True)
    assert found(settings, with_options(server_url("valkey"))) == []


def test_nothing_is_said_of_a_database(settings):
    assert found(settings, "database:") == []


def test_a_missing_package_is_a_sentence(settings, monkeypatch):
    monkeypatch.setattr(redis, "is_installed", lambda: False)
    assert found(settings, "redis://host") == ["sessionkeeper.E012"]


def test_a_server_that_is_not_there_is_a_sentence_without_the_password(settings):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings.SESSIONKEEPER = {"STORE": f"redis://me:hunter2@127.0.0.1:{probe.getsockname()[1]}/0"}
    [message] = store.check_redis()
    assert message.id == "sessionkeeper.W023"
    assert "hunter2" not in message.msg
    assert "127.0.0.1" in message.msg


@pytest.mark.parametrize(
    ("information", "expected"),
    [
        ({"redis_version": "6.2.1", "aof_enabled": 1}, ["sessionkeeper.E013"]),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5", "aof_enabled": 1}, ["sessionkeeper.E013"]),
        (
            {"redis_version": "7.0.0", "maxmemory_policy": "allkeys-lru", "aof_enabled": 1},
            ["sessionkeeper.E014"],
        ),
        (
            {
                "redis_version": "7.2.4",
                "valkey_version": "8.0.0",
                "maxmemory_policy": "volatile-lru",
                "aof_enabled": 1,
            },
            [],
        ),
    ],
)
def test_old_servers_and_those_that_evict_are_refused(settings, monkeypatch, information, expected):
    monkeypatch.setattr(Client, "information", lambda self: [information])
    monkeypatch.setattr(Client, "saving", lambda self: False)
    assert found(settings, "redis://host") == expected


def test_other_checks_take_no_url_for_a_database(settings):
    settings.SESSIONKEEPER = {"STORE": "redis://host/0", "NEAR_CACHE": True}
    assert list(of_settings.check_store()) == []
    settings.MIDDLEWARE = ["sessionkeeper.middleware.AuthenticationMiddleware"]
    assert list(caches.check_near_cache()) == []


@pytest.mark.rule("R61")
def test_a_store_of_another_site_is_an_error_that_says_what_to_set(settings, monkeypatch):
    theirs = RedisStore(redis_store().client.url)
    url = theirs.client.url
    insert(theirs)
    theirs.client.close()
    text = with_options(server_url("valkey"), prefix=url.prefix)
    assert "sessionkeeper.E082" not in found(settings, text)
    monkeypatch.setattr(key_prefix, "is_ours", lambda mark: False)
    [message] = [one for one in store.check_redis() if one.id == "sessionkeeper.E082"]
    assert url.prefix in message.msg
    assert "?prefix=" in message.hint


def test_only_another_mark_than_the_one_in_the_database_is_another_sites():
    assert key_prefix.is_ours(key_prefix.of_this_site())
    assert not key_prefix.is_ours("0" * 32)
    SiteMark.objects.all().delete()
    assert key_prefix.is_ours("0" * 32)
