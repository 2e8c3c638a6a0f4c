"""The prefix of the keys is used by one site only."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest
from django.http import HttpResponse
from django.urls import path

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreOfAnotherSite
from sessionkeeper.stores.redis import key_prefix
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import insert, redis_store, server_url
from tools import valkey

pytestmark = [pytest.mark.django_db, pytest.mark.rule("R61")]


def who(request):
    return HttpResponse(request.user.get_username())


urlpatterns = [path("who/", who)]


@pytest.fixture
def url():
    """The URL of a store with a prefix of its own."""
    return redis_store().client.url


def process(url):
    """Return the store as a process has it that has just started."""
    return RedisStore(url)


def DROP(store, user):  # noqa: N802 - a constant, which is told from the other uses
    """Drop what is kept of a user."""
    store.user_changed(user)


def another_site(monkeypatch):
    """From here on the database is another site's."""
    monkeypatch.setattr(key_prefix, "of_this_site", lambda: "0" * 32)


def test_a_second_process_of_the_site_finds_its_sessions(url):
    key = insert(process(url))
    assert process(url).find(key.id) is not None


@pytest.mark.parametrize(
    "use",
    [
        lambda store, user: store.find(keys.mint().id),
        lambda store, user: insert(store, user_id=user),
        lambda store, user: store.list_for(user),
        lambda store, user: store.revoke_all(user),
        lambda store, user: store.scan(10),
        lambda store, user: store.purge(10),
        lambda store, user: store.count(),
        DROP,
    ],
)
def test_another_site_reads_and_writes_nothing(url, use, make_user, monkeypatch, caplog, settings):
    settings.SESSIONKEEPER = {"PRINCIPAL_CACHE": 60}
    user = make_user().pk
    insert(process(url), user_id=user)
    with monkeypatch.context() as patch:
        another_site(patch)
        other = process(url)
        # What drops kept columns is best effort, and logs.
        with caplog.at_level(logging.ERROR, "sessionkeeper.store"), suppress(StoreOfAnotherSite):
            use(other, user)
            assert use is DROP
        assert "prefix=NAME" in caplog.text


def test_the_sessions_of_the_first_site_stay(url, make_user, monkeypatch):
    user = make_user().pk
    key = insert(process(url), user_id=user)
    with monkeypatch.context() as patch:
        another_site(patch)
        with pytest.raises(StoreOfAnotherSite):
            process(url).revoke_all(user)
    assert process(url).find(key.id) is not None


def test_a_request_of_another_site_is_503_and_keeps_its_cookie(url, client, monkeypatch, settings, caplog):
    insert(process(url))
    another_site(monkeypatch)
    settings.SESSIONKEEPER = {"STORE": valkey.with_options(server_url("valkey"), prefix=url.prefix)}
    client.cookies["sessionid"] = keys.mint().text
    settings.ROOT_URLCONF = __name__
    answer = client.get("/who/")
    assert answer.status_code == 503
    assert "sessionid" not in answer.cookies
    assert b"prefix" not in answer.content
    assert "prefix=NAME" in caplog.text
