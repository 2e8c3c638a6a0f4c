"""A second factor is not passed by: not by a cookie, not by a token, not by proving the password again."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from sessionkeeper.auth import flows
from sessionkeeper.core.errors import SecondFactorRequired
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import AuditEvent
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import AUTH, TRANSPORTS, problem

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]

ENROLLED = set()


def has_factor(user):
    """What a project's own function may look like."""
    return user.pk in ENROLLED


@pytest.fixture(autouse=True)
def _asked(settings):
    settings.SESSIONKEEPER = {"SECOND_FACTOR": f"{__name__}.has_factor"}
    ENROLLED.clear()
    yield
    ENROLLED.clear()


@pytest.mark.rule("R31")
def test_a_password_alone_signs_nobody_in(alice, transport):
    client = TRANSPORTS[transport]()
    ENROLLED.add(alice.pk)
    response = client.log_in(alice)
    problem(response, 401, "second_factor_required")
    assert response["WWW-Authenticate"]
    assert client.key is None
    assert not contents.records()
    assert AuditEvent.objects.filter(kind="second_factor_required").count() == 1


@pytest.mark.rule("R45")
def test_a_second_step_that_is_given_up_leaves_nothing_for_who_signs_in_next(alice, make_user, transport):
    client, bob = TRANSPORTS[transport](), make_user()
    ENROLLED.add(alice.pk)
    client.log_in(alice)
    assert client.log_in(bob).status_code in {200, 201}
    assert alice.get_username() not in client.whoami().content.decode()
    assert contents.data().keys() <= {"_auth_user_id", "_auth_user_backend", "_auth_user_hash"}
    assert contents.record().user_id == bob.pk


def test_a_wrong_password_says_nothing_of_a_factor(alice, transport):
    ENROLLED.add(alice.pk)
    problem(TRANSPORTS[transport]().log_in(alice, "wrong"), 401, "invalid_credentials")


def test_who_has_none_signs_in(sign_in, alice):
    assert sign_in(alice).whoami().status_code == 200


def test_a_password_alone_does_not_reauthenticate(either, alice):
    ENROLLED.add(alice.pk)
    before = either.whoami().json()
    problem(either.send(AUTH + "reauthenticate/", {"password": PASSWORD}), 401, "second_factor_required")
    assert either.whoami().json()["session"]["authenticated_at"] == before["session"]["authenticated_at"]


@pytest.mark.rule("R31")
def test_a_second_step_of_the_project_completes_the_sign_in(alice):
    ENROLLED.add(alice.pk)
    request = RequestFactory().get("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    with pytest.raises(SecondFactorRequired) as info:
        flows.log_in(request, credentials={"username": alice.get_username(), "password": PASSWORD})
    assert request.session.session_key is None
    flows.complete_log_in(request, info.value.user, amr="pwd otp", label="desk")
    row = contents.record()
    assert (row.user_id, row.amr, row.label) == (alice.pk, "pwd otp", "desk")
    assert flows.is_recent(request)


def test_a_program_is_told_too(alice):
    ENROLLED.add(alice.pk)
    request = RequestFactory().get("/")
    request.session = SessionStore()
    with pytest.raises(SecondFactorRequired):
        flows.issue_token(request, credentials={"username": alice.get_username(), "password": PASSWORD})
    assert not contents.records()
