"""Sessions in Django's admin where they are in Valkey, and in no table."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessionkeeper.admin import store_changelist
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from tests.stores import insert, redis_store, server_url
from tests.unit.admin.listed import LIST, act, id_of, listed, name_of, signed_in, text
from tools.valkey import with_options

pytestmark = [pytest.mark.django_db, pytest.mark.any_user, pytest.mark.urls("tests.unit.admin.test_sessions")]


@pytest.fixture(autouse=True)
def store(settings):
    """A Valkey, which the settings name."""
    made = redis_store("valkey")
    url = with_options(server_url("valkey"), prefix=made.client.url.prefix)
    settings.SESSIONKEEPER = {"STORE": url}
    yield made
    made.client.connection.delete(*made.client.connection.keys(f"{made.client.url.prefix}*"))


def test_the_list_shows_the_newest_and_says_so(boss, person, monkeypatch):
    monkeypatch.setattr(store_changelist, "SHOWN", 3)
    clients = [signed_in(person) for _ in range(4)]
    page = text(boss.get(LIST))
    assert listed(boss) == {id_of(client) for client in clients[1:]}
    assert name_of(clients[-1]) in page
    assert person.get_username() in page
    assert "has the newest 3" in page
    assert not Session.objects.exists()


def test_a_search_finds_by_user_name_by_address_and_by_session_id(boss, person, make_user):
    mine, other = [signed_in(person), signed_in(person)], signed_in(make_user())
    ids = {id_of(client) for client in mine}
    assert listed(boss, q=person.get_username()) == listed(boss, q=person.email.upper()) == ids
    assert listed(boss, q=f" {name_of(other)} ") == {id_of(other)}
    assert listed(boss, q="nobody is called so") == set()
    for term in ("\0", "%", "'", "x" * 5000, "-" * 11):
        assert boss.get(LIST, {"q": term}).status_code == 200


@pytest.mark.rule("R06")
def test_no_page_shows_a_hash_a_key_or_what_the_data_holds(boss, person, store):
    client = signed_in(person)
    session = client.session
    session["basket"] = "a-private-thing"
    session.save()
    record = store.find(id_of(client)).record
    pages = [
        text(boss.get(url)) for url in (LIST, f"{LIST}{record.id}/change/", f"{LIST}{record.id}/delete/")
    ]
    assert "basket" in pages[1]
    for hidden in (
        session.session_key,
        record.secret_hash.hex(),
        record.family_hash.hex(),
        "a-private-thing",
    ):
        assert not any(hidden in page for page in pages)


@pytest.mark.parametrize("use_tz", [True, False])
def test_sessions_of_nobody_of_deleted_users_and_unreadable_ones_are_shown(
    boss, store, settings, use_tz, make_user
):
    settings.USE_TZ = use_tz
    insert(store)
    user = make_user()
    gone = user.pk
    user.delete()
    insert(store, user_id=gone)
    broken = insert(store)
    store.client.connection.hset(store._index.session(broken.id), "d:a", "{")
    page = text(boss.get(LIST))
    assert "(anonymous)" in page
    assert f"(deleted user {gone})" in page


def test_ended_sessions_are_refused_at_their_next_request(boss, person):
    ended, kept = signed_in(person), signed_in(person)
    page = act(boss, "delete_selected", id_of(ended), "no id", "9" * 30)
    assert "1 session was ended" in text(page)
    assert ended.get("/whoami/").content == b"nobody"
    assert kept.get("/whoami/").content.decode() == person.get_username()
    [entry] = LogEntry.objects.all()
    assert (entry.is_deletion(), entry.object_repr) == (True, name_of_id(entry.object_id))


def name_of_id(text):
    """The 11 characters of a session id in decimals."""
    return keys.encode_id(int(text))


def test_all_sessions_of_the_selected_users_end_and_no_others(boss, person, make_user):
    mine, other = [signed_in(person) for _ in range(3)], signed_in(make_user())
    assert "3 sessions were ended" in text(act(boss, "end_sessions_of_users", id_of(mine[0])))
    assert registry.list_for(person) == []
    assert other.get("/whoami/").content != b"nobody"


def test_nobody_is_signed_in_and_nothing_is_selected(boss, store):
    key = insert(store)
    assert "Nobody is signed in" in text(act(boss, "end_sessions_of_users", key.id))
    assert act(boss, "delete_selected").status_code == 200
    assert store.find(key.id) is not None


def test_deleting_one_session_is_ending_it(boss, person):
    client = signed_in(person)
    url = f"{LIST}{id_of(client)}/delete/"
    assert boss.post(url, {"post": "yes"}, follow=True).status_code == 200
    assert client.get("/whoami/").content == b"nobody"
    assert boss.get(url, follow=True).redirect_chain


@pytest.mark.parametrize("name", ["1", "x", "9" * 30, "-1", "_00"])
def test_the_page_of_a_session_that_is_not_there_leads_back(boss, name):
    assert boss.get(f"{LIST}{name}/change/", follow=True).redirect_chain


@pytest.mark.rule("R18")
def test_who_may_only_view_ends_nothing(clerk, person):
    client, viewer = signed_in(person), clerk("view")
    assert id_of(client) in listed(viewer)
    act(viewer, "delete_selected", id_of(client))
    assert viewer.post(f"{LIST}{id_of(client)}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/whoami/").content != b"nobody"
    assert clerk().get(LIST).status_code == 403


def test_the_list_costs_the_same_number_of_queries_however_many_it_shows(
    boss, make_user, django_assert_num_queries
):
    signed_in(make_user())
    with CaptureQueriesContext(connection) as few:
        boss.get(LIST)
    for _ in range(5):
        signed_in(make_user())
    with django_assert_num_queries(len(few)):
        boss.get(LIST)
