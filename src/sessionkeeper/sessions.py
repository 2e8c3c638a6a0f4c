"""What may be done with a session: resolve a key, work out limits and changes, list, revoke, purge.

Knows stores and policy, no HTTP. The engine calls it for one request, the command line for many.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth import SESSION_KEY, get_user_model
from django.core.exceptions import ValidationError

from sessionkeeper import audit, conf, current, expiry, keys, limits, moments, renewal
from sessionkeeper.errors import CorruptPayload
from sessionkeeper.namespaces import namespace
from sessionkeeper.policy import ANONYMOUS_ABSOLUTE, expired, is_live, touch_due
from sessionkeeper.record import Changes, Found, SessionRecord, Verdict
from sessionkeeper.stores import codec, get_store, near_cache, user_keys

__all__ = [
    "BATCH",
    "EXPIRY_KEY",
    "MOST_COOKIES",
    "SCOPES_KEY",
    "Limits",
    "Resolved",
    "changes",
    "erase",
    "is_nothing",
    "limits_of",
    "list_for",
    "log",
    "namespace",
    "now",
    "page_for",
    "purge",
    "recall",
    "records_of",
    "resolve",
    "resolve_one",
    "revoke",
    "revoke_all",
    "revoke_everyone",
    "revoke_many",
    "scan",
    "scopes_of",
    "user_of",
    "walk",
]

if TYPE_CHECKING:
    from sessionkeeper.erasure import Erased

#: Key in the session data under which Django keeps what ``set_expiry`` was given.
EXPIRY_KEY = "_session_expiry"
#: Key in the session data that holds the scopes of a bearer session, a list of texts.
SCOPES_KEY = "_sessionkeeper_scopes"
#: Sessions that one step of a walk over all of them looks at.
BATCH = 500
#: Sessions of one user that a walk over all of them reads at once.
MANY = 5000
#: Sessions of a user that a list looks at in one go.
PAGE = 100
#: Cookies of one name that are looked at.
MOST_COOKIES = 4
_LONGEST_IDLE = 2**31 - 1

log = logging.getLogger("sessionkeeper.security")


class Resolved(NamedTuple):
    """What became of a presented key. Without a live session ``data`` is empty and ``found`` None."""

    verdict: Verdict
    key: keys.Key | None = None
    found: Found | None = None
    data: dict[str, Any] = {}


def resolve(text: object, *, transport: str, principal: bool = False, watching: bool = False) -> Resolved:
    """Return what a client's key stands for. Any value is taken; only an outage raises.

    With ``watching`` a client presents the key right now: an old one is a copy, and ends the session.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    key = keys.parse(text)
    if key is None:
        return Resolved(Verdict.MALFORMED)
    try:
        found = get_store().find(key.id, principal=principal)
    except CorruptPayload:
        return _end_corrupt(key)
    if found is None:
        return Resolved(Verdict.GONE)
    if not is_live(found.record, found.now):
        if renewal.is_current(key, found.record):
            expiry.note(expired(found.record))
        return Resolved(Verdict.GONE)
    if not renewal.is_good(key, found):
        copied = watching and renewal.end_if_copied(key, found.record)
        return Resolved(Verdict.COPIED if copied else Verdict.STALE)
    if found.record.transport != transport:
        return Resolved(Verdict.MALFORMED)
    try:
        return Resolved(Verdict.LIVE, key, found, codec.decode(found.record.data))
    except CorruptPayload:
        return _end_corrupt(key)


def resolve_one(texts: Iterable[str | None], *, transport: str) -> tuple[str | None, Verdict]:
    """Return which of several keys in one request counts: the only one that opens a session.

    None counts where several do, since somebody may have planted one of them; the verdict is for that case.
    """
    live = []
    for text in islice(dict.fromkeys(texts), MOST_COOKIES):
        found = resolve(text, transport=transport).found
        if found is not None:
            live.append(text)
            user, session_id = found.record.user_id, found.record.id
            log.warning("A request brought several session cookies, one of %s.", keys.encode_id(session_id))
            audit.record_once(audit.Kind.SEVERAL_COOKIES, user=user, session_id=session_id)
    if len(live) == 1:
        return live[0], Verdict.LIVE
    return None, Verdict.STALE if live else Verdict.GONE


def recall(text: object, *, transport: str) -> Resolved | None:
    """Return who a key stands for as this process remembers it, asking nobody; None: the store has to say.

    ``data`` holds no more than who signed in. Only a live session is recalled: what would be refused, or is
    due for a touch, may have been used elsewhere since, so the store is asked before that.
    """
    near = near_cache()
    if near is None:
        return None
    key, settings = keys.parse(text), conf.current()
    if key is None or settings.watches_clients:
        return None  # whether the client is another one now is asked of the session itself
    recalled = near.recall(key.id)
    if recalled is None:
        return None
    record, now, interval = recalled.found.record, recalled.found.now, settings.touch_interval
    if (
        not is_live(record, now)
        or not keys.same_hash(record.secret_hash, key.secret_hash)
        or record.transport != transport
        or (touch_due(record, now, interval) and not touch_due(record, recalled.filled, interval))
    ):
        return None
    return Resolved(Verdict.LIVE, key, recalled.found, recalled.identity)


def _end_corrupt(key: keys.Key) -> Resolved:
    log.warning("Session %s ended: what is stored of it cannot be read.", keys.encode_id(key.id))
    get_store().revoke(key.id)
    return Resolved(Verdict.GONE)


class Limits(NamedTuple):
    """Idle timeout in seconds (None: none) and absolute life, as a length or as a moment."""

    idle_seconds: int | None
    lifetime: timedelta | datetime


def limits_of(data: dict[str, Any]) -> Limits:
    """Return the limits of a session that holds ``data``, for the request under way.

    What ``set_expiry`` was given counts first: an int is an idle timeout, a moment (or its ISO text) the
    absolute expiry. What the site configured caps both.
    """
    expiry, signed_in = data.get(EXPIRY_KEY), SESSION_KEY in data
    settings = limits.in_force(limits.TIMES, owner_of(data))
    idle, absolute = settings.idle_seconds, settings.absolute
    if not signed_in:
        absolute = min(absolute, ANONYMOUS_ABSOLUTE)
    if not expiry:
        return Limits(idle, absolute)
    if isinstance(expiry, int | float):
        wanted = int(max(min(expiry, _LONGEST_IDLE), -_LONGEST_IDLE))
        return Limits(min(wanted, idle) if settings.explicit_idle and idle is not None else wanted, absolute)
    moment = moments.aware(datetime.fromisoformat(expiry) if isinstance(expiry, str) else expiry)
    cap = settings.absolute_cap
    too_long = cap is not None and moment - now() > cap
    return Limits(idle if settings.explicit_idle else None, absolute if too_long else moment)


def user_of(data: dict[str, Any]) -> Any:
    """Return the primary key of the user whom the session data names, or None."""
    value = data.get(SESSION_KEY)
    if value is None:
        return None
    field: Any = get_user_model()._meta.pk
    while field.is_relation:  # the pointer of an inherited model
        field = field.target_field
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


def changes(base: str | None, data: dict[str, Any]) -> Changes:
    """Return what must be written to get from the JSON text ``base`` to ``data``; None: replace all."""
    if base is None:
        return Changes(patch=codec.encode(data), replace=True)
    before = codec.decode(base)
    names = {codec.name_of(name): name for name in data}
    changed = {
        name: data[given]
        for name, given in names.items()
        if name not in before or not codec.same(before[name], data[given])
    }
    deleted = tuple(name for name in before if name not in names)
    return Changes(patch=codec.encode(changed), deleted=deleted)


def is_nothing(change: Changes) -> bool:
    """Whether a merge would write no key, column or limit."""
    return change.patch == "{}" and not (change.deleted or change.replace or change.facts or change.lifetime)


def list_for(user: Any) -> list[SessionRecord]:
    """Return a user's live sessions, newest first. ``user`` is a user or its primary key."""
    moment = now()
    return [record for record in records_of(user) if is_live(record, moment)]


def page_for(
    user: Any, this: int | None, limit: int = PAGE, newest: int = keys.MAX_ID
) -> tuple[list[SessionRecord], int | None]:
    """Return the live ones of a user's ``limit`` sessions from the id ``newest`` down, and where to go on.

    That is None at the end. The session with the id ``this`` comes first of all, and not again.
    """
    records = records_of(user, limit, newest)
    rest = records[-1].id - 1 if len(records) == limit else None
    moment = now()
    live = [record for record in records if record.id != this and is_live(record, moment)]
    if this is None or newest != keys.MAX_ID:
        return live, rest
    first = [record for record in records if record.id == this]
    if not first and rest is not None:
        found = get_store().find(this)
        first = [] if found is None else [found.record]
    return [record for record in first if is_live(record, moment)] + live, rest


def walk(user: Any) -> Iterator[SessionRecord]:
    """Yield a user's sessions, expired ones included, newest first, read in batches."""
    newest: int | None = keys.MAX_ID
    while newest is not None:
        records = records_of(user, MANY, newest)
        yield from records
        newest = records[-1].id - 1 if len(records) == MANY else None


def records_of(user: Any, limit: int | None = None, newest: int = keys.MAX_ID) -> list[SessionRecord]:
    """Return a user's sessions as the store lists them; none of a user whom its columns cannot name."""
    return get_store().list_for(_pk(user), limit, newest) if user_keys.fit() else []


def scan(newest: int = keys.MAX_ID) -> Iterator[SessionRecord]:
    """Yield everybody's sessions, expired ones included, newest first, read in batches."""
    while records := get_store().scan(BATCH, newest):
        yield from records
        newest = records[-1].id - 1


def revoke(session_id: int, *, reason: str = "code", actor: Any = None) -> bool:
    """End one session; return whether there was one.

    ``reason`` and ``actor`` (a user, or None) are what the audit trail says of it, here and below.
    """
    _note(session_id)
    found = get_store().find(session_id)
    ended = get_store().revoke(session_id)
    if ended and found is not None:
        _record([(session_id, found.record.user_id)], reason, actor)
    return ended


def revoke_many(session_ids: Iterable[tuple[int, Any]], *, reason: str = "code", actor: Any = None) -> int:
    """End these sessions, each given with its user's key or None, in batches; return how many there were."""
    ids = iter(session_ids)
    ended = 0
    while batch := list(islice(ids, BATCH)):
        _note(*(session_id for session_id, _ in batch))
        number = get_store().revoke_many([session_id for session_id, _ in batch])
        if number:
            _record(batch, reason, actor)
        ended += number
    return ended


def revoke_everyone(*, reason: str = "everyone", actor: Any = None) -> Iterator[int]:
    """End all sessions of all users and visitors, batch by batch; yield how many each batch ended.

    Sessions that begin meanwhile may be spared: ids grow with time, and the walk goes down.
    """
    newest = keys.MAX_ID
    while records := get_store().scan(BATCH, newest):
        number = get_store().revoke_many([record.id for record in records])
        _record([(record.id, record.user_id) for record in records], reason, actor)
        yield number
        newest = records[-1].id - 1


def revoke_all(
    user: Any, except_: int | None = None, *, reason: str | None = "code", actor: Any = None
) -> int:
    """End all sessions of a user, but the one with id ``except_``; return how many.

    All end at once. Of very many only the ids are kept, which are written down batch by batch. Nothing is
    written down with ``reason`` None.
    """
    if not user_keys.fit():
        return 0
    pk = _pk(user)
    ids = (record.id for record in walk(pk) if record.id != except_)
    listed = iter(list(ids) if reason is not None else ())
    ended = get_store().revoke_all(pk, except_)
    while ended and reason is not None and (batch := list(islice(listed, BATCH))):
        _record([(session_id, pk) for session_id in batch], reason, actor)
    this = current.get()
    if ended and this.session_id not in (None, except_) and get_store().find(this.session_id) is None:
        this.ended = True
    return ended


def purge(batch: int = BATCH) -> Iterator[int]:
    """Remove expired sessions step by step; yield how many each step removed.

    The trail gets one event for all of them, also where it is interrupted.
    """
    after: int | None = 0
    signed_in = 0
    try:
        while after is not None:
            removed, after = get_store().purge(batch, after)
            signed_in += sum(one.user_id is not None for one in removed)
            yield len(removed)
    finally:
        expiry.note_purged(signed_in)


def erase(user: Any, **options: Any) -> Erased:
    """Erase what is stored of a user; see :func:`sessionkeeper.erasure.erase`."""
    from sessionkeeper import erasure  # which imports this module

    return erasure.erase(user, **options)


def _record(ended: Iterable[tuple[int, Any]], reason: str, actor: Any) -> None:
    """Write down which sessions ended in which somebody was signed in."""
    audit.record_all(
        audit.make(audit.Kind.REVOKED, user=user_id, session_id=session_id, actor=actor, reason=reason)
        for session_id, user_id in ended
        if user_id is not None
    )


def _note(*session_ids: int) -> None:
    """Remember that the request under way ended the session that it is in."""
    this = current.get()
    this.ended = this.ended or this.session_id in session_ids


def _pk(user: Any) -> Any:
    return getattr(user, "pk", user)


def now() -> datetime:
    """Return the application's clock, in UTC."""
    return moments.now()
