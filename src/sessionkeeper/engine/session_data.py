"""What the data of a session says: whose it is, its scopes, and what a save has to write."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.core.exceptions import ValidationError

from sessionkeeper.core.records import SessionPatch
from sessionkeeper.stores import codec, user_keys

#: Key in the session data that holds the scopes of a bearer session, a list of texts.
SCOPES_KEY = "_sessionkeeper_scopes"


def user_of(data: dict[str, Any]) -> Any:
    """Return the primary key of the user whom the session data names, or None."""
    value = data.get(SESSION_KEY)
    if value is None:
        return None
    field = user_keys.plain_field(get_user_model()._meta.pk)
    try:
        value = field.to_python(value)
        field.run_validators(value)  # a number that no column holds is nobody
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    return value


def owner_of(data: dict[str, Any]) -> Any:
    """Return the user whose session this is to a store: whom the data names, or None. Never raises."""
    return user_of(data) if user_keys.fit() else None


def scopes_of(data: dict[str, Any]) -> list[str] | None:
    """Return the scopes that a session is restricted to; None: it is not restricted."""
    if SCOPES_KEY not in data:
        return None
    scopes = data[SCOPES_KEY]
    return [scope for scope in scopes if isinstance(scope, str)] if isinstance(scopes, list) else []


def changes(base: str | None, data: dict[str, Any]) -> SessionPatch:
    """Return what must be written to get from the JSON text ``base`` to ``data``; None: replace all."""
    if base is None:
        return SessionPatch(patch=codec.encode(data), replace=True)
    before = codec.decode(base)
    names = {codec.name_of(name): name for name in data}
    changed = {
        name: data[given]
        for name, given in names.items()
        if name not in before or not codec.same(before[name], data[given])
    }
    deleted = tuple(name for name in before if name not in names)
    return SessionPatch(patch=codec.encode(changed), deleted=deleted)


def is_nothing(change: SessionPatch) -> bool:
    """Whether a merge would write no key, column or limit."""
    return change.patch == "{}" and not (change.deleted or change.replace or change.facts or change.lifetime)
