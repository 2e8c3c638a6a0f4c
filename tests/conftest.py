"""Fixtures of the whole suite."""

from __future__ import annotations

from itertools import count

import pytest
from django.contrib.auth import get_user_model

PASSWORD = "correct horse battery staple"


@pytest.fixture
def make_user(db):
    """A function that makes a user of whatever model is in force; all have the same password."""
    return new_user


_numbers = count(1)


def new_user(**fields):
    """Make a user with a name of its own."""
    model = get_user_model()
    name = f"person{next(_numbers)}"
    email = f"{name}@example.org"
    fields.setdefault("password", PASSWORD)
    fields.setdefault("email", email)
    if model.USERNAME_FIELD != "email":
        fields.setdefault(model.USERNAME_FIELD, name)
    return model.objects.create_user(**fields)
