"""Accounts as sign-in forms name them: one spelling for all that a backend may take for the same account."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import Q

from sessionkeeper.core.text import is_storable
from sessionkeeper.engine.users import email_of
from sessionkeeper.stores import user_keys

# Under these names the backends of Django, allauth and many projects take a name.
_NAMES = ("username", "login", "email", "phone")
_LONGEST = 320
_REFUSED = (ValidationError, ValueError, TypeError, OverflowError)


class Account(NamedTuple):
    """What is known of the account that was named. ``user_id`` None: nobody has the name."""

    user_id: Any
    is_active: bool


def name_in(credentials: Mapping[str, Any]) -> str | None:
    """Return the name in what ``authenticate()`` was given, as it was typed; None where there is none."""
    for field in (getattr(user_keys.user_model(), "USERNAME_FIELD", "username"), *_NAMES):
        value = credentials.get(field)
        if isinstance(value, str) and value:
            return value
    return None


def names_of(user: Any) -> list[str]:
    """Return the names by which somebody may sign in as this user: the user name and the e-mail address."""
    names = (user.get_username() if hasattr(user, "get_username") else "", email_of(user))
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def normal(name: str) -> str:
    """Return the one spelling of a name. Looser than account lookups are, so that no spelling gets round it.

    Case, compatibility forms (NFKC), accents, spaces and invisible characters make no difference.
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    kept = (char for char in text if unicodedata.category(char)[0] not in "MCZ")
    return unicodedata.normalize("NFC", "".join(kept))[:_LONGEST]


def find(name: str) -> Account:
    """Return the account with this name or e-mail address. One query; never raises for a strange name."""
    nobody = Account(None, is_active=False)
    model: Any = user_keys.user_model()
    if model is None or not is_plain(name):
        return nobody
    wanted = Q(**{model.USERNAME_FIELD: name})
    email = model.get_email_field_name() if hasattr(model, "get_email_field_name") else None
    if "@" in name and email in {field.name for field in model._meta.get_fields()}:
        wanted |= Q(**{f"{email}__iexact": name})
    has_switch = any(field.name == "is_active" for field in model._meta.get_fields())
    try:
        row = model._default_manager.filter(wanted).values_list("pk", *(["is_active"] if has_switch else []))[
            :1
        ]
        return next((Account(one[0], bool(one[-1]) or not has_switch) for one in row), nobody)
    except _REFUSED:
        return nobody


def is_plain(text: str) -> bool:
    """Whether this text can be looked for in a database."""
    return len(text) <= _LONGEST and is_storable(text)
