"""Users in the admin's lists: found by what the user model calls a name, and named, also those gone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

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
