"""The form that the admin signs in with, when somebody has to wait."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.admin.forms import AdminAuthenticationForm

from sessionkeeper.admin import login
from tests.unit.auth.guessing import browser, is_refused, lock, stopped_clock

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.unit.auth.test_lockout")]


@pytest.fixture(autouse=True)
def clock(monkeypatch, settings):
    """Time stands still until it is moved, and our backend stands first."""
    return stopped_clock(monkeypatch, settings)


def test_the_admin_says_in_its_form_how_long(make_user):
    user = make_user(is_staff=True)
    lock(user.get_username())
    response = browser().post(
        "/admin/login/", {"username": user.get_username(), "password": "x"}, headers={"accept": "text/html"}
    )
    assert is_refused(response)
    assert "Try again in 1 minute." in response.text
    assert 'name="password"' in response.text
    assert user.get_username() in response.text


def test_an_admin_that_has_a_form_of_its_own_keeps_it(monkeypatch):
    site = SimpleNamespace(login_form=AdminAuthenticationForm)
    monkeypatch.setattr(login, "admin", SimpleNamespace(site=site))
    login.install()
    assert site.login_form is AdminAuthenticationForm
