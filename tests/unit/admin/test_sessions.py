"""Sessions in Django's admin."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import path

from sessionkeeper.models import Session
from sessionkeeper.stores.database.store import DatabaseStore
from tests.stores import insert
from tests.unit.admin.listed import LIST, act, id_of, listed, name_of, signed_in, text


def whoami(request):
    """Name the user of the request."""
    return HttpResponse(request.user.get_username() or "nobody")


urlpatterns = [path("admin/", admin.site.urls), path("whoami/", whoami)]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


# Looking


@pytest.mark.any_user
def test_the_list_shows_who_where_and_with_what(boss, person):
    client = signed_in(person, HTTP_USER_AGENT="Telnet/1.0")
    Session.objects.filter(pk=id_of(client)).update(ip_address="192.0.2.7", user_agent="Telnet/1.0 " * 30)
    page = text(boss.get(LIST))
    for shown in (name_of(client), person.get_username(), "192.0.2.7", "Telnet/1.0 Telnet", "…"):
        assert shown in page


@pytest.mark.rule("R06")
@pytest.mark.any_user
def test_no_page_shows_a_hash_a_key_or_what_the_data_holds(boss, person):
    client = signed_in(person)
    session = client.session
    session["basket"] = "a-private-thing"
    session.save()
    row = Session.objects.get(pk=id_of(client))
    pages = [text(boss.get(url)) for url in (LIST, f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/delete/")]
    for hidden in (
        session.session_key,
        session.session_key[11:],
        bytes(row.secret_hash).hex(),
        str(bytes(row.secret_hash)),
        bytes(row.family_hash).hex(),
        "a-private-thing",
        row.data["_auth_user_hash"],
    ):
        assert not any(hidden in page for page in pages)
    assert "_auth_user_id, basket" in pages[1].replace("_auth_user_backend, _auth_user_hash, ", "")


def test_a_session_of_nobody_and_one_of_a_deleted_user_are_named_so(boss, person):
    insert(DatabaseStore())
    insert(DatabaseStore(), user_id=person.pk)
    get_user_model().objects.filter(pk=person.pk)._raw_delete("default")
    page = text(boss.get(LIST))
    assert "(anonymous)" in page
    assert f"(deleted user {person.pk})" in page


def test_the_page_of_a_session_without_idle_timeout_says_so(boss):
    key = insert(DatabaseStore(), idle_seconds=None)
    assert "(none)" in text(boss.get(f"{LIST}{key.id}/change/"))


@pytest.mark.parametrize("use_tz", [True, False])
def test_both_pages_write_the_end_of_a_session_as_they_write_other_times(boss, settings, use_tz):
    settings.TIME_ZONE, settings.USE_TZ = "UTC", use_tz
    key = insert(DatabaseStore(), idle_seconds=None, lifetime=datetime(2199, 2, 3, 16, 5, tzinfo=UTC))
    for url in (LIST, f"{LIST}{key.id}/change/"):
        assert "Feb. 3, 2199, 4:05 p.m." in text(boss.get(url))


def test_the_list_costs_the_same_number_of_queries_however_many_it_shows(boss, make_user):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            boss.get(LIST)
        return len(captured)

    insert(DatabaseStore(), user_id=make_user().pk)
    few = queries()
    for _ in range(20):
        insert(DatabaseStore(), user_id=make_user().pk)
    assert queries() == few


@pytest.mark.any_user
def test_a_search_finds_by_user_name_by_address_and_by_session_id(boss, person, make_user):
    mine, other = signed_in(person), signed_in(make_user())
    assert id_of(other) in listed(boss)
    assert listed(boss, q=person.get_username().upper()) == {id_of(mine)}
    assert listed(boss, q=person.email) == {id_of(mine)}
    assert listed(boss, q=f" {name_of(mine)} ") == {id_of(mine)}


@pytest.mark.parametrize(
    "term", ["nobody-of-that-name", "%", "\\", "'\"", "A" * 11, "é" * 500, "a\0b", "\udcff"]
)
def test_a_search_takes_any_text(boss, term):
    assert boss.get(LIST, {"q": term.encode("utf-8", "surrogateescape")}).status_code == 200


# Ending


@pytest.mark.rule("R18")
@pytest.mark.any_user
def test_ended_sessions_are_refused_at_their_next_request(boss, person):
    ended, kept = signed_in(person), signed_in(person)
    assert ended.get("/whoami/").content.decode() == person.get_username()
    assert "1 session was ended." in text(act(boss, "delete_selected", id_of(ended)))
    assert ended.get("/whoami/").content == b"nobody"
    assert kept.get("/whoami/").content.decode() == person.get_username()


@pytest.mark.rule("R18")
@pytest.mark.any_user
def test_all_sessions_of_the_selected_users_end_and_no_others(boss, person, make_user):
    first, second, other = signed_in(person), signed_in(person), signed_in(make_user())
    anonymous = insert(DatabaseStore())
    assert "2 sessions were ended." in text(act(boss, "end_sessions_of_users", id_of(first), anonymous.id))
    assert [client.get("/whoami/").content for client in (first, second)] == [b"nobody"] * 2
    assert other.get("/whoami/").content != b"nobody"
    assert Session.objects.filter(pk=anonymous.id).exists()


def test_ending_the_sessions_of_the_users_of_anonymous_ones_says_that_there_are_none(boss):
    key = insert(DatabaseStore())
    assert "Nobody is signed in" in text(act(boss, "end_sessions_of_users", key.id))
    assert Session.objects.filter(pk=key.id).exists()


def test_who_ended_which_session_is_in_the_log_of_the_admin(boss, person):
    client = signed_in(person)
    name = name_of(client)
    act(boss, "delete_selected", id_of(client))
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.is_deletion()) == (name, True)


def test_deleting_one_session_is_ending_it(boss, person):
    client = signed_in(person)
    response = boss.post(f"{LIST}{id_of(client)}/delete/", {"post": "yes"}, follow=True)
    assert "was deleted successfully" in text(response)
    assert client.get("/whoami/").content == b"nobody"


@pytest.mark.parametrize("action", ["delete_selected", "end_sessions_of_users"])
def test_who_ends_the_own_session_is_asked_to_sign_in(boss, action):
    response = act(boss, action, id_of(boss))
    assert response.redirect_chain[-1][0].startswith("/admin/login/")
    assert response.status_code == 200


def test_the_bulk_deletion_that_admin_classes_share_goes_through_the_store(boss, rf, person):
    client, request = signed_in(person), rf.get("/")
    request.user = person
    model_admin = admin.site._registry[Session]
    model_admin.delete_queryset(request, model_admin.get_queryset(request).filter(pk=id_of(client)))
    assert client.get("/whoami/").content == b"nobody"


# Permissions


def test_nothing_can_be_added_or_changed(boss):
    session_id = insert(DatabaseStore()).id
    assert boss.get(f"{LIST}add/").status_code == 403
    assert boss.post(f"{LIST}add/", {}).status_code == 403
    assert boss.post(f"{LIST}{session_id}/change/", {"label": "x"}).status_code == 403
    page = text(boss.get(f"{LIST}{session_id}/change/"))
    assert 'name="_save"' not in page
    assert 'name="label"' not in page


@pytest.mark.any_user
def test_who_may_only_view_sees_and_ends_nothing(clerk, person):
    viewer, client = clerk("view"), signed_in(person)
    page = text(viewer.get(LIST))
    assert name_of(client) in page
    assert "delete_selected" not in page
    assert "end_sessions_of_users" not in page
    act(viewer, "delete_selected", id_of(client))
    assert viewer.post(f"{LIST}{id_of(client)}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/whoami/").content.decode() == person.get_username()


def test_who_may_view_and_delete_ends_sessions(clerk, person):
    client = signed_in(person)
    assert "1 session was ended." in text(act(clerk("view", "delete"), "delete_selected", id_of(client)))


@pytest.mark.parametrize("names", [(), ("add",), ("delete",)])
def test_who_may_not_view_sees_no_list(clerk, names):
    assert clerk(*names).get(LIST).status_code == 403


@pytest.mark.parametrize("name", ["0", "-1", "x", "9" * 40, "a b", "%00", "%FF"])
def test_the_page_of_a_session_that_is_not_there_leads_back(boss, name):
    response = boss.get(f"{LIST}{name}/change/", follow=True)
    assert response.status_code in (200, 404)
