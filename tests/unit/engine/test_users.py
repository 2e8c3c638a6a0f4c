"""Users as lists name them: found by what they are called, named also when they are gone."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import models

from sessionkeeper.engine import registry, users
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Session

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def found(term):
    return {row["pk"] for row in users.users_named(term)}


def test_a_user_is_found_by_a_part_of_the_name_or_of_the_address(make_user):
    alice, bob = make_user(email="alice@example.org"), make_user(email="bob@example.net")
    assert found("ALICE@") == {alice.pk}
    assert found(bob.get_username()[1:]) >= {bob.pk}
    assert found("nobody at all") == set()


def test_a_condition_on_rows_holds_for_the_rows_of_these_users(make_user):
    alice = make_user(email="alice@example.org")
    condition = users.of_users_named("alice@", Session.objects.all())
    assert "user_id" in str(condition)
    assert not Session.objects.filter(condition).exists()
    assert {row["pk"] for row in users.users_named("alice@")} == {alice.pk}


def test_who_is_gone_is_named_by_the_key():
    assert "42" in users.name_of(None, 42)


def test_a_user_whom_the_manager_hides_is_a_user_all_the_same(make_user, monkeypatch):
    class Hiding(models.Manager):
        def get_queryset(self):
            return super().get_queryset().none()

    user, manager = make_user(), Hiding()
    manager.model, manager.name = get_user_model(), "objects"
    monkeypatch.setitem(get_user_model()._meta.__dict__, "default_manager", manager)
    assert not get_user_model()._default_manager.exists()
    assert users.users().filter(pk=user.pk).exists()


def test_records_are_named_in_batches(make_user, monkeypatch, django_assert_num_queries, client):
    monkeypatch.setattr(users, "_BATCH", 2)
    people = [make_user() for _ in range(3)]
    for person in people:
        client.force_login(person)
        client.cookies.clear()
    nobody = SessionStore()
    nobody["a"] = 1
    nobody.save()
    records = [*(registry.list_for(person)[0] for person in people), next(iter(registry.scan()))]
    with django_assert_num_queries(2):
        named = [name for _, name in users.with_names(records)]
    assert named == [*(person.get_username() for person in people), None]
