"""Password change and reset through the API."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import override_settings

from sessionkeeper.auth import receivers as our_mail
from sessionkeeper.auth import unlocking
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import AUTH, Api, problem

NEW = "a-much-longer-horse-than-before"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.api_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


def signed_in(user, password=PASSWORD):
    api = Api()
    assert api.log_in(user, password=password).status_code == 200
    return api


def change(api, current=PASSWORD, new=NEW):
    return api.send(AUTH + "password/change/", {"current_password": current, "new_password": new})


@pytest.mark.rule("R16")
@pytest.mark.any_user
def test_a_change_ends_the_other_sessions_and_renews_this_key(make_user):
    ann = make_user()
    here, there = signed_in(ann), signed_in(ann)
    before = here.key
    assert change(here).status_code == 204
    assert here.key != before
    assert here.whoami().status_code == 200
    problem(there.whoami(), 401, "not_authenticated")
    assert contents.count() == 1
    ann.refresh_from_db()
    assert ann.check_password(NEW)


def test_a_wrong_current_password_is_a_400_of_that_field(make_user):
    here = signed_in(make_user())
    response = change(here, current="wrong")
    problem(response, 400, "invalid")
    assert list(response.json()["errors"]) == ["current_password"]


@pytest.mark.rule("R37")
@override_settings(
    AUTH_PASSWORD_VALIDATORS=[
        {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
        {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    ]
)
def test_the_projects_validators_are_asked(make_user):
    here = signed_in(make_user())
    response = change(here, new="1234")
    problem(response, 400, "invalid")
    assert len(response.json()["errors"]["new_password"]) == 2


@pytest.mark.rule("R37")
def test_a_long_password_of_any_characters_counts_whole_and_as_it_is(make_user):
    """The whole string, blanks included, and no rule of what it is made of (NIST SP 800-63B-4, 3.1.1.2)."""
    ann = make_user()
    long = " all lower case, ünd so weiter 漢字 " + "x" * 3000 + "y "
    assert change(signed_in(ann), new=long).status_code == 204
    assert Api().log_in(ann, password=long).status_code == 200
    for other in (long[:-1], long[1:], long[:72], long[:-2] + "z ", long.upper(), long.strip()):
        assert Api().log_in(ann, password=other).status_code == 401
        unlocking.unlock(ann.get_username(), reason="command")


def test_a_change_asks_for_reauthentication(make_user):
    here = signed_in(make_user())
    contents.set_back("authenticated_at", minutes=16)
    problem(change(here), 403, "reauthentication_required")


def test_a_change_is_for_the_signed_in(api):
    problem(change(api), 401, "not_authenticated")


@pytest.mark.parametrize("body", [{}, {"current_password": 1, "new_password": []}, {"new_password": "x\0"}])
def test_a_change_with_fields_missing_or_of_other_types_is_a_400(make_user, body):
    problem(signed_in(make_user()).send(AUTH + "password/change/", body), 400, "invalid")


def reset_values(body):
    """Return uid and token of a mail."""
    return re.search(r"uid: (\S+)", body)[1], re.search(r"token: (\S+)", body)[1]


def ask(api, email):
    response = api.send(AUTH + "password/reset/", {"email": email})
    our_mail.wait()
    return response


def confirm(api, uid, token, new=NEW):
    return api.send(AUTH + "password/reset/confirm/", {"uid": uid, "token": token, "new_password": new})


@pytest.mark.rule("R16")
@pytest.mark.any_user
def test_a_reset_by_mail_sets_the_password_and_ends_all_sessions(make_user):
    ann = make_user(email="ann@example.org")
    signed = signed_in(ann)
    visitor = Api()
    assert ask(visitor, "ann@example.org").status_code == 204
    (message,) = mail.outbox
    assert message.to == ["ann@example.org"]
    uid, token = reset_values(message.body)
    assert confirm(visitor, uid, token).status_code == 204
    problem(signed.whoami(), 401, "not_authenticated")
    signed_in(ann, password=NEW)
    problem(confirm(visitor, uid, token), 400, "invalid_reset_token")


@pytest.mark.rule("R34")
def test_the_answer_does_not_tell_whether_somebody_has_the_address(make_user):
    make_user(email="ann@example.org")
    known, unknown = ask(Api(), "ann@example.org"), ask(Api(), "nobody@example.org")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (204, b"")
    assert ask(Api(), "not an address").status_code == 204
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("uid", "token"),
    [("", ""), ("x", "y"), ("MQ", "c1-0"), ("é", "\n"), ("MQ", "x" * 200), ("_____w", "a-b")],
)
def test_what_is_no_token_of_ours_is_a_400(api, uid, token):
    assert confirm(api, uid, token).status_code == 400


@override_settings(
    AUTH_PASSWORD_VALIDATORS=[{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
)
def test_a_refused_password_leaves_the_token_good(make_user):
    make_user(email="ann@example.org")
    ask(Api(), "ann@example.org")
    uid, token = reset_values(mail.outbox[0].body)
    visitor = Api()
    problem(confirm(visitor, uid, token, new="short"), 400, "invalid")
    assert confirm(visitor, uid, token).status_code == 204
