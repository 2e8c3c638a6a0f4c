"""A person's own sessions, listed and ended through the API."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import AUTH, Api, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


def signed_in(user, **fields):
    api = Api()
    assert api.log_in(user, **fields).status_code == 200
    return api


def id_of(api):
    return api.whoami().json()["session"]["id"]


def age(api, **delta):
    """Let the last proof of the session's user be so old."""
    contents.set_back("authenticated_at", session_id=keys.parse_id(id_of(api)), **delta)


@pytest.mark.rule("R17")
@pytest.mark.any_user
def test_the_list_has_all_of_the_users_sessions_this_one_first(make_user):
    ann, bob = make_user(), make_user()
    first, second, third = (signed_in(ann, label=label) for label in ("one", "two", "three"))
    signed_in(bob)
    body = second.get(AUTH + "sessions/").json()
    assert body["next"] is None
    assert [entry["id"] for entry in body["results"]] == [id_of(second), id_of(third), id_of(first)]
    assert [entry["current"] for entry in body["results"]] == [True, False, False]
    assert body["results"][1]["label"] == "three"


@pytest.mark.any_user
def test_the_history_has_the_users_ended_sessions_and_how_they_ended(make_user):
    ann, bob = make_user(), make_user()
    out, ended, old, here = (signed_in(ann) for _ in range(4))
    signed_in(bob).log_out()
    ids = [id_of(api) for api in (out, ended, old)]
    assert out.log_out().status_code == 204
    registry.revoke(keys.parse_id(ids[1]), reason="admin")
    end = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    contents.set_times(keys.parse_id(ids[2]), expires_at=end)
    problem(old.whoami(), 401, "not_authenticated")
    assert sum(registry.purge()) == 1
    body = here.get(AUTH + "sessions/history/").json()
    assert [(one["id"], one["how"], one["reason"]) for one in body["results"]] == [
        (ids[2], "expired", ""),
        (ids[1], "revoked", "admin"),
        (ids[0], "sign_out", ""),
    ]
    assert body["next"] is None
    assert body["results"][0]["ended_at"] == end.isoformat().replace("+00:00", "Z")
    assert body["results"][0]["transport"] == "cookie"


def test_the_history_is_for_who_is_signed_in():
    problem(Api().get(AUTH + "sessions/history/"), 401, "not_authenticated")


def test_the_list_leaves_out_expired_sessions(make_user):
    ann = make_user()
    old, new = signed_in(ann), signed_in(ann)
    contents.set_times(keys.parse_id(id_of(old)), expires_at=timezone.now())
    assert len(new.get(AUTH + "sessions/").json()["results"]) == 1


def test_the_list_comes_in_pages(make_user):
    ann = make_user()
    apis = [signed_in(ann) for _ in range(3)]
    body = apis[0].get(AUTH + "sessions/?page_size=2").json()
    assert len(body["results"]) == 2
    rest = apis[0].get(body["next"]).json()
    assert len(rest["results"]) == 1
    assert rest["next"] is None


def test_each_page_leads_to_the_next(make_user):
    ann = make_user()
    apis = [signed_in(ann) for _ in range(8)]
    oldest, seen, address = apis[0], [], AUTH + "sessions/?page_size=2"
    while address is not None:
        body = oldest.get(address).json()
        assert len(body["results"]) == 2
        seen += [entry["id"] for entry in body["results"]]
        address = body["next"]
    assert seen == [id_of(oldest), *map(id_of, reversed(apis[1:]))]
    for before in ("x", keys.encode_id(0)):
        problem(oldest.get(f"{AUTH}sessions/?before={before}"), 404, "not_found")


def test_the_list_is_for_the_signed_in(api):
    problem(api.get(AUTH + "sessions/"), 401, "not_authenticated")


@pytest.mark.any_user
def test_another_own_session_is_ended_and_refused_at_its_next_request(make_user):
    ann = make_user()
    here, there = signed_in(ann), signed_in(ann)
    response = here.send(AUTH + f"sessions/{id_of(there)}/", method="delete")
    assert response.status_code == 204
    problem(there.whoami(), 401, "not_authenticated")
    assert here.whoami().status_code == 200


def test_ending_the_own_session_signs_out(make_user):
    here = signed_in(make_user())
    age(here, days=1)  # no reauthentication is asked for
    response = here.send(AUTH + f"sessions/{id_of(here)}/", method="delete")
    assert response.status_code == 204
    assert response.cookies["sessionid"].value == ""
    problem(here.whoami(), 401, "not_authenticated")


@pytest.mark.parametrize("name", ["AAAAAAAAAAA", "!", "DKuPsh4zVXENgiX1", "x" * 500, "%00", "é"])
def test_what_is_no_own_session_is_not_found(make_user, name):
    here = signed_in(make_user())
    problem(here.send(AUTH + f"sessions/{name}/", method="delete"), 404, "not_found")


@pytest.mark.rule("R46")
def test_another_users_session_looks_as_if_it_never_was(make_user):
    here, theirs = signed_in(make_user()), signed_in(make_user())
    unknown = here.send(AUTH + "sessions/AAAAAAAAAAA/", method="delete")
    foreign = here.send(AUTH + f"sessions/{id_of(theirs)}/", method="delete")
    assert foreign.status_code == 404
    assert foreign.content == unknown.content
    assert theirs.whoami().status_code == 200


@pytest.mark.rule("R17")
def test_ending_others_asks_for_reauthentication_and_takes_it(make_user):
    ann = make_user()
    here, there = signed_in(ann), signed_in(ann)
    target = AUTH + f"sessions/{id_of(there)}/"
    age(here, minutes=16)
    problem(here.send(target, method="delete"), 403, "reauthentication_required")
    problem(here.send(AUTH + "sessions/revoke-others/"), 403, "reauthentication_required")
    problem(here.send(AUTH + "sessions/revoke-all/"), 403, "reauthentication_required")
    assert there.whoami().status_code == 200
    before = here.key
    assert here.send(AUTH + "reauthenticate/", {"password": PASSWORD}).status_code == 200
    assert here.key != before
    assert here.send(target, method="delete").status_code == 204


@pytest.mark.rule("R17")
def test_revoke_others_ends_all_but_this_one(make_user):
    ann = make_user()
    here, *others = (signed_in(ann) for _ in range(3))
    stranger = signed_in(make_user())
    assert here.send(AUTH + "sessions/revoke-others/").json() == {"revoked": 2}
    assert here.whoami().status_code == 200
    assert stranger.whoami().status_code == 200
    for other in others:
        problem(other.whoami(), 401, "not_authenticated")


def test_revoke_all_ends_this_one_too(make_user):
    ann = make_user()
    here, there = signed_in(ann), signed_in(ann)
    response = here.send(AUTH + "sessions/revoke-all/")
    assert response.json() == {"revoked": 2}
    assert response.cookies["sessionid"].value == ""
    for api in (here, there):
        problem(api.whoami(), 401, "not_authenticated")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("sessions/AAAAAAAAAAA/", "delete"),
        ("sessions/revoke-others/", "post"),
        ("sessions/revoke-all/", "post"),
        ("reauthenticate/", "post"),
        ("password/change/", "post"),
        ("password/reset/", "post"),
        ("password/reset/confirm/", "post"),
    ],
)
def test_every_unsafe_endpoint_is_csrf_checked_and_uncached(make_user, path, method):
    here = signed_in(make_user())
    response = getattr(here, method)(AUTH + path, {}, content_type="application/json")
    problem(response, 403, "csrf_token_missing")
    assert "no-store" in response["Cache-Control"]


# reauthenticate/


def test_reauthentication_answers_as_session_does(make_user):
    here = signed_in(make_user())
    age(here, days=1)
    body = here.send(AUTH + "reauthenticate/", {"password": PASSWORD}).json()
    assert body == here.whoami().json()
    assert body["session"]["amr"] == ["pwd"]


# throttles


@override_settings(SESSIONKEEPER={"SOURCE_TRIES": 3})
def test_tries_from_one_address_are_limited_whatever_it_claims(make_user):
    answers = [
        Api().log_in(make_user(), password="wrong", headers={"X-Forwarded-For": f"10.0.0.{n}"})
        for n in range(4)
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    problem(answers[3], 429, "throttled")
    assert int(answers[3]["Retry-After"]) > 0


class Counted(Client):
    """A browser that keeps which statements on sessions its last request took."""

    def send(self, path, body=None, method="post"):
        """Send JSON from a page of the site's own."""
        with CaptureQueriesContext(connection) as captured:
            response = self.generic(
                method.upper(),
                AUTH + path,
                json.dumps(body or {}),
                "application/json",
                headers={"sec-fetch-site": "same-origin"},
            )
        assert response.status_code < 300
        table = f'"{Session._meta.db_table}"'
        self.kinds = [query["sql"].split()[0] for query in captured if table in query["sql"]]
        return response.json() if response.content else None


@pytest.mark.database_store_only("Valkey takes no statements for these")
def test_nothing_is_read_back_that_was_written(make_user):
    ann, browser = make_user(), Counted()
    login = {"username": ann.get_username(), "password": PASSWORD}
    body = browser.send("login/", login)
    assert browser.kinds == ["INSERT"]
    assert body["session"] == browser.send("session/", method="get")["session"]
    program = Counted()
    token = program.send("tokens/", login)["session"]
    assert program.kinds[-2:] == ["SELECT", "INSERT"]  # how many the user has, under a lock
    listed = {one["id"]: one for one in browser.send("sessions/", method="get")["results"]}
    assert listed[token["id"]] == token
    for path in ("login/", "reauthenticate/"):
        body = browser.send(path, login)
        assert browser.kinds == ["SELECT", "UPDATE", "UPDATE"]
        assert body["session"] == browser.send("session/", method="get")["session"]


@pytest.mark.database_store_only("Valkey takes no statements for these")
def test_an_own_session_is_read_once_before_it_is_ended(make_user):
    ann = make_user()
    here, there, third = Counted(), Counted(), Counted()
    login = {"username": ann.get_username(), "password": PASSWORD}
    ids = [one.send("login/", login)["session"]["id"] for one in (here, there, third)]
    here.send(f"sessions/{ids[1]}/", method="delete")
    # The request's own session, whose the other one is, and its end.
    assert here.kinds == ["SELECT", "SELECT", "DELETE"]
    assert here.send("sessions/revoke-others/") == {"revoked": 1}
    assert here.kinds == ["SELECT", "DELETE"]
