"""The session auth hash is computed once for each hash of a password."""

from __future__ import annotations

import pytest

from sessionkeeper.stores.database import user_query
from tests.unit.middleware.visiting import Visit, session_of

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


@pytest.fixture(params=["sync", "async"])
def flavour(request):
    """Sync or async."""
    return request.param


def test_the_hash_of_a_password_seen_before_is_not_computed_again(make_user, flavour, monkeypatch):
    user = make_user()
    key = session_of(user)
    assert user_query.hash_is_djangos(type(user))  # which computes one, once
    user_query.hash_of_password.cache_clear()
    computed = []
    real = user_query.salted_hmac
    monkeypatch.setattr(
        user_query, "salted_hmac", lambda *args, **kwargs: computed.append(1) or real(*args, **kwargs)
    )
    for _ in range(3):
        assert Visit(key, flavour).user == user
    assert len(computed) == 1


def test_a_hash_of_the_projects_own_is_asked_every_time(make_user, flavour, monkeypatch):
    user = make_user()
    monkeypatch.setattr(type(user), "get_session_auth_hash", lambda self: "own" + str(self.pk))
    key = session_of(user)
    assert Visit(key, flavour).user == user
    monkeypatch.setattr(type(user), "get_session_auth_hash", lambda self: "other")
    assert not Visit(key, flavour).user.is_authenticated
