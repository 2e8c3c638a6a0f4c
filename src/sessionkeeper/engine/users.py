"""Finds users by key, name or e-mail address, also those that a manager hides, and names them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import router
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import SessionRecord, is_storable
from sessionkeeper.stores import codec
from sessionkeeper.stores.codec import json_key

_BATCH = 200
#: The most users that a search finds when they are in another database than the rows.
_MOST_USERS = 1000
# Under these, the backends of Django, allauth and many projects take a name.
_NAMES = ("username", "login", "email", "phone")
_LONGEST = 320
# Modules of backends that find accounts by their natural key alone.
_STOCK = {"django.contrib.auth.backends", "sessionkeeper.auth.backends"}
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


def is_attempt(credentials: Mapping[str, Any]) -> bool:
    """Return whether the arguments of ``authenticate()`` are a password and what may name somebody."""
    return "password" in credentials and any(
        value is not None for field, value in credentials.items() if field != "password"
    )


def names_in(credentials: Mapping[str, Any]) -> list[str]:
    """Return each name in the arguments of ``authenticate()``, as text, as it was typed.

    A value of any type counts, as the text that a column would make of it. So does each field: which of them
    a backend looks at is not known.
    """
    given = (credentials.get(field) for field in _name_fields(codec.user_model()))
    return list(dict.fromkeys(_text(value) for value in given if value is not None))


@lru_cache(maxsize=8)
def _name_fields(model: Any) -> tuple[str, ...]:
    """Return the arguments that may name an account, that of Django's own backend first."""
    if model is None:
        return _NAMES
    unique = [field.name for field in model._meta.concrete_fields if field.unique and not field.primary_key]
    names = (model.USERNAME_FIELD, *_NAMES, email_field(model), *unique)
    return tuple(dict.fromkeys(name for name in names if name and name != "password"))


def _text(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # a number with thousands of digits
        return type(value).__name__


def masked(credentials: Secret[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the arguments of ``authenticate()``, each hidden that is neither a name nor None."""
    names = _name_fields(codec.user_model())
    return {
        field: credentials.value[field]
        if field in names or credentials.value[field] is None
        else Secret(credentials.value[field])
        for field in credentials.value
    }


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


_NOBODY = Account(None, is_active=False)
# Its module, which can be imported only when applications are loaded.
_DJANGOS = "django.contrib.auth.base_user"


def by_natural_key(name: str) -> Account:
    """Return the account that Django's ``ModelBackend`` finds by this name; accepts any text.

    Costs one query. No instance is made, which would tell by the time it takes that there is an account.
    """
    model: Any = codec.user_model()
    if model is None or not is_plain(name):
        return _NOBODY
    manager = model._default_manager
    try:
        if manager.get_by_natural_key.__module__ == _DJANGOS:
            return _only(manager.filter(**{model.USERNAME_FIELD: name}), most=1)
        user = manager.get_by_natural_key(name)
    except (*_REFUSED, AttributeError, model.DoesNotExist, model.MultipleObjectsReturned):
        return _NOBODY
    return Account(user.pk, is_active=bool(getattr(user, "is_active", True)))


def natural_keys_suffice() -> bool:
    """Return whether all backends find accounts as :func:`by_natural_key` does."""
    return _are_stock(tuple(settings.AUTHENTICATION_BACKENDS))


@lru_cache(maxsize=16)
def _are_stock(paths: tuple[str, ...]) -> bool:
    try:
        return all(import_string(path).authenticate.__module__ in _STOCK for path in paths)
    except (ImportError, AttributeError):
        return False


def account_named(name: str) -> Account:
    """Return the account with this name or e-mail address. Costs one query; accepts any text."""
    model: Any = codec.user_model()
    if model is None or not is_plain(name):
        return _NOBODY
    try:
        return _only(model._default_manager.filter(_named(model, name, "exact")))
    except _REFUSED:
        return _NOBODY


def shares_name(name: str, pk: Any) -> bool:
    """Return whether another account than this one has this name or e-mail address. Costs one query."""
    model: Any = codec.user_model()
    if model is None or not is_plain(name):
        return True
    try:
        return bool(users().filter(_named(model, name, "iexact")).exclude(pk=pk).exists())
    except _REFUSED:
        return True


def _only(found: QuerySet[Any], *, most: int | None = None) -> Account:
    """Return the first account; nobody if there are more than ``most``."""
    fields = {field.name for field in found.model._meta.get_fields()}
    columns = ("pk", "is_active") if "is_active" in fields else ("pk",)
    rows = list(found.values_list(*columns)[: 1 if most is None else most + 1])
    is_one = rows and (most is None or len(rows) <= most)
    return Account(rows[0][0], all(rows[0][1:])) if is_one else _NOBODY


def _named(model: Any, name: str, lookup: str) -> Q:
    wanted, email = Q(**{f"{model.USERNAME_FIELD}__{lookup}": name}), email_field(model)
    if "@" in name and email in {field.name for field in model._meta.get_fields()}:
        wanted |= Q(**{f"{email}__iexact": name})
    return wanted


def is_plain(text: str) -> bool:
    """Return whether a database can be searched for this text."""
    return len(text) <= _LONGEST and is_storable(text)
