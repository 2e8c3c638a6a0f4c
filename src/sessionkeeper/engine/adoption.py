"""Takes over sessions of the engine that a site used before: ``SESSIONKEEPER["ADOPT"]``.

A cookie of Django's shape is looked up in the old table. Deleting that row is the claim: one of any number
of requests succeeds, and stores a session of ours in the same transaction. Its key is derived from the old
one with ``SECRET_KEY``, so that requests which come too late for the row find the same session, for a
minute. After that, after a sign-in or after the session ended, the old cookie opens nothing: there is no row
and no such key.
"""

from __future__ import annotations

import logging
import re
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import router, transaction
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.core import greenlets, keys, moments
from sessionkeeper.core.client_info import ClientInfo
from sessionkeeper.core.errors import IdTaken, SessionTooLarge
from sessionkeeper.core.records import COOKIE, KeyStatus, Lookup, NewSession
from sessionkeeper.engine import limits, lookup, renewal, session_data
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.database.writes import delete
from sessionkeeper.stores.factory import get_store

if TYPE_CHECKING:
    from sessionkeeper.engine.session_store import SessionStore

#: How long the old cookie is taken after the adoption: parallel requests, and an answer that got lost.
OVERLAP = timedelta(minutes=1)
_OLD_KEY = re.compile(r"[a-z0-9]{32}", re.ASCII)
# Derived ids look like those of the years before the first release: no key that is minted has one.
_HIGHEST_ID = 1 << 59
_DJANGOS = "django.contrib.auth.backends.ModelBackend"
_OURS = "sessionkeeper.backends.ModelBackend"

log = logging.getLogger("sessionkeeper.security")


class _Peeked(dict[str, Any]):
    """Data of an old session, on which Django's ``get_user`` checks who it names, and writes nothing."""

    def flush(self) -> None:
        """Called for a session from before a change of the password."""
        self.clear()

    def cycle_key(self) -> None:
        """Called when ``SECRET_KEY_FALLBACKS`` verified it; the key changes in any case."""


class _Request:
    def __init__(self, data: _Peeked) -> None:
        self.session = data


def is_old_key(text: object) -> bool:
    """Whether ``ADOPT`` is set and this is what a key of the old engine looks like. Asks nobody."""
    return conf.current().adopt is not None and isinstance(text, str) and bool(_OLD_KEY.fullmatch(text))


def take_over(session: SessionStore) -> dict[str, Any] | None:
    """Let our engine's ``session`` go on with what its old cookie opens; return the data, or None."""
    wanted = session.principal_wanted
    adopted = (
        adopt(session.session_key, session.client, principal=wanted) if session.transport == COOKIE else None
    )
    if adopted is None:
        return None
    data = session._active.attach(KeyStatus.LIVE, adopted)
    session.adopted = session.modified = True  # so that the client is given the new key
    session.take_key()
    return data


def adopt(text: object, client: ClientInfo, *, principal: bool = False) -> Lookup | None:
    """Return the session of ours that an old cookie has become, or None.

    Costs two queries for a cookie that nobody knows, and none for one of another shape.

    Raises:
        StoreUnavailable: a database did not answer.
    """
    if not is_old_key(text):
        return None
    old, key = _old_store(str(text)), _derived(str(text))
    row = _read(old)
    if row is not None and not _claim(old, key, row, client):
        return None
    _, found = lookup.resolve(key.text, transport=COOKIE, principal=principal)
    return found if found is not None and found.now - found.record.created_at < OVERLAP else None


def end(text: object) -> None:
    """End the session of an old cookie that nobody has looked into."""
    if is_old_key(text):
        greenlets.run_in_database_thread(_end, str(text))


def _end(text: str) -> None:
    with translate_errors():
        _old_store(text).delete()
    key = _derived(text)
    get_store().revoke(key.id, key.secret_hash)


def _old_store(text: str) -> Any:
    return import_string(f"{conf.current().adopt}.SessionStore")(text)


def _derived(text: str) -> keys.Key:
    """Return the key of ours that belongs to an old one; only who has ``SECRET_KEY`` can."""
    code = salted_hmac("sessionkeeper.adoption", text, algorithm="sha512").digest()
    secret = urlsafe_b64encode(code[8:40]).decode("ascii")[: keys.KEY_LENGTH - keys.ID_LENGTH]
    return keys.Key(int.from_bytes(code[:8], "big") % _HIGHEST_ID, secret)


def _rows(old: DatabaseSessions) -> Any:
    model = cast("Any", old.model)
    return model._base_manager.using(router.db_for_write(model)).filter(session_key=old.session_key)


def _read(old: DatabaseSessions) -> tuple[dict[str, Any], datetime] | None:
    """Return data and expiry of a live old session whose user Django would take; None without one."""
    with translate_errors():
        row = _rows(old).first()
    if row is None or moments.aware(row.expire_date) <= moments.now():
        return None
    data = _Peeked(old.decode(row.session_data))
    if data.get(auth.BACKEND_SESSION_KEY) == _DJANGOS and _is_replaced():
        data[auth.BACKEND_SESSION_KEY] = _OURS
    if auth.SESSION_KEY in data and not _is_somebody(data):
        return None
    return (dict(data), row.expire_date) if data else None


def _is_somebody(data: _Peeked) -> bool:
    """Whether Django would let in whom the data names; what is no user's key is nobody."""
    return (
        session_data.user_of(data) is not None and not auth.get_user(cast("Any", _Request(data))).is_anonymous
    )


def _is_replaced() -> bool:
    """Whether the switch put our ``ModelBackend``, which finds the same users, in place of Django's."""
    return _OURS in settings.AUTHENTICATION_BACKENDS and _DJANGOS not in settings.AUTHENTICATION_BACKENDS


def _claim(
    old: DatabaseSessions, key: keys.Key, row: tuple[dict[str, Any], datetime], client: ClientInfo
) -> bool:
    """Take the old row away and store our session, both or neither. Return False if it cannot be ours.

    Who comes second waits at the row for the first, and then finds it gone: nothing is stored twice, nor
    again after the session has ended.
    """
    try:
        new = _new_session(key, row, client)
    except SessionTooLarge:
        log.warning("An old session was not adopted: nobody is signed in, and it is too large.")
        return False
    rows = _rows(old)
    with translate_errors(), transaction.atomic(using=rows.db):
        # Nothing is read in this transaction before the row is taken: SQLite would refuse who comes second.
        claimed = delete(rows)
        if claimed:
            try:
                get_store().insert(new)
            except IdTaken:  # two databases, of which one committed: the session is there
                claimed = 0
            old.delete()  # what a cache holds of it
    if claimed:
        renewal.follow(str(old.session_key), key.text)
    if claimed and new.user_id is not None:
        trail.record(events.Kind.ADOPTED, user=new.user_id, session_id=key.id, client=client)
    return True


def _new_session(key: keys.Key, row: tuple[dict[str, Any], datetime], client: ClientInfo) -> NewSession:
    data, expires = row
    timeouts = limits.limits_of(data)
    moment = moments.now()
    ours = timeouts.lifetime if isinstance(timeouts.lifetime, timedelta) else timeouts.lifetime - moment
    theirs = moments.aware(expires) - moment
    return NewSession(
        key.id,
        key.secret_hash,
        key.family_hash,
        min(ours, theirs),
        timeouts.idle_seconds,
        limits.encode_bounded(data),
        user_id=session_data.owner_of(data),
        **client.columns(),
    )
