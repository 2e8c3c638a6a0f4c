"""Other people's second factors are asked: allauth.mfa's and django-otp's."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.test import RequestFactory
from django_otp.plugins.otp_static.models import StaticDevice

from sessionkeeper.auth import flows
from sessionkeeper.core.errors import SecondFactorRequired
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.models import Session
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def log_in(user):
    request = RequestFactory().get("/")
    request.session = SessionStore()
    return flows.log_in(request, credentials={"username": user.get_username(), "password": PASSWORD})


def test_who_has_no_factor_signs_in(make_user):
    user = make_user()
    assert log_in(user) == user


def test_who_has_one_in_allauth_does_not(make_user):
    user = make_user()
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    with pytest.raises(SecondFactorRequired):
        log_in(user)
    assert not Session.objects.exists()


def test_who_has_a_confirmed_device_in_django_otp_does_not(make_user):
    user = make_user()
    device = StaticDevice.objects.create(user=user, name="paper", confirmed=False)
    assert log_in(user) == user
    device.confirmed = True
    device.save()
    with pytest.raises(SecondFactorRequired):
        log_in(user)
