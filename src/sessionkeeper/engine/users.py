"""Users, also those gone or hidden by a manager: found by key, name or e-mail address, and named in lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from sessionkeeper.core.records import SessionRecord

_BATCH = 200
#: Users that a search looks at where they live in another database than the rows.
_MOST_USERS = 1000


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
    field = user.get_email_field_name() if hasattr(user, "get_email_field_name") else ""
    return getattr(user, field, "") or ""


def key_as_json(pk: Any) -> int | str | None:
    """Return a user's key as JSON has it: a number, or text where the key is no number."""
    return pk if pk is None or isinstance(pk, int) else str(pk)


def as_dict(user: Any) -> dict[str, Any]:
    """Return a user for the user's own eyes, ready for JSON."""
    return {"id": key_as_json(user.pk), "username": user.get_username(), "email": email_of(user)}


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
