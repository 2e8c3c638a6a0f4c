"""Finds users by key, name or e-mail address, also those that a manager hides, and names them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import router
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import SessionRecord, is_storable
from sessionkeeper.stores import codec
from sessionkeeper.stores.codec import json_key

_BATCH = 200
#: The most users that a search finds when they are in another database than the rows.
_MOST_USERS = 1000
# Under these names the backends of Django, allauth and many projects take a name.
_NAMES = ("username", "login", "email", "phone")
_LONGEST = 320
_REFUSED = (ValidationError, ValueError, TypeError, OverflowError)


def users() -> QuerySet[Any]:
    """Return all users, also those that a manager hides."""
    model: type[Model] = get_user_model()
    return model._base_manager.using(router.db_for_read(model))


def find(pk: Any) -> Any:
    """Return the user with this key, or None."""
    return users().filter(pk=pk).first()


def of_request(request: HttpRequest | None, pk: Any) -> Any:
    """Return the user with this key, without a query if the request has loaded it; None if there is none."""
    # Do not evaluate a lazy user: it may be the user before this sign-in.
    known: Any = vars(request).get("user") if hasattr(request, "__dict__") else None
    if known is not None and getattr(known, "_wrapped", known) is known and known.pk == pk:
        return known
    cached = getattr(request, "_cached_user", None)
    return cached if cached is not None and cached.pk == pk else find(pk)


def email_of(user: Any) -> str:
    """Return a user's e-mail address; empty if there is none."""
    return getattr(user, email_field(user), "") or ""


def email_field(model: Any) -> str:
    """Return the name of the user model's e-mail field; empty if it has none."""
    return model.get_email_field_name() if hasattr(model, "get_email_field_name") else ""


def as_dict(user: Any) -> dict[str, Any]:
    """Return what the API tells a user about themselves, ready for JSON."""
    return {"id": json_key(user.pk), "username": user.get_username(), "email": email_of(user)}


def with_names(records: Iterable[SessionRecord]) -> Iterator[tuple[SessionRecord, str | None]]:
    """Yield each record with its user's name, None if there is no user (any more)."""
    rest = iter(records)
    while batch := list(islice(rest, _BATCH)):
        found = users().in_bulk({record.user_id for record in batch if record.user_id is not None})
        for record in batch:
            user = found.get(record.user_id)
            yield record, None if user is None else user.get_username()


def name_of(user: Any, pk: Any) -> str:
    """Return the name of a user whose key is ``pk``, who may have been deleted."""
    return _("(deleted user %(id)s)") % {"id": pk} if user is None else str(user.get_username())


def of_users_named(term: str, rows: QuerySet[Any]) -> Q:
    """Return the condition that the user of one of the ``rows`` has this name or e-mail address."""
    named = users_named(term)
    if named.db == rows.db:
        return Q(user_id__in=named)
    return Q(user_id__in=list(named.values_list("pk", flat=True)[:_MOST_USERS]))


def users_named(term: str) -> QuerySet[Any]:
    """Return the keys of the users with this name or e-mail address."""
    model: Any = get_user_model()
    names, wanted = {model.USERNAME_FIELD, email_field(model)}, Q(pk__in=())
    for field in model._meta.get_fields():
        if field.name in names and not field.is_relation:
            wanted |= Q(**{f"{field.name}__icontains": term})
    return users().filter(wanted).values("pk")


class Account(NamedTuple):
    """An account that was looked up by name. ``user_id`` is None if there is no such account."""

    user_id: Any
    is_active: bool


def masked(credentials: Secret[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the arguments of ``authenticate()``, each hidden that is neither a name nor None."""
    return {
        field: credentials.value[field]
        if field in _name_fields() or credentials.value[field] is None
        else Secret(credentials.value[field])
        for field in credentials.value
    }


def _name_fields() -> tuple[str, ...]:
    return (getattr(codec.user_model(), "USERNAME_FIELD", "username"), *_NAMES)


def name_in(credentials: Mapping[str, Any]) -> str | None:
    """Return the name in the arguments of ``authenticate()``, as it was typed, or None."""
    for field in _name_fields():
        value = credentials.get(field)
        if isinstance(value, str) and value:
            return value
    return None


def names_of(user: Any) -> list[str]:
    """Return the names by which the user may sign in: the user name and the e-mail address."""
    names = (user.get_username() if hasattr(user, "get_username") else "", email_of(user))
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def normal(name: str) -> str:
    """Return one spelling for all names that a backend may take for the same account.

    Ignores case, compatibility forms (NFKC), accents, spaces and invisible characters: more than account
    lookups ignore, so that no spelling evades the lockout.
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    kept = (char for char in text if unicodedata.category(char)[0] not in "MCZ")
    return unicodedata.normalize("NFC", "".join(kept))[:_LONGEST]


def account_named(name: str) -> Account:
    """Return the account with this name or e-mail address. Costs one query; accepts any text."""
    nobody = Account(None, is_active=False)
    model: Any = codec.user_model()
    if model is None or not is_plain(name):
        return nobody
    wanted, fields = Q(**{model.USERNAME_FIELD: name}), {field.name for field in model._meta.get_fields()}
    if "@" in name and email_field(model) in fields:
        wanted |= Q(**{f"{email_field(model)}__iexact": name})
    columns = ("pk", "is_active") if "is_active" in fields else ("pk",)
    try:
        rows = list(model._default_manager.filter(wanted).values_list(*columns)[:1])
    except _REFUSED:
        return nobody
    return Account(rows[0][0], all(rows[0][1:])) if rows else nobody


def is_plain(text: str) -> bool:
    """Return whether a database can be searched for this text."""
    return len(text) <= _LONGEST and is_storable(text)
