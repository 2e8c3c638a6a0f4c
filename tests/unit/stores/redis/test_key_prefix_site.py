"""Two sites on one Valkey with one prefix: the second is refused, and told what to set."""

from __future__ import annotations

import pytest

from sessionkeeper.models import SiteMark
from sessionkeeper.stores.redis import key_prefix
from sessionkeeper.stores.redis.key_prefix import mark_key
from sessionkeeper.stores.redis.store import RedisStore
from tests.stores import insert, redis_store

pytestmark = [pytest.mark.django_db, pytest.mark.rule("R61")]


@pytest.fixture
def url():
    """The URL of a store with a prefix of its own."""
    return redis_store().client.url


def process(url):
    """Return the store as a process has it that has just started."""
    return RedisStore(url)


def in_store(url):
    """Return the mark that the store has."""
    return redis_store().client.connection.get(mark_key(url.prefix))


def test_the_first_use_marks_the_keys_as_the_sites():
    store = process(redis_store().client.url)
    insert(store)
    assert in_store(store.client.url).decode() == SiteMark.objects.get().mark


def test_a_store_in_use_is_marked_and_nobody_is_signed_out(url):
    store = process(url)
    key = insert(store)
    store.client.connection.delete(mark_key(url.prefix))
    after = process(url)
    assert after.find(key.id) is not None
    assert in_store(url).decode() == key_prefix.of_this_site()


def test_a_lost_mark_is_written_again_by_a_purge(url):
    store = process(url)
    insert(store)
    store.client.connection.flushdb()
    store.purge(10)
    assert in_store(url).decode() == key_prefix.of_this_site()


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
    assert key_prefix.of_this_site() == key_prefix.of_this_site() == SiteMark.objects.get().mark
    assert len(key_prefix.of_this_site()) == 32


def test_in_a_transaction_no_mark_is_made_that_could_be_undone(url):
    SiteMark.objects.all().delete()
    assert key_prefix.of_this_site() is None
    insert(process(url))
    assert in_store(url) is None
    assert not SiteMark.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_outside_of_one_a_missing_row_is_made_once():
    SiteMark.objects.all().delete()
    made = key_prefix.of_this_site()
    assert made == key_prefix.of_this_site() == SiteMark.objects.get().mark


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_that_make_the_row_at_once_the_first_counts(monkeypatch):
    SiteMark.objects.all().delete()

    def late(size):
        SiteMark.objects.create(mark="f" * 32)
        return "e" * 32

    monkeypatch.setattr(key_prefix, "token_hex", late)
    assert key_prefix.of_this_site() == "f" * 32


def test_another_secret_key_leaves_the_mark_as_it_is(settings):
    before = key_prefix.of_this_site()
    settings.SECRET_KEY = "another"
    assert key_prefix.of_this_site() == before
