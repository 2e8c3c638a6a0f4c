"""Whether our columns hold the keys of the user model."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from sessionkeeper.stores import codec

pytestmark = pytest.mark.django_db


@pytest.mark.any_user
def test_the_users_that_the_columns_were_made_for_fit(make_user):
    user = make_user()
    assert codec.fit()
    assert codec.user_model() is get_user_model()
    assert codec.held(user.pk) == user.pk
    assert codec.held(None) is None


def test_users_with_keys_of_another_kind_are_not_held(settings):
    settings.AUTH_USER_MODEL = "sessions.Session"  # its key is a text
    assert not codec.fit()
    assert codec.held("abc") is None


def test_a_model_that_is_not_there_holds_nobody(settings):
    settings.AUTH_USER_MODEL = "nowhere.Nobody"
    assert codec.user_model() is None
    assert not codec.fit()
