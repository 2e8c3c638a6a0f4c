"""The same password under a stronger hash keeps the sessions; another password keeps none."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.core.exceptions import PermissionDenied
from django.test import Client

from sessionkeeper.auth import rehashing
from sessionkeeper.core.keys import Secret
from sessionkeeper.engine import registry
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]
HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
]


@pytest.fixture
def user(make_user, settings):
    """A user with a weak hash, who is signed in."""
    settings.PASSWORD_HASHERS = HASHERS
    user = make_user()
    user.password = make_password(PASSWORD, hasher="md5")
    user.save()
    Client().force_login(user)
    return user


def test_sessions_get_the_hash_of_the_new_one(user):
    old = rehashing.valid_hashes(user)
    user.password = make_password(PASSWORD)
    rehashing.replace(user, Secret(PASSWORD), "default")
    [record] = registry.list_for(user)
    assert rehashing.has_hash(record, rehashing.valid_hashes(user))
    assert not rehashing.has_hash(record, old)
    assert json.loads(record.data)[HASH_SESSION_KEY] == user.get_session_auth_hash()
    user.refresh_from_db()
    assert user.password.startswith("pbkdf2")


def test_a_hash_that_another_request_has_renewed_is_taken(user):
    theirs = make_password(PASSWORD)
    type(user)._base_manager.filter(pk=user.pk).update(password=theirs)
    user.password = make_password(PASSWORD)
    rehashing.replace(user, Secret(PASSWORD), "default")
    assert user.password == theirs


def test_a_password_that_was_changed_meanwhile_stays(user):
    changed = make_password("another pass phrase")
    type(user)._base_manager.filter(pk=user.pk).update(password=changed)
    user.password = make_password(PASSWORD)
    with pytest.raises(PermissionDenied):
        rehashing.replace(user, Secret(PASSWORD), "default")
    user.refresh_from_db()
    assert user.password == changed


def test_data_that_cannot_be_read_have_no_hash(user):
    [record] = registry.list_for(user)
    assert not rehashing.has_hash(record._replace(data="["), rehashing.valid_hashes(user))
