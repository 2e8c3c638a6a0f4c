"""Whether our columns can hold the primary keys of the current user model.

The columns were made for the user model at the start of the process. A test may set ``AUTH_USER_MODEL`` to a
model with another type of primary key, or to a missing one. Users of such a model have sessions too, but the
columns stay empty for them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured


def user_model() -> Any:
    """Return the user model, or None if ``AUTH_USER_MODEL`` is invalid."""
    try:
        return get_user_model()
    except ImproperlyConfigured:
        return None


def fit() -> bool:
    """Whether our columns can hold the primary keys of the user model."""
    model = user_model()
    return model is not None and _fit(model)


def held(user_id: Any) -> Any:
    """Return a user's primary key, or None if our columns cannot hold it."""
    return user_id if user_id is not None and fit() else None


@lru_cache(maxsize=8)
def _fit(model: Any) -> bool:
    from sessionkeeper.models import Session  # once the application registry is ready

    key, column = plain_field(model._meta.pk), plain_field(Session._meta.get_field("user"))
    return key is column or key.get_internal_type() == column.get_internal_type()


def plain_field(field: Any) -> Any:
    """Return the field that holds the values of a key: the parent's, for a model that inherits it."""
    while field.is_relation:
        field = field.target_field
    return field
