"""What the data of a session says: the user, the scopes, the proofs, and what a save has to write.

The record has the methods and the time of the last authentication, as the store wrote them. When the user
reauthenticates, the methods before move into the data, each with its own time. So a release that does not
know of earlier proofs reads fewer than there are, never more.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.core.exceptions import ValidationError

from sessionkeeper.core.records import SessionPatch, SessionRecord
from sessionkeeper.stores import codec, user_keys

#: Key in the session data that holds the scopes of a bearer session, a list of texts.
SCOPES_KEY = "_sessionkeeper_scopes"
#: Key in the session data if the last proof no longer counts for sensitive actions.
PROOF_IS_VOID = "_sessionkeeper_proof_is_void"
#: Key in the session data that holds methods proved before the last proof, each with its time.
EARLIER = "_sessionkeeper_earlier_proofs"
#: The most earlier methods that are kept, the latest.
_MOST = 8
_LONGEST_NAME = 20
_NOTE = "_sessionkeeper_amr"


def user_of(data: dict[str, Any]) -> Any:
    """Return the primary key of the user whom the session data names, or None."""
    value = data.get(SESSION_KEY)
    if value is None:
        return None
    field = user_keys.plain_field(get_user_model()._meta.pk)
    try:
        value = field.to_python(value)
        field.run_validators(value)  # a number that does not fit the column is no user
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    return value


def owner_of(data: dict[str, Any]) -> Any:
    """Return the user as a store's column holds it, or None. Never raises."""
    return user_of(data) if user_keys.fit() else None


def scopes_of(data: dict[str, Any]) -> list[str] | None:
    """Return the scopes that a session is restricted to; None if it is not restricted."""
    if SCOPES_KEY not in data:
        return None
    scopes = data[SCOPES_KEY]
    return [scope for scope in scopes if isinstance(scope, str)] if isinstance(scopes, list) else []


def changes(base: str | None, data: dict[str, Any]) -> SessionPatch:
    """Return the patch from the JSON text ``base`` to ``data``. Without ``base``, it replaces everything."""
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
    """Return whether a merge would write no key, column or limit."""
    return change.patch == "{}" and not (change.deleted or change.replace or change.facts or change.lifetime)


def note_amr(user: Any, amr: str) -> None:
    """Note on a user object how the user was just authenticated, as Django notes ``backend``."""
    setattr(user, _NOTE, amr)


def noted_amr(user: Any) -> str:
    """Return what :func:`note_amr` noted, or an empty text."""
    return getattr(user, _NOTE, "")


def proofs_of(record: SessionRecord, data: Mapping[str, Any]) -> dict[str, datetime]:
    """Return the methods (RFC 8176) that were proved, and when each was last; none if the proof is void."""
    if PROOF_IS_VOID in data or record.authenticated_at is None:
        return {}
    last = dict.fromkeys(record.amr.split(), record.authenticated_at)
    return {**earlier_proofs(data, record.authenticated_at), **last}


def carry_proofs(known: Mapping[str, datetime], data: MutableMapping[str, Any]) -> None:
    """Keep the earlier proofs when the user reauthenticates."""
    forget_proofs(data)
    latest = sorted(known.items(), key=lambda proof: proof[1])[-_MOST:]
    if latest:
        data[EARLIER] = {name: moment.astimezone(UTC).isoformat() for name, moment in latest}


def forget_proofs(data: MutableMapping[str, Any]) -> None:
    """Remove earlier proofs because a user signs in."""
    data.pop(PROOF_IS_VOID, None)
    data.pop(EARLIER, None)


def earlier_proofs(data: Mapping[str, Any], until: datetime) -> dict[str, datetime]:
    """Return the proofs before the last one, at ``until``. What cannot be read is left out."""
    found = {}
    stored = data.get(EARLIER)
    for name, text in stored.items() if isinstance(stored, dict) else ():
        try:
            moment = datetime.fromisoformat(text)
        except (ValueError, TypeError):
            continue
        if moment.tzinfo is not None and moment <= until and len(name) <= _LONGEST_NAME:
            found[name] = moment
    return found
