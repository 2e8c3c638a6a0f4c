"""Password change and reset: what happens meanwhile, and the mail."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core import mail
from django.test import RequestFactory
from django.utils.translation import get_language, override
from django.views.debug import ExceptionReporter

from sessionkeeper.auth import passwords
from sessionkeeper.auth import receivers as our_mail
from sessionkeeper.engine import registry
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


def ended_meanwhile(monkeypatch, act):
    """Let ``act`` happen after the password was checked and before anything is written."""
    check = passwords._check

    def meanwhile(*args):
        act()
        return check(*args)

    monkeypatch.setattr(passwords, "_check", meanwhile)


def test_a_session_that_is_ended_meanwhile_changes_no_password(make_user, monkeypatch):
    ann = make_user()
    here = signed_in(ann)
    ended_meanwhile(monkeypatch, contents.drop)
    problem(change(here), 409, "session_ended")
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)
    assert not contents.records()


@pytest.mark.any_user
def test_of_two_changes_at_once_the_second_does_not_undo_the_first(make_user, monkeypatch):
    ann = make_user()
    here = signed_in(ann)
    other = make_password("what-the-other-one-chose")
    ended_meanwhile(monkeypatch, lambda: type(ann).objects.filter(pk=ann.pk).update(password=other))
    problem(change(here), 400, "invalid")
    ann.refresh_from_db()
    assert ann.check_password("what-the-other-one-chose")


def test_a_mail_is_in_the_language_of_who_asked(make_user, monkeypatch):
    make_user(email="ann@example.org")
    languages = []
    monkeypatch.setattr(
        passwords.PasswordResetForm, "send_mail", lambda *args, **kwargs: languages.append(get_language())
    )
    with override("de"):
        passwords.request_reset(RequestFactory().get("/"), "ann@example.org")
    our_mail.wait()
    assert languages == ["de"]


def test_a_user_model_without_addresses_gets_nobody_a_mail(make_user, monkeypatch, caplog):
    monkeypatch.setattr(get_user_model(), "EMAIL_FIELD", "nothing_like_it", raising=False)
    assert ask(Api(), "ann@example.org").status_code == 204
    assert "lacks a field" in caplog.text


def test_a_report_of_an_error_holds_no_password(make_user, monkeypatch):
    here = signed_in(make_user())

    def fail(*args, **options):
        raise RuntimeError

    monkeypatch.setattr(registry, "revoke_all", fail)
    with pytest.raises(RuntimeError) as info:
        change(here)
    frames = ExceptionReporter(None, info.type, info.value, info.tb).get_traceback_frames()
    assert {"change_password", "post"} <= {frame["function"] for frame in frames}
    ours = [frame for frame in frames if "sessionkeeper" in frame["filename"]]  # not the test's own
    assert NEW not in repr([frame["vars"] for frame in ours])


def ask(api, email):
    response = api.send(AUTH + "password/reset/", {"email": email})
    our_mail.wait()
    return response


def test_a_disabled_user_gets_no_mail(make_user):
    make_user(email="ann@example.org", is_active=False)
    assert ask(Api(), "ann@example.org").status_code == 204
    assert mail.outbox == []


def test_a_mail_that_cannot_be_sent_is_logged_and_not_answered(make_user, monkeypatch, caplog):
    make_user(email="ann@example.org")

    def refuse(*args, **options):
        raise OSError("no mail today")

    monkeypatch.setattr("django.core.mail.message.EmailMessage.send", refuse)
    assert ask(Api(), "ann@example.org").status_code == 204
    assert "no mail today" in caplog.text
