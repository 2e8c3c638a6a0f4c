"""What one request does with its session: open, store, merge, rotate, revoke, touch.

``SessionStore`` is Django's dictionary around it. This module knows which key is proven, which data was read,
and what a save has to write. It does not know HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.core import context, keys, moments, records
from sessionkeeper.core.errors import IdTaken, SessionGone, StaleSession, StoreUnavailable
from sessionkeeper.core.records import (
    BEARER,
    COOKIE,
    KeyStatus,
    Lookup,
    NewSession,
    SessionPatch,
    SessionRecord,
)
from sessionkeeper.engine import renewal, session_data
from sessionkeeper.http.client_info import ClientInfo
from sessionkeeper.stores import codec
from sessionkeeper.stores.factory import get_store

_BEGINNINGS = {events.Kind.SIGN_IN, events.Kind.TOKEN_MADE, events.Kind.STEP_UP}
#: What an ActiveSession keeps when it is detached.
_OF_THE_REQUEST = frozenset({"client", "transport", "detect_reuse", "verdict"})


class ActiveSession:
    """The session that a key opens, or a new one.

    Attributes:
        key: the key in use; None if there is no session.
        stored: whether the store has confirmed the key. A minted key is not stored before ``insert``.
        found: record, clock and principal as read, or as this request wrote them.
        from_near_cache: the data that names the user, if the near cache had it and nothing was read.
        verdict: the status of the presented key; None before ``attach``.
        detect_reuse: whether the client has just sent the key, so that an old one is a copy.
        rotated: whether this request gave the session another key.
        renewed: whether the response has to send a renewed key.
        outpaced: whether another request has changed the key, which this one cannot send, or ended it.
        revoked: whether this request ended the session.
        signing_in: whether a user signed in and that is not written yet.
        proof: the kind of audit event for a sign-in: a sign-in, or a reauthentication.
        proved: whether this request verified a credential.
        remaining_lifetime: time left until the absolute expiry; None if not known.
    """

    detect_reuse = False
    verdict: KeyStatus | None = None
    # Defaults of a detached instance.
    key: keys.Key | None = None
    found: Lookup | None = None
    stored = rotated = renewed = outpaced = revoked = signing_in = False
    from_near_cache: dict[str, Any] | None = None
    proof = events.Kind.SIGN_IN
    proved = False
    remaining_lifetime: timedelta | None = None
    _base: str | None = "{}"
    _user_id: Any = None
    _unrecorded_rotation = False
    #: The JSON text of a session auth hash that is to be written with the use.
    _hash_patch: str | None = None

    def __init__(self, client: ClientInfo, transport: str = COOKIE) -> None:
        self.client = client
        self.transport = transport

    def detach(self) -> None:
        """Forget the session; nothing is written."""
        for name in vars(self).keys() - _OF_THE_REQUEST:
            delattr(self, name)

    def state(self) -> dict[str, Any]:
        """Return the state, for :meth:`restore`."""
        return {name: value for name, value in vars(self).items() if name not in _OF_THE_REQUEST}

    def restore(self, state: dict[str, Any]) -> None:
        """Return to an earlier state, because a rollback has undone what was written since."""
        self.detach()
        vars(self).update(state)
        if self.key is not None:
            context.current_session().claim(self.key.id, self)

    def copied(self, client: ClientInfo) -> ActiveSession:
        """Return a copy for a copy of the session, without the user."""
        copy = ActiveSession(client, self.transport)
        vars(copy).update(vars(self) | {"client": client})
        if copy.found is not None:
            copy.found = copy.found._replace(principal=None, snapshot=None)
        return copy

    def attach(self, verdict: KeyStatus, found: Lookup | None) -> dict[str, Any] | None:
        """Take the session that a key opens and return its data; None if the key opens none."""
        self.detach()
        self.verdict = verdict
        if found is None:
            return None
        self.key, self.stored, self.found = found.key, True, found
        self.remaining_lifetime = found.record.expires_at - found.now
        self._base, self._user_id = found.record.data, found.record.user_id
        context.current_session().claim(found.record.id, self)
        return found.data

    def mark_saved(self, data: dict[str, Any]) -> None:
        """Note that ``data`` has just been written."""
        self._base = codec.encode(data)
        self._forget_version()

    def replace_on_save(self) -> None:
        """Make the next merge replace all data, also what other requests have written meanwhile."""
        self._base = None

    def mint(self) -> None:
        """Create a new key, in memory only."""
        self.detach()
        self.key = keys.mint()
        context.current_session().claim(self.key.id, self)

    def changes(self, data: dict[str, Any]) -> bool:
        """Return whether a save of ``data`` would write more than the time of use."""
        unwritten = self.key is not None and not self.stored
        if self.signing_in or self.revoked or unwritten:
            return True
        if self._base is None:
            return True
        change = self.unsaved(data)
        if change.patch == self._hash_patch:  # written with the use
            change = change._replace(patch="{}")
        return not session_data.is_nothing(change)

    def unsaved(self, data: dict[str, Any]) -> SessionPatch:
        """Return what of ``data`` is not stored yet."""
        return session_data.changes(self._base, data)

    def insert(self, data: dict[str, Any]) -> None:
        """Store a new session with this data. If its id is taken, try another key."""
        key = self.key if self.key is not None and not self.stored else keys.mint()
        text, user_id = session_data.encode_bounded(data), session_data.owner_of(data)
        timeouts = session_data.limits_of(data)
        while True:
            new = NewSession(
                key.id,
                key.secret_hash,
                keys.keyed_family(key, keys.Secret(settings.SECRET_KEY)),
                timeouts.lifetime,
                timeouts.idle_seconds,
                text,
                authenticated=SESSION_KEY in data,
                transport=self.transport,
                limit=session_data.limit_for(user_id, self.transport),
                **self._columns(user_id),
            )
            try:
                record, ended = get_store().insert(new)
            except IdTaken:
                key = keys.mint()
            else:
                break
        session_data.note_ended(ended, user_id)
        self.detach()
        self.proved = SESSION_KEY in data
        self.key, self.stored, self._base, self._user_id = key, True, text, user_id
        self.found = Lookup(record, record.last_seen_at, is_written=True)
        self._set_life(timeouts)
        context.current_session().claim(key.id, self)
        if user_id is not None:
            kind = events.Kind.TOKEN_MADE if self.transport == BEARER else events.Kind.SIGN_IN
            self._record(kind)

    def merge(self, data: dict[str, Any], *, key: keys.Key | None = None) -> bool:
        """Write what changed. Return whether the key or the lifetime of the session changed.

        ``key`` is a key that was not read before; the store checks it as it writes.
        """
        key = key or self.key
        if key is None:
            raise SessionGone
        text, user_id, rotated = session_data.encode_bounded(data), session_data.owner_of(data), False
        change = self.unsaved(data)
        moved = self.stored and user_id != self._user_id
        if moved:  # a user signed in or out, by whatever code
            if not self.rotated and self.transport == COOKIE:
                self.rotate()
                key, rotated = self.key or key, True
            self.signing_in = user_id is not None
        # Data that was not read does not tell the user, unless it replaces everything or names one.
        whole = not self.stored and (self._base is None or SESSION_KEY in data)
        facts = self._columns(user_id) if moved or self.signing_in or whole else {}
        change, renewed = self._with_limits(change._replace(facts=facts), data)
        if moved or whole:
            change = change._replace(limit=session_data.limit_for(user_id, self.transport))
        secret_hash = self._hash_of_winner(key) if self.outpaced else key.secret_hash
        record, ended = get_store().merge(key.id, secret_hash, change, self._seen())
        session_data.note_ended(ended, user_id)
        self.proved = self.proved or self.signing_in
        signed_in, self.signing_in = self.signing_in, False
        self.key, self.stored = key, True
        self._base, self._user_id, self._hash_patch = text, user_id, None
        if user_id is not None and (signed_in or self._unrecorded_rotation):
            self._record(self.proof if signed_in else events.Kind.ROTATED)
        self._unrecorded_rotation = False
        if self.outpaced:  # what the other request has proved is not proved by this one
            self._forget_version()
            return False
        found = self.found or Lookup(record, record.last_seen_at)
        self.found = found._replace(record=record, now=record.last_seen_at, is_stale=False, is_written=True)
        return rotated or renewed

    def _seen(self) -> SessionRecord | None:
        """Return the record as read, if it may still be the stored one. The near cache's lacks the data."""
        found = self.found
        if found is None or found.is_stale or found.is_written or found.read_at is not None:
            return None
        return found.record

    def _hash_of_winner(self, key: keys.Key) -> bytes:
        """Return the hash of the secret that a faster request of the same user has given the session.

        Raises:
            SessionGone: the session was ended.
            StaleSession: another user signed in.
        """
        found = get_store().find(key.id)
        if found is None:
            raise SessionGone
        if found.record.user_id != self._user_id:
            raise StaleSession
        return found.record.secret_hash

    def _with_limits(self, change: SessionPatch, data: dict[str, Any]) -> tuple[SessionPatch, bool]:
        named = (*change.deleted, *codec.decode(change.patch))
        if not (change.replace or change.facts or session_data.EXPIRY_KEY in named):
            return change, False
        timeouts = session_data.limits_of(data)
        lifetime = timeouts.lifetime
        if isinstance(lifetime, timedelta) and not self.signing_in and self.found is not None:
            # Another expiry does not restart the absolute timeout, which begins with the authentication.
            record = self.found.record
            lifetime = (record.authenticated_at or record.created_at) + lifetime
        self._set_life(timeouts._replace(lifetime=lifetime))
        facts = {**change.facts, "idle_seconds": timeouts.idle_seconds}
        return change._replace(facts=facts, lifetime=lifetime, authenticated=self.signing_in), True

    def effective_limits(self, data: dict[str, Any]) -> session_data.Limits:
        """Return the timeouts in force: the stored ones, unless code has set another expiry."""
        record = None if self.found is None or self.signing_in else self.found.record
        stored = {} if record is None else codec.decode(record.data)
        if (
            record is None
            or self.remaining_lifetime is None
            or stored.get(session_data.EXPIRY_KEY) != data.get(session_data.EXPIRY_KEY)
        ):
            timeouts = session_data.limits_of(data)
            if self.remaining_lifetime is None or not isinstance(timeouts.lifetime, timedelta):
                return timeouts
            return timeouts._replace(lifetime=min(timeouts.lifetime, self.remaining_lifetime))
        return session_data.Limits(record.idle_seconds, self.remaining_lifetime)

    def _columns(self, user_id: Any) -> dict[str, Any]:
        columns = {**self.client.columns(), "user_id": user_id}
        if self.signing_in:  # not how the user before signed in
            columns["amr"] = self.client.amr
        return columns

    def rotate(self) -> None:
        """Give the session another secret and family, at once.

        Raises:
            SessionGone, StaleSession: the session was ended or rotated meanwhile; nothing changed.
        """
        if self.key is None:
            raise SessionGone
        new = keys.rotate(self.key)
        family = keys.keyed_family(new, keys.Secret(settings.SECRET_KEY))
        get_store().rotate(self.key.id, self.key.secret_hash, new.secret_hash, family)
        renewal.follow(keys.Secret(self.key.text), new)
        self.key, self.rotated, self._unrecorded_rotation = new, True, True
        if self.found is not None:
            record = self.found.record
            record = record._replace(
                secret_hash=new.secret_hash,
                family_hash=family,
                previous_hash=None,
                previous_at=None,
                version=record.version + 1,
            )
            self.found = self.found._replace(record=record)

    def revoke(
        self, unproven: object = None, *, kind: events.Kind = events.Kind.REVOKED, reason: str = ""
    ) -> None:
        """End the session; one that was not read only if ``unproven`` is its key.

        ``kind`` and ``reason`` are for the audit trail, if a user was signed in.
        """
        if self.stored and self.key is not None:
            self.revoked = True
            if get_store().revoke(self.key.id) and self._user_id is not None:
                self._record(kind, reason)
        elif self.key is None:
            key = keys.parse(unproven)
            if key is not None:
                get_store().revoke(key.id, key.secret_hash)

    def touch_if_due(self, *, force: bool = False) -> bool:
        """Record the use, at most once per interval. Return whether it was recorded.

        An outage is logged, not raised.
        """
        if self.key is None or self.found is None or self.outpaced:
            return False
        if self._hash_patch is not None:
            return self.confirm()
        if not self.renewed and (force or self._touch_due(self.key, self.found)):
            with self._outage_logged():
                return get_store().touch(self.key.id, self.key.secret_hash)
        return False

    def confirm(self) -> bool:
        """Record the use, and find out whether the key is still valid. Return whether it was recorded.

        An outage is logged, not raised.
        """
        if self.key is None or self.found is None or self.outpaced:
            return False
        if self._hash_patch is None and (self.renewed or renewal.is_first_use(self.key, self.found.record)):
            return self.touch_if_due(force=True)
        change = SessionPatch(patch=self._hash_patch or "{}")
        with self._outage_logged():
            try:
                record, _ = get_store().merge(self.key.id, self.key.secret_hash, change, self._seen())
            except (SessionGone, StaleSession):
                self.outpaced = True
            else:
                self.found, self._hash_patch = self.found._replace(record=record, is_written=True), None
                return True
        return False

    @contextmanager
    def _outage_logged(self) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable:
            renewal.log.warning(
                "Session %s: the touch failed, because the store did not answer.",
                keys.encode_id(self.key.id),  # type: ignore[union-attr]  # it has a key
            )

    def renew_hash(self, value: str) -> None:
        """Let the next touch or save write another session auth hash."""
        self._hash_patch = codec.encode({HASH_SESSION_KEY: value})

    def sends_key(self) -> bool:
        """Return whether the response may send the key in use.

        A former one would replace the new one in the browser if this response is late.
        """
        if self.key is None or self.found is None or self.renewed:
            return not self.outpaced
        return not self.outpaced and keys.same_hash(self.found.record.secret_hash, self.key.secret_hash)

    def _touch_due(self, key: keys.Key, found: Lookup) -> bool:
        record = found.record
        if records.touch_due(record, found.now, conf.current().touch_interval):
            return True
        return record.previous_hash is not None and renewal.is_first_use(key, record)

    def renew_if_due(self) -> bool:
        """Renew the key if that is due. Return whether the response has to send another key.

        In an outage the key in use stays valid, and a later request renews it.
        """
        if self._renewal_due():
            try:
                new = renewal.renew(self.key, self.found)  # type: ignore[arg-type]  # neither is None
            except StoreUnavailable:
                return False
            if new is not None:
                self.key, self.renewed = new, True
                self._forget_version()
        return self.renewed

    def upkeep_may_be_due(self) -> bool:
        """Return False if :meth:`upkeep_due` is certainly False. Cheap, for every request."""
        if self.key is None or self.found is None:
            return False
        record, settings = self.found.record, conf.current()
        return (
            settings.rotate_after is not None
            or self._hash_patch is not None
            or record.previous_hash is not None
            or records.touch_due(record, self.found.now, settings.touch_interval)
        )

    def upkeep_due(self) -> bool:
        """Return whether the end of the request has to record the use or to renew the key."""
        if self.key is None or self.found is None:
            return False
        due = self._hash_patch is not None or self._touch_due(self.key, self.found)
        return due or self._renewal_due()

    def _renewal_due(self) -> bool:
        if self.key is None or self.found is None or self.rotated or self.revoked or self.signing_in:
            return False
        return renewal.is_due(self.key, self.found)

    def _forget_version(self) -> None:
        """Note that the record as read is no longer the stored one."""
        if self.found is not None:
            self.found = self.found._replace(is_stale=True)

    def is_of_this_request(self) -> bool:
        """Return whether this is the request's own session, not another one that its code opened."""
        return self.key is not None and context.current_session().id == self.key.id

    def _record(self, kind: events.Kind, reason: str = "") -> None:
        if self.key is not None:
            facts = {"transport": self.transport, "amr": self.client.amr or None}
            trail.record(
                kind,
                user=self._user_id,
                session_id=self.key.id,
                reason=reason,
                client=self.client if self.client.address else None,
                **(facts if kind in _BEGINNINGS else {}),
            )

    def _set_life(self, timeouts: session_data.Limits) -> None:
        lifetime = timeouts.lifetime
        self.remaining_lifetime = lifetime if isinstance(lifetime, timedelta) else lifetime - moments.now()
