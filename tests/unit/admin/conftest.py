"""Who may see the list of sessions, and whose sessions it shows."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from tests.unit.admin.listed import signed_in


@pytest.fixture
def boss(make_user):
    """A client of a superuser."""
    return signed_in(make_user(is_staff=True, is_superuser=True))


@pytest.fixture
def person(make_user):
    """A user with a session."""
    return make_user()


@pytest.fixture
def clerk(make_user):
    """A function that makes a client of a staff member with these permissions."""

    def make(*names):
        user = make_user(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=[f"{n}_session" for n in names]))
        return signed_in(user)

    return make
