"""Rows without end: somebody signs in thousands of times, and lets the site work through all of it."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.urls import include, path

from sessionkeeper.core import keys
from sessionkeeper.core.records import BEARER
from sessionkeeper.engine import registry
from sessionkeeper.engine.history import history_for
from sessionkeeper.http.client_info import device
from sessionkeeper.models import AuditEvent
from tests import contents, many
from tests.conftest import PASSWORD
from tests.transports import problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

urlpatterns = [
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("auth/", include("sessionkeeper.pages.urls")),
]

MANY = 5000
PAGE = 50
#: What a page needs besides its rows: who asks, the current session, the entries of an index in Valkey.
FEW = 12
HOSTILE = [
    text[:512]
    for text in (
        "Ll" * 256,
        "Aa" + " " * 510,
        "Mozilla/5.0 (" + "(;" * 250,
        "a/1 " * 128,
        "OBIGO" * 100,
        "Teams" * 100,
        "Mozilla/5.0 (Linux; Android 9; " + "x; " * 160,
        "Chrome" * 85,
        "Linux." * 85,
        " " * 512,
        "\x00é漢" * 170,
    )
]


@pytest.fixture
def flooded(make_user):
    """A user with thousands of sessions, and a browser in which the user signed in before them."""
    user, client = make_user(), Client(enforce_csrf_checks=False)
    body = {"username": user.get_username(), "password": PASSWORD}
    assert client.post("/api/auth/login/", body, content_type="application/json").status_code == 200
    client.user = user
    client.ids = many.make(user, MANY, user_agent=HOSTILE[0])
    client.get("/api/auth/session/")
    return client


def followed(client, address):
    """Yield each page of a list of the API."""
    while address is not None:
        with many.counted() as cost:
            response = client.get(address)
        body = response.json()
        yield body, cost
        address = body["next"]


@pytest.mark.parametrize(
    "address", ["/auth/sessions/", "/api/auth/sessions/", "/api/auth/sessions/?page_size=1000"]
)
def test_a_list_reads_a_page_however_many_there_are(flooded, address):
    with many.counted() as cost:
        response = flooded.get(address)
    assert response.status_code == 200
    assert cost.read <= 2 * PAGE + FEW  # the page; and beginnings in the trail, of which there are few
    assert cost.trips <= FEW + MANY / 1000 * 2
    ids = re.findall(r"/sessions/([\w-]{11})/end/", response.text) or [
        one["id"] for one in response.json()["results"]
    ]
    assert len(ids) <= PAGE
    assert len(set(ids)) == len(ids)


def test_all_pages_together_have_each_session_once(flooded):
    seen, pages = [], 0
    for body, cost in followed(flooded, "/api/auth/sessions/?page_size=50"):
        assert len(body["results"]) <= PAGE
        assert cost.read <= PAGE + FEW
        seen += [one["id"] for one in body["results"]]
        pages += 1
    assert len(seen) == len(set(seen)) == MANY + 1
    assert seen[1:] == [keys.encode_id(one) for one in flooded.ids]
    assert pages == MANY // PAGE + 1


def test_expired_sessions_that_nobody_purged_are_not_read_all_at_once(flooded):
    many.make(flooded.user, MANY, ends_in=timedelta(seconds=-1))
    with many.counted() as cost:
        assert flooded.get("/auth/sessions/").status_code == 200
    assert cost.read <= 2 * PAGE + FEW


def test_a_cursor_that_nobody_made_does_not_break_the_page(flooded):
    for query in ("before=", "before=x", "before=AAAAAAAAAAA", "before=%00", "page=99", "page=x", "done=x"):
        assert flooded.get(f"/auth/sessions/?{query}").status_code == 200


def test_a_cursor_that_nobody_made_is_not_found(flooded):
    for cursor in ("", "x", "AAAAAAAAAAA", "%00", "-1", "é"):
        for name in ("sessions/", "sessions/history/"):
            problem(flooded.get(f"/api/auth/{name}?before={cursor}"), 404, "not_found")
    theirs = keys.encode_id(keys.mint().id)
    problem(flooded.get(f"/api/auth/sessions/history/?before={theirs}"), 404, "not_found")


def test_a_list_goes_on_behind_sessions_that_ended_meanwhile(flooded):
    pages = followed(flooded, "/api/auth/sessions/?page_size=50")
    first, _ = next(pages)
    registry.revoke_many(flooded.ids[:200])
    rest = [one["id"] for body, _ in pages for one in body["results"]]
    assert rest == [keys.encode_id(one) for one in flooded.ids[200:]]
    last = parse_qs(urlsplit(first["next"]).query)["before"][0]
    registry.revoke_all(flooded.user, except_=registry.list_for(flooded.user)[-1].id)
    assert flooded.get(f"/auth/sessions/?before={last}").status_code == 200
    assert flooded.get(f"/api/auth/sessions/?before={last}").json()["next"] is None


def test_two_browsers_that_end_the_same_sessions_are_both_answered(flooded):
    name = keys.encode_id(flooded.ids[0])
    registry.revoke(name)
    assert flooded.post(f"/auth/sessions/{name}/end/").status_code == 302
    problem(flooded.delete(f"/api/auth/sessions/{name}/"), 404, "not_found")
    assert flooded.post("/auth/sessions/end-others/").status_code == 302
    assert flooded.post("/auth/sessions/end-others/").status_code == 302


# History


def begun(user, ids, kind="sign_in"):
    """Record a sign-in for each of these sessions, the oldest first."""
    rows = [
        AuditEvent(at=datetime.now(UTC), kind=kind, user_id=user.pk, session_id=one) for one in sorted(ids)
    ]
    AuditEvent._base_manager.bulk_create(rows, batch_size=500)


def test_the_history_is_read_by_pages_also_among_many_live_sessions(flooded):
    ended = [keys.mint().id for _ in range(120)]
    begun(flooded.user, flooded.ids[:300])
    begun(flooded.user, ended)
    seen = []
    for body, cost in followed(flooded, "/api/auth/sessions/history/?page_size=50"):
        assert len(body["results"]) <= PAGE
        assert cost.read <= 4 * PAGE + FEW
        assert cost.trips <= FEW + MANY / 1000
        seen += [one["id"] for one in body["results"]]
    assert seen == [keys.encode_id(one) for one in sorted(ended, reverse=True)]


def test_a_session_with_many_sign_ins_is_one_in_the_history(flooded):
    old = keys.mint().id
    begun(flooded.user, [old] * 200)
    assert [one.id for one in history_for(flooded.user, 10)] == [old]
    bodies = [body for body, _ in followed(flooded, "/api/auth/sessions/history/?page_size=5")]
    assert [one["id"] for body in bodies for one in body["results"]] == [keys.encode_id(old)]


# Naming


def test_naming_devices_costs_next_to_nothing_whatever_they_call_themselves():
    began = time.process_time()
    for _ in range(100):
        for text in HOSTILE:
            device(text)
    assert time.process_time() - began < 2  # of a second's tenth; 1,100 with regular expressions took minutes


# Tokens


def wanted(user):
    """Ask for a token."""
    body = {"username": user.get_username(), "password": PASSWORD}
    return Client().post("/api/auth/tokens/", body, content_type="application/json")


def test_a_user_has_no_more_tokens_than_a_hundred_unless_the_site_says_so(make_user, settings):
    user = make_user()
    ids = many.make(user, 100, transport=BEARER)
    problem(wanted(user), 409, "too_many_sessions")
    assert len(registry.list_for(user)) == 100
    registry.revoke(ids[0])
    assert wanted(user).status_code == 201
    problem(wanted(user), 409, "too_many_sessions")
    settings.SESSIONKEEPER = {"MAX_TOKENS": 102}
    assert [wanted(user).status_code for _ in range(3)] == [201, 201, 409]


def test_a_token_is_counted_without_reading_the_sessions_in_cookies(flooded):
    with many.counted() as cost:
        assert wanted(flooded.user).status_code == 201
    assert cost.rows <= 2 * FEW
    assert len(cost.statements) <= FEW * 2
    assert cost.commands["hgetall"] <= FEW


def test_refusing_a_token_reads_no_more_than_the_limit(flooded):
    many.make(flooded.user, 100, transport=BEARER)
    with many.counted() as cost:
        problem(wanted(flooded.user), 409, "too_many_sessions")
    assert cost.rows <= 100 + FEW


def test_expired_tokens_do_not_count(make_user):
    user = make_user()
    many.make(user, 60, transport=BEARER, ends_in=timedelta(seconds=-1))
    many.make(user, 60, transport=BEARER, idle=0)
    assert wanted(user).status_code == 201


# Sign-ins, and changes of the user


def test_signing_in_does_not_read_the_other_sessions(flooded):
    body = {"username": flooded.user.get_username(), "password": PASSWORD}
    with many.counted() as cost:
        assert Client().post("/api/auth/login/", body, content_type="application/json").status_code == 200
    assert cost.read <= 2 * FEW
    assert cost.trips <= 2 * FEW


@pytest.mark.parametrize("action", ["end_oldest", "refuse"])
def test_a_limit_of_sessions_reads_no_more_than_it_has_to(flooded, settings, action):
    settings.SESSIONKEEPER = {"MAX_SESSIONS": MANY - 10, "MAX_SESSIONS_ACTION": action}
    body = {"username": flooded.user.get_username(), "password": PASSWORD}
    with many.counted() as cost:
        response = Client().post("/api/auth/login/", body, content_type="application/json")
    assert response.status_code == (200 if action == "end_oldest" else 409)
    if not contents.is_in_valkey():
        assert cost.rows <= (40 if action == "end_oldest" else 1) + 2 * FEW
    live = len(registry.list_for(flooded.user))
    assert live == (MANY - 10 if action == "end_oldest" else MANY + 1)


def test_a_user_who_is_saved_has_the_sessions_read_in_parts(flooded, monkeypatch):
    sizes, read = [], registry.records_of

    def noted(*args):
        records = read(*args)
        sizes.append(len(records))
        return records

    monkeypatch.setattr(registry, "records_of", noted)
    get_user_model()._default_manager.get(pk=flooded.user.pk).save()
    assert max(sizes, default=0) <= 1000
    assert len(registry.list_for(flooded.user)) == MANY + 1


def test_the_command_lists_a_page_of_a_users_sessions(flooded, capsys):
    with many.counted() as cost:
        call_command("sessions", "list", "--user-pk", str(flooded.user.pk))
    assert cost.read <= 2 * PAGE + FEW
    assert len(capsys.readouterr().out.splitlines()) == PAGE + 1
