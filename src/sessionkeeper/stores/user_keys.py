"""Whether our tables hold the keys of the users of now.

The columns that name users were made for the user model that was there when the process started. A test may
set ``AUTH_USER_MODEL`` to a model with another kind of key, or to none. Its users have sessions, which Django
opens; the columns stay empty for them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured


def user_model() -> Any:
    """Return the user model, or None where ``AUTH_USER_MODEL`` names none."""
    try:
        return get_user_model()
    except ImproperlyConfigured:
        return None


def fit() -> bool:
    """Whether our columns hold the keys of the user model."""
    model = user_model()
    return model is not None and _fit(model)


def held(user_id: Any) -> Any:
    """Return a user's primary key as our columns have it: None where they cannot hold it."""
    return user_id if user_id is not None and fit() else None


@lru_cache(maxsize=8)
def _fit(model: Any) -> bool:
    from sessionkeeper.models import Session  # once the application registry is ready

    key, column = plain_field(model._meta.pk), plain_field(Session._meta.get_field("user"))
    return key is column or key.get_internal_type() == column.get_internal_type()


def plain_field(field: Any) -> Any:
    """Return the field that holds the values of a key: that of the parent, where a model inherits it."""
    while field.is_relation:
        field = field.target_field
    return field
