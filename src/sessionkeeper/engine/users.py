"""Finds users by key, name or e-mail address, also those that a manager hides, and names them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import router
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from sessionkeeper.core.records import SessionRecord
from sessionkeeper.core.text import is_storable, json_key
from sessionkeeper.stores import user_keys

_BATCH = 200
#: The most users that a search finds when they are in another database than the rows.
_MOST_USERS = 1000
# Under these names the backends of Django, allauth and many projects take a name.
_NAMES = ("username", "login", "email", "phone")
_LONGEST = 320
_REFUSED = (ValidationError, ValueError, TypeError, OverflowError)


def users() -> QuerySet[Any]:
    """All users, also those whom a manager hides, from where users live."""
    model: type[Model] = get_user_model()
    return model._base_manager.using(router.db_for_read(model))


def find(pk: Any) -> Any:
    """Return the user with this key, or None where there is none any more."""
    return users().filter(pk=pk).first()


def of_request(request: HttpRequest | None, pk: Any) -> Any:
    """Return the user with this key, without a query where the request has it; None where there is none."""
    # What is lazy still is not asked: it may be about the user before this sign-in.
    known: Any = vars(request).get("user") if hasattr(request, "__dict__") else None
    if known is not None and getattr(known, "_wrapped", known) is known and known.pk == pk:
        return known
    cached = getattr(request, "_cached_user", None)
    return cached if cached is not None and cached.pk == pk else find(pk)


def email_of(user: Any) -> str:
    """Return a user's e-mail address; empty where the user model has none."""
    return getattr(user, email_field(user), "") or ""


def email_field(model: Any) -> str:
    """Return the name of the user model's e-mail field; empty if it has none."""
    return model.get_email_field_name() if hasattr(model, "get_email_field_name") else ""


def as_dict(user: Any) -> dict[str, Any]:
    """Return a user for the user's own eyes, ready for JSON."""
    return {"id": json_key(user.pk), "username": user.get_username(), "email": email_of(user)}


def with_names(records: Iterable[SessionRecord]) -> Iterator[tuple[SessionRecord, str | None]]:
    """Yield each record with its user's name, None where there is no (or no longer a) user."""
    rest = iter(records)
    while batch := list(islice(rest, _BATCH)):
        found = users().in_bulk({record.user_id for record in batch if record.user_id is not None})
        for record in batch:
            user = found.get(record.user_id)
            yield record, None if user is None else user.get_username()


def name_of(user: Any, pk: Any) -> str:
    """Return the name of a user whose key is ``pk``, and who may have been deleted."""
    return _("(deleted user %(id)s)") % {"id": pk} if user is None else str(user.get_username())


def of_users_named(term: str, rows: QuerySet[Any]) -> Q:
    """Return the condition that the ``user`` of one of the ``rows`` has this name or e-mail address."""
    named = users_named(term)
    if named.db == rows.db:
        return Q(user_id__in=named)
    return Q(user_id__in=list(named.values_list("pk", flat=True)[:_MOST_USERS]))


def users_named(term: str) -> QuerySet[Any]:
    """Return the keys of the users with this name or e-mail address."""
    model: Any = get_user_model()
    wanted = Q(pk__in=())
    for name in {model.USERNAME_FIELD, getattr(model, "EMAIL_FIELD", "")}:
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        if not field.is_relation:
            wanted |= Q(**{f"{name}__icontains": term})
    return users().filter(wanted).values("pk")


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


def account_named(name: str) -> Account:
    """Return the account with this name or e-mail address. One query; never raises for a strange name."""
    nobody = Account(None, is_active=False)
    model: Any = user_keys.user_model()
    if model is None or not is_plain(name):
        return nobody
    wanted = Q(**{model.USERNAME_FIELD: name})
    email = email_field(model)
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
