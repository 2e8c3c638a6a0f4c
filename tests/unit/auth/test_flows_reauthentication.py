"""A fresh proof: what counts as one, how long, and what it leaves as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.test import override_settings

from sessionkeeper.auth import flows
from sessionkeeper.core import keys
from sessionkeeper.stores.factory import get_store
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


@pytest.mark.rule("R30")
@override_settings(SESSIONKEEPER={"REAUTHENTICATE_AFTER": timedelta(hours=1)})
def test_how_long_a_proof_counts_is_a_setting(make_user):
    here = signed_in(make_user())
    age(here, minutes=59)
    assert here.send(AUTH + "sessions/revoke-others/").json() == {"revoked": 0}


def test_a_wrong_password_proves_nothing(make_user):
    here = signed_in(make_user())
    age(here, days=1)
    response = here.send(AUTH + "reauthenticate/", {"password": "wrong"})
    problem(response, 401, "invalid_credentials")
    assert "WWW-Authenticate" in response
    problem(here.send(AUTH + "sessions/revoke-others/"), 403, "reauthentication_required")
    assert here.whoami().status_code == 200


@pytest.mark.rule("R04")
def test_the_old_key_is_dead_after_reauthentication(make_user):
    here = signed_in(make_user())
    thief = Api()
    thief.key = here.key
    here.send(AUTH + "reauthenticate/", {"password": PASSWORD})
    problem(thief.whoami(), 401, "not_authenticated")
    assert here.whoami().status_code == 200


@pytest.mark.any_user
@pytest.mark.parametrize("how", ["ended", "renewed"])
def test_reauthentication_in_a_session_that_changed_meanwhile_begins_no_other(make_user, how, monkeypatch):
    here = signed_in(make_user())
    pk = keys.parse_id(id_of(here))
    authenticate = flows.auth.authenticate

    def meanwhile(*args, **credentials):
        if how == "ended":
            contents.drop(pk)
        else:
            get_store().rotate(pk, contents.record(pk).secret_hash, b"x" * 32, b"y" * 32)
        return authenticate(*args, **credentials)

    monkeypatch.setattr(flows.auth, "authenticate", meanwhile)
    response = here.send(AUTH + "reauthenticate/", {"password": PASSWORD})
    problem(response, 409, "session_ended" if how == "ended" else "session_rotated")
    assert contents.count() == (how == "renewed")


@override_settings(
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
)
def test_a_password_hashed_anew_by_reauthentication_signs_nobody_out(make_user):
    ann = make_user()
    here = signed_in(ann)
    ann.password = make_password(PASSWORD, hasher="md5")
    ann.save()
    here = Api()
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        assert here.log_in(ann).status_code == 200
    assert here.send(AUTH + "reauthenticate/", {"password": PASSWORD}).status_code == 200
    ann.refresh_from_db()
    assert ann.password.startswith("pbkdf2")
    assert here.whoami().status_code == 200
