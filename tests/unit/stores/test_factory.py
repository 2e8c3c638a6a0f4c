"""The store that the settings name, opened once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sessionkeeper.stores import factory
from sessionkeeper.stores.factory import CircuitBreakerStore
from tests.stores import database

pytestmark = pytest.mark.django_db


def test_a_store_is_opened_once_for_each_url(settings):
    first = factory.get_store()
    assert isinstance(first, CircuitBreakerStore)
    assert factory.get_store() is first
    with database("another"):
        settings.SESSIONKEEPER = {"STORE": "database:another"}
        assert factory.get_store() is not first
        assert factory.get_breaker() is factory.get_store().breaker


def test_without_the_setting_there_is_no_near_cache():
    assert factory.get_near_cache() is None


def test_a_store_that_cannot_wait_in_an_event_loop_is_asked_in_a_thread(settings):
    settings.SESSIONKEEPER = {"STORE": "database"}
    assert asyncio.run(factory.run_in_loop(threading.get_ident)) != threading.get_ident()
