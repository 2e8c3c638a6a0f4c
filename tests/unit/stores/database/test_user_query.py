"""The user's columns in a statement: compiled once, and never for other conditions."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, models

from sessionkeeper.stores.database import user_query

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture
def managed(monkeypatch):
    """A function that gives the user model another default manager."""

    def function(manager):
        model = get_user_model()
        manager.model, manager.name = model, "objects"
        monkeypatch.setitem(model._meta.__dict__, "default_manager", manager)
        return model

    return function


class Filtering(models.Manager):
    wanted = "a"

    def get_queryset(self):
        return super().get_queryset().filter(password=self.wanted)


class Sliced(models.Manager):
    def get_queryset(self):
        return super().get_queryset()[:1]


def test_users_are_asked_for_by_their_model():
    assert user_query.query_key("default").model is get_user_model()


def test_what_a_manager_filters_by_belongs_to_the_question(managed):
    manager = Filtering()
    managed(manager)
    first = user_query.query_key("default")
    assert user_query.query_key("default") == first
    manager.wanted = "b"
    assert user_query.query_key("default") != first


def test_a_manager_that_does_more_than_filter_is_left_to_django(managed):
    managed(Sliced())
    assert user_query.query_key("default") is None


def test_all_columns_of_the_user_are_selected():
    model = get_user_model()
    selected = user_query.select("default", model, 1, "%s", (1,))
    assert set(selected.names) == {field.attname for field in model._meta.concrete_fields}


def test_a_database_that_no_test_has_seen_is_left_to_django(monkeypatch):
    monkeypatch.setattr(connection, "vendor", "oracle")
    assert user_query.select("default", get_user_model(), 1, "%s", (1,)) is None
