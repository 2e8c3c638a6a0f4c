"""Users in the admin's lists: found by what the user model calls a name, and named, also those gone."""

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


def _user(request: HttpRequest | None, user_id: Any) -> Any:
    """Return the user with this key, or None where there is none any more."""
    # What is lazy still is not asked: it may be about the user before this sign-in.
    known: Any = vars(request).get("user") if hasattr(request, "__dict__") else None
    if known is not None and getattr(known, "_wrapped", known) is known and known.pk == user_id:
        return known
    cached = getattr(request, "_cached_user", None)
    if cached is not None and cached.pk == user_id:
        return cached
    model: Any = get_user_model()
    return model._base_manager.using(router.db_for_read(model)).filter(pk=user_id).first()


_BATCH = 200


def with_names(records: Iterable[SessionRecord]) -> Iterator[tuple[SessionRecord, str | None]]:
    """Yield each record with its user's name, None where there is no (or no longer a) user."""
    rest = iter(records)
    while batch := list(islice(rest, _BATCH)):
        wanted = {record.user_id for record in batch if record.user_id is not None}
        users = _users().in_bulk(wanted)
        for record in batch:
            user = users.get(record.user_id)
            yield record, None if user is None else user.get_username()


def _users() -> QuerySet[Any]:
    """All users, also those whom a manager hides, from where users live."""
    model: Any = get_user_model()
    users: QuerySet[Any] = model._base_manager.using(router.db_for_read(model))
    return users


#: Users that a search looks at where they live in another database than the rows.
_MOST_USERS = 1000


def users() -> QuerySet[Any]:
    """All users, also those whom a manager hides, from where users live."""
    model: type[Model] = get_user_model()
    return model._base_manager.using(router.db_for_read(model))


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
