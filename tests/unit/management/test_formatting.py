"""How sessions are shown: a list, a page of facts, JSON."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model

from sessionkeeper.models import Session
from tests.unit.management.shell import name, run, store_for

pytestmark = pytest.mark.django_db


@pytest.mark.rule("R39")
def test_a_name_cannot_steer_the_terminal(make_user):
    user = make_user()
    get_user_model().objects.filter(pk=user.pk).update(username="eve\x1b[2J\r\nroot")
    store_for(user)
    text = run("list")
    assert "eve?[2J??root" in text
    assert "\x1b" not in text


def test_json_holds_everything_but_secrets_and_data(make_user):
    user = make_user()
    key = store_for(
        user, data='{"basket": "a-private-thing"}', authenticated=True, amr="pwd otp", label="Mine"
    )
    text = run("list", "--json")
    (row,) = json.loads(text)
    assert row == json.loads(run("show", name(key), "--json"))
    assert row["user"] == {"id": user.pk, "username": user.username}
    assert (row["label"], row["amr"], row["data_keys"]) == ("Mine", ["pwd", "otp"], ["basket"])
    assert row["expires_at"].endswith("Z")
    row_in_store = Session.objects.get()
    for hidden in ("a-private-thing", key.secret, bytes(row_in_store.secret_hash).hex()):
        assert hidden not in text


def test_json_of_many_sessions_is_one_array():
    made = [name(store_for()) for _ in range(4)]
    assert {row["id"] for row in json.loads(run("list", "--json"))} == set(made)


@pytest.mark.any_user
def test_show_tells_the_facts_of_a_session(make_user):
    user = make_user()
    key = store_for(user, data='{"basket": 1, "colour": "a-private-thing"}', user_agent="Telnet/1.0")
    text = run("show", name(key))
    for shown in (name(key), user.get_username(), "Telnet/1.0", "basket, colour", "live"):
        assert shown in text
    assert "a-private-thing" not in text
    assert key.secret not in text


def test_show_tells_of_a_deleted_user_and_of_data_that_cannot_be_read(make_user):
    user = make_user()
    key = store_for(user, data="[1]")
    get_user_model().objects.filter(pk=user.pk)._raw_delete("default")
    text = run("show", name(key))
    assert f"(deleted user {user.pk})" in text
    assert "(cannot be read)" in text
