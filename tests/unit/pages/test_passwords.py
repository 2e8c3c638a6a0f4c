"""The pages that change a password and reset it."""

from __future__ import annotations

import re

import pytest
from django.core import mail

from sessionkeeper.auth import receivers as our_mail
from tests.conftest import PASSWORD
from tests.http.pages_site import NEW, Visitor, grow_old, who

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.http.pages_site"),
    pytest.mark.usefixtures("with_and_without_login_required"),
]


@pytest.mark.rule("R16")
def test_a_changed_password_signs_out_everywhere_else(signed_in, alice):
    other = Visitor()
    other.log_in(alice)
    fields = {"current_password": PASSWORD, "new_password": NEW, "again": NEW}
    assert signed_in.submit("/auth/password/change/", **fields)["Location"] == "/auth/sessions/?done=password"
    assert (bool(who(signed_in)), who(other)) == (True, "")
    assert Visitor().log_in(alice, NEW).status_code == 302


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"current_password": "wrong"}, "This is not the password."),
        ({"again": "another"}, "The two new passwords are not the same."),
        ({"new_password": ""}, "This field is required."),
    ],
)
def test_a_refused_change_says_why_and_changes_nothing(signed_in, alice, fields, says):
    given = {"current_password": PASSWORD, "new_password": NEW, "again": NEW, **fields}
    answer = signed_in.submit("/auth/password/change/", **given)
    assert answer.status_code == 400
    assert says in answer.content.decode()
    assert NEW not in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_the_proof_for_a_change_is_asked_before_anything_is_typed(signed_in):
    grow_old()
    answer = signed_in.get("/auth/password/change/")
    assert answer["Location"] == "/auth/reauthenticate/?next=%2Fauth%2Fpassword%2Fchange%2F"
    assert signed_in.submit(answer["Location"], password=PASSWORD)["Location"] == "/auth/password/change/"


def test_a_reset_by_mail_sets_the_password(visitor, signed_in, alice):
    answer = visitor.submit("/auth/password/reset/", email=alice.email)
    assert answer["Location"] == "/auth/password/reset/sent/"
    our_mail.wait()
    link = re.search(r"http://testserver(\S+)", mail.outbox[0].body)[1]
    other = Visitor()
    page = other.get(link)["Location"]
    assert other.submit(page, new_password=NEW, again=NEW)["Location"] == "/auth/password/reset/done/"
    assert who(signed_in) == ""
    assert other.log_in(alice, NEW).status_code == 302
    spent = other.get(link, follow=True)
    assert spent.status_code == 400
    assert "no longer works" in spent.content.decode()


@pytest.mark.rule("R34")
def test_a_reset_does_not_tell_whether_somebody_has_the_address(visitor, alice):
    answers = [
        visitor.submit("/auth/password/reset/", email=one) for one in (alice.email, "nobody@example.org")
    ]
    our_mail.wait()
    assert len({(answer.status_code, answer["Location"]) for answer in answers}) == 1
    assert len(mail.outbox) == 1


def test_mails_are_limited(visitor, alice):
    codes = [visitor.submit("/auth/password/reset/", email="a@example.org").status_code for _ in range(12)]
    assert codes == [302] * 10 + [429] * 2
