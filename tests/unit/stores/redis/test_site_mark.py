"""Two sites on one Valkey with one prefix: the second is refused, and told what to set."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest
from django.http import HttpResponse
from django.urls import path

from sessionkeeper.core import keys
from sessionkeeper.core.errors import StoreOfAnotherSite
from sessionkeeper.models import SiteMark
from sessionkeeper.stores.redis import site_mark
from sessionkeeper.stores.redis.key_prefix import mark_key
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
    monkeypatch.setattr(site_mark, "of_this_site", lambda: "0" * 32)


def in_store(url):
    """Return the mark that the store has."""
    return redis_store().client.connection.get(mark_key(url.prefix))


def test_the_first_use_marks_the_keys_as_the_sites():
    store = process(redis_store().client.url)
    insert(store)
    assert in_store(store.client.url).decode() == SiteMark.objects.get().mark


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
    key = insert(process(url), user_id=user)
    with monkeypatch.context() as patch:
        another_site(patch)
        other = process(url)
        assert other.read_ahead(key.id) is None
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


def test_a_store_in_use_is_marked_and_nobody_is_signed_out(url):
    store = process(url)
    key = insert(store)
    store.client.connection.delete(mark_key(url.prefix))
    after = process(url)
    assert after.find(key.id) is not None
    assert in_store(url).decode() == site_mark.of_this_site()


def test_a_lost_mark_is_written_again_by_a_purge(url):
    store = process(url)
    insert(store)
    store.client.connection.flushdb()
    store.purge(10)
    assert in_store(url).decode() == site_mark.of_this_site()


def test_of_two_processes_that_mark_at_once_both_are_right(url, monkeypatch):
    first, second = process(url), process(url)
    pipeline = first.client.pipeline

    def late(commands):
        monkeypatch.setattr(first.client, "pipeline", pipeline)
        insert(second)
        return pipeline(commands)

    monkeypatch.setattr(first.client, "pipeline", late)
    key = insert(first)
    assert second.find(key.id) is not None


def test_the_mark_is_a_row_that_stays():
    assert site_mark.of_this_site() == site_mark.of_this_site() == SiteMark.objects.get().mark
    assert len(site_mark.of_this_site()) == 32


def test_in_a_transaction_no_mark_is_made_that_could_be_undone(url):
    SiteMark.objects.all().delete()
    assert site_mark.of_this_site() is None
    insert(process(url))
    assert in_store(url) is None
    assert not SiteMark.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_outside_of_one_a_missing_row_is_made_once():
    SiteMark.objects.all().delete()
    made = site_mark.of_this_site()
    assert made == site_mark.of_this_site() == SiteMark.objects.get().mark


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_that_make_the_row_at_once_the_first_counts(monkeypatch):
    SiteMark.objects.all().delete()

    def late(size):
        SiteMark.objects.create(mark="f" * 32)
        return "e" * 32

    monkeypatch.setattr(site_mark, "token_hex", late)
    assert site_mark.of_this_site() == "f" * 32


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


def test_another_secret_key_leaves_the_mark_as_it_is(settings):
    before = site_mark.of_this_site()
    settings.SECRET_KEY = "another"
    assert site_mark.of_this_site() == before
