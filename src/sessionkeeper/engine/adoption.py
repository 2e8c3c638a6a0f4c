"""Takes over sessions of the engine that a site used before: ``SESSIONKEEPER["ADOPT"]``.

A cookie of Django's format is looked up in the old table. Of parallel requests only one can delete that row,
and it stores the new session in the same transaction. The new key is derived from the old one with
``SECRET_KEY``, so that for a minute the other requests find the same session, also in a process that has this
key in ``SECRET_KEY_FALLBACKS``. After that, after a sign-in, or when the session has ended, the old cookie
opens nothing.
"""

from __future__ import annotations

import logging
import re
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from django.contrib import auth
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import router, transaction
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context, keys, moments
from sessionkeeper.core.errors import IdTaken, SessionTooLarge
from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import COOKIE, KeyStatus, Lookup, NewSession
from sessionkeeper.engine import lookup, renewal, session_data
from sessionkeeper.http.client_info import ClientInfo
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.database.writes import delete
from sessionkeeper.stores.factory import get_store

if TYPE_CHECKING:
    from sessionkeeper.engine.session_store import SessionStore

#: How long the old cookie is accepted after the adoption, for parallel requests and lost responses.
OVERLAP = timedelta(minutes=1)
_OLD_KEY = re.compile(r"[a-z0-9]{32}", re.ASCII)
# Derived ids look as if minted before the first release, so that no minted key has one.
_HIGHEST_ID = 1 << 59

log = logging.getLogger("sessionkeeper.security")


class _Peeked(dict[str, Any]):
    """Data of an old session, for Django's ``get_user``, which can write nothing to it."""

    def flush(self) -> None:
        """Called if the password was changed since."""
        self.clear()

    def cycle_key(self) -> None:
        """Called if ``SECRET_KEY_FALLBACKS`` verified the session. The key changes anyway."""


def is_old_key(text: Secret[str] | None) -> TypeGuard[Secret[str]]:
    """Return whether ``ADOPT`` is set and this looks like a key of the old engine. Costs no query."""
    return conf.current().adopt is not None and text is not None and bool(_OLD_KEY.fullmatch(text.value))


def take_over(session: SessionStore) -> dict[str, Any] | None:
    """Continue, in ``session``, the session that its old cookie opens; return the data, or None."""
    if session.transport != COOKIE:
        return None
    adopted = adopt(session.held, session.client, principal=session.principal_wanted)
    if adopted is None:
        return None
    data = session._active.attach(KeyStatus.LIVE, adopted)
    session.adopted = session.modified = True  # so that the response sends the new key
    session.take_key()
    return data


def adopt(text: Secret[str] | None, client: ClientInfo, *, principal: bool = False) -> Lookup | None:
    """Return the session that an old one has become, or None.

    Costs two queries for an unknown cookie, one more for each fallback, and none for one of another format.

    Raises:
        StoreUnavailable: a database did not answer.
    """
    if not is_old_key(text):
        return None
    old, derived = _old_store(text), _derived(text)
    row = _read(old)
    if row is not None and not _claim(old, derived[0], row, client):
        return None
    for key in derived:
        _, found = lookup.resolve(Secret(key.text), transport=COOKIE, principal=principal)
        if found is not None and found.now - found.record.created_at < OVERLAP:
            return found
    return None


def end(text: Secret[str] | None) -> None:
    """End the session of an old cookie that was not loaded."""
    if is_old_key(text):
        context.run_in_database_thread(_end, text)


def _end(text: Secret[str]) -> None:
    old = _old_store(text)
    context.insist(_rows(old).db, namespaces.later(partial(_end, text)))
    with translate_errors():
        old.delete()
    for key in _derived(text):
        get_store().revoke(key.id, key.secret_hash)


def _old_store(text: Secret[str]) -> Any:
    return import_string(f"{conf.current().adopt}.SessionStore")(text.value)


def _derived(text: Secret[str]) -> list[keys.Key]:
    """Return the new key for an old one, and those from processes whose key is a fallback here."""
    return [_derived_with(text, server_key) for server_key in renewal.server_keys()]


def _derived_with(text: Secret[str], server_key: Secret[str | bytes]) -> keys.Key:
    code = Secret(
        salted_hmac(
            "sessionkeeper.adoption", text.value, secret=server_key.value, algorithm="sha512"
        ).digest()
    )
    secret = Secret(urlsafe_b64encode(code.value[8:40]).decode("ascii")[: keys.KEY_LENGTH - keys.ID_LENGTH])
    return keys.Key(int.from_bytes(code.value[:8], "big") % _HIGHEST_ID, secret)


def _rows(old: DatabaseSessions) -> Any:
    """Return the row of an old session, without its key: the ``repr`` of a query shows what it selects."""
    model = cast("Any", old.model)
    rows = model._base_manager.using(router.db_for_write(model)).values("expire_date")
    return rows.filter(session_key=old.session_key)


def _read(old: DatabaseSessions) -> Secret[tuple[dict[str, Any], datetime]] | None:
    """Return data and expiry of the old session if it is live and Django would accept its user; else None."""
    with translate_errors():
        row = Secret(_rows(old).values_list("session_data", "expire_date").first())
    if row.value is None or moments.aware(row.value[1]) <= moments.now():
        return None
    data = _Peeked(old.decode(row.value[0]))
    lookup.follow_backend(data)
    if auth.SESSION_KEY in data and not _is_somebody(data):
        return None
    return Secret((dict(data), row.value[1])) if data else None


def _is_somebody(data: _Peeked) -> bool:
    """Return whether Django would accept the user whom the data names."""
    return (
        session_data.user_of(data) is not None
        and not auth.get_user(cast("Any", SimpleNamespace(session=data))).is_anonymous
    )


def _claim(
    old: DatabaseSessions, key: keys.Key, row: Secret[tuple[dict[str, Any], datetime]], client: ClientInfo
) -> bool:
    """Delete the old row and store the new session, both or neither. Return False if it cannot be adopted.

    A parallel request waits for the row, and then finds it deleted: nothing is stored twice, nor again after
    the session has ended.
    """
    try:
        new = _new_session(key, row, client)
    except SessionTooLarge:
        log.warning("An anonymous session was not adopted: it is too large.")
        return False
    rows = _rows(old)
    with translate_errors(), transaction.atomic(using=rows.db):
        # The transaction must not begin with a read: SQLite would refuse the second request.
        claimed = delete(rows)
        if claimed:
            try:
                get_store().insert(new)
            except IdTaken:  # with two databases, only one was committed: the session exists
                claimed = 0
            old.delete()  # also from a cache
    if claimed:
        renewal.follow(Secret(str(old.session_key)), key)
    if claimed and new.user_id is not None:
        trail.record(events.Kind.ADOPTED, user=new.user_id, session_id=key.id, client=client)
    return True


def _new_session(
    key: keys.Key, row: Secret[tuple[dict[str, Any], datetime]], client: ClientInfo
) -> NewSession:
    data, expires = row.value
    timeouts = session_data.limits_of(data)
    moment = moments.now()
    ours = timeouts.lifetime if isinstance(timeouts.lifetime, timedelta) else timeouts.lifetime - moment
    theirs = moments.aware(expires) - moment
    return NewSession(
        key.id,
        key.secret_hash,
        renewal.family_of(key),
        min(ours, theirs),
        timeouts.idle_seconds,
        session_data.encode_bounded(data),
        user_id=session_data.owner_of(data),
        **client.columns(),
    )
