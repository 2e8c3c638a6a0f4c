"""What the data of a session says: user, scopes, proofs, limits, what a save has to write, and a rollback.

The record has the methods and the time of the last authentication, as the store wrote them. When the user
reauthenticates, the methods before move into the data, each with its own time. So a release that does not
know of earlier proofs reads fewer than there are, never more.

Before the key, the user or the stored data of a session change in a transaction, its state is kept. If the
transaction or the savepoint is rolled back, the session has that state again: the key that opens it, and the
user who is signed in. Data remain, but are unsaved again, so that the end of the request saves them. Only a
sign-in takes with it what the session was given after it, which may be the user's own.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Mapping, MutableMapping
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import auth
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.conf import validators
from sessionkeeper.core import context, moments
from sessionkeeper.core.errors import SessionTooLarge
from sessionkeeper.core.records import (
    ANONYMOUS_ABSOLUTE,
    ANONYMOUS_LARGEST,
    BEARER,
    SessionLimit,
    SessionPatch,
    SessionRecord,
    is_storable,
)
from sessionkeeper.engine import users
from sessionkeeper.stores import codec
from sessionkeeper.stores.factory import run_in_loop

if TYPE_CHECKING:
    from sessionkeeper.engine.session_store import SessionStore

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
    field = codec.plain_field(get_user_model()._meta.pk)
    try:
        value = field.to_python(value)
        field.run_validators(value)  # a number that does not fit the column is no user
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    return value


def check_item(name: Any, value: Any) -> None:
    """Refuse a key or an expiry that could not be stored or read, where code sets it.

    Only the names of the session itself are limited. What is nested in a value is stored as it is.

    Raises:
        TypeError: JSON has no keys of this type, or the expiry is of a wrong type.
        ValueError: the key contains NUL or a lone surrogate, or no date can express the expiry.
    """
    if not (isinstance(name, str) and is_storable(name)):
        codec.stored_name(name)
    if name == EXPIRY_KEY:
        _check_expiry(value)


def _check_expiry(value: Any) -> None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not (value is None or isinstance(value, int | float | datetime)):
        raise TypeError(
            "The expiry of a session is a number of seconds, a datetime, a timedelta or None, not "
            f"{type(value).__name__}."
        )
    now = timezone.now()
    if isinstance(value, datetime) and timezone.is_naive(value) and timezone.is_aware(now):
        raise ValueError(f"With USE_TZ, the expiry of a session is an aware datetime, unlike {value!r}.")
    try:
        if isinstance(value, datetime):
            moments.aware(value)
        elif value is not None:
            now + timedelta(seconds=value)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"The expiry of a session, {value!r}, is beyond what a date can express.") from error


def owner_of(data: dict[str, Any]) -> Any:
    """Return the user as a store's column holds it, or None. Never raises."""
    return user_of(data) if codec.fit() else None


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


TIMES = ("TIMEOUT_PRESET", "IDLE_TIMEOUT", "ABSOLUTE_TIMEOUT")
SESSIONS = ("MAX_SESSIONS", "MAX_SESSIONS_ACTION")
TOKENS = ("MAX_SESSIONS", "MAX_TOKENS")
PROOF = ("REAUTHENTICATE_AFTER",)


def in_force(names: tuple[str, ...], user_id: Any, request: HttpRequest | None = None) -> conf.Settings:
    """Return the settings with the values of these keys for a user (None: anonymous).

    ``request`` is by default the current one, if our middleware knows it. If a key names a function, this
    costs a query for the user, unless the request has loaded the user.

    Raises:
        ImproperlyConfigured: a function cannot be imported, or returns an invalid value.
    """
    settings = conf.current()
    asked = [settings.asked[name] for name in names if name in settings.asked]
    if not asked:
        return settings
    request = context.current_request() if request is None else request
    answers = context.run_in_database_thread(_ask, asked, user_id, request)
    return replace(settings, **{name: answer for name, answer in answers.items() if answer is not None})


def _ask(asked: list[Any], user_id: Any, request: HttpRequest | None) -> dict[str, Any]:
    user = None if user_id is None else users.of_request(request, user_id)
    return {one.name.lower(): one.ask(request, user) for one in asked}


#: Key in the session data under which Django keeps what ``set_expiry`` was given.
EXPIRY_KEY = "_session_expiry"
_LONGEST_IDLE = 2**31 - 1


class Limits(NamedTuple):
    """Idle timeout in seconds, or None, and absolute timeout, as a duration or a moment."""

    idle_seconds: int | None
    lifetime: timedelta | datetime


def limits_of(data: dict[str, Any]) -> Limits:
    """Return the timeouts of a session that holds ``data``, for the current request.

    The value of ``set_expiry`` takes precedence: an int is an idle timeout, a datetime (or its ISO text) the
    absolute expiry. The settings cap both.
    """
    expiry, signed_in = data.get(EXPIRY_KEY), SESSION_KEY in data
    settings = in_force(TIMES, owner_of(data))
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
    too_long = cap is not None and moment - moments.now() > cap
    return Limits(idle if settings.explicit_idle else None, absolute if too_long else moment)


def encode_bounded(data: dict[str, Any]) -> str:
    """Return the JSON text of all data. It is limited for anonymous sessions, or a flood fills the store.

    Raises:
        SessionTooLarge: no user is signed in, and the text is too long. Django answers 400.
    """
    text = codec.encode(data)
    if SESSION_KEY not in data and len(text) > ANONYMOUS_LARGEST:
        raise SessionTooLarge(
            f"An anonymous session may hold at most {ANONYMOUS_LARGEST} characters of JSON, but this one has "
            f"{len(text)}. Store less in it, or store the data elsewhere."
        )
    return text


def limit_for(user_id: Any, transport: str) -> SessionLimit | None:
    """Return the limit for a sign-in of this user, or None.

    The last token is refused, as by django-rest-knox: ending the oldest would break a program that nobody
    watches, for one that may begin a session at each run.
    """
    if user_id is None:
        return None
    if transport == BEARER:
        most = in_force(TOKENS, user_id).most_tokens
        return SessionLimit(most, end_oldest=False, transport=transport)
    settings = in_force(SESSIONS, user_id)
    if settings.max_sessions is None:
        return None
    return SessionLimit(
        settings.max_sessions, settings.max_sessions_action == validators.END_OLDEST, transport
    )


def note_ended(session_ids: Collection[int], user_id: Any) -> None:
    """Record that a sign-in ended these sessions, the user's oldest."""
    reason, ids = {"user": user_id, "reason": "limit"}, iter(session_ids)
    while batch := list(islice(ids, trail.BATCH)):
        trail.record_all(trail.make(events.Kind.REVOKED, session_id=one, **reason) for one in batch)


def from_now(value: Any) -> Any:
    """Return when a timedelta has passed, as ``set_expiry()`` takes it; other values unchanged."""
    if not isinstance(value, timedelta):
        return value
    try:
        return moments.native(moments.now() + value)
    except OverflowError as error:
        raise ValueError(f"The session would end after {value}, which no date can express.") from error


class ExpiringSession(SessionBase):
    """When a session ends: Django's answers, within the limits of the settings."""

    _active: Any
    _get_session: Any  # Django's, missing from its type stubs

    def set_expiry(self, value: Any) -> None:
        """As Django's, and correct in a night when clocks change (``USE_TZ = False``).

        Raises:
            TypeError, ValueError: it is no expiry, or no date can express it. Nothing was changed.
        """
        super().set_expiry(from_now(value))

    async def aset_expiry(self, value: Any) -> None:
        """Async form of :meth:`set_expiry`."""
        await super().aset_expiry(from_now(value))

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return the seconds until the session ends if it is not used again, counted from ``modification``.

        Django's number, unless ``SESSIONKEEPER`` sets timeouts.
        """
        return self._age(super().get_expiry_age(**kwargs), kwargs)

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """Async form of :meth:`get_expiry_age`."""
        return await run_in_loop(partial(self.get_expiry_age, **kwargs))

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return when the session ends if it is not used again."""
        kwargs.setdefault("modification", timezone.now())
        age = super().get_expiry_age(**kwargs)
        return super().get_expiry_date(**kwargs) - timedelta(seconds=age - self._age(age, kwargs))

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        """Async form of :meth:`get_expiry_date`."""
        return await run_in_loop(partial(self.get_expiry_date, **kwargs))

    def _age(self, age: int, given: dict[str, Any]) -> int:
        """Return the age, given the one that Django computes."""
        if not conf.current().limits_life:
            return age
        if "expiry" in given:  # load nothing
            data = {**getattr(self, "_session_cache", {}), EXPIRY_KEY: given["expiry"]}
        else:
            data = self._get_session()
        idle, lifetime = self._active.effective_limits(data)
        if isinstance(lifetime, datetime):
            now = given.get("modification") or timezone.now()
            lifetime -= moments.aware(now)
        left = int(lifetime.total_seconds())
        return left if idle is None else min(idle, left)

    def cookie_age(self) -> int | None:
        """Return the seconds until the absolute expiry; None if the cookie lasts until the browser closes."""
        if self.get_expire_at_browser_close():
            return None
        life = self._active.remaining_lifetime
        if life is None:
            return super().get_expiry_age()
        return max(int(life.total_seconds()), 0)


#: Data that say who is signed in, and what was proved, begin with these.
_IDENTITY = ("_auth_user", "_sessionkeeper")
_ATTRIBUTES = ("held", "cookie_due", "adopted")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a session was before a change.

    Attributes:
        attributes: those of the ``SessionStore``.
        active: the state of its ``ActiveSession``.
        data: all data before a sign-in, otherwise those of the user; None if the session was not loaded.
        is_sign_in: whether a user is about to sign in.
    """

    attributes: dict[str, Any]
    active: dict[str, Any]
    data: dict[str, Any] | None
    is_sign_in: bool


def keep_state(session: SessionStore, alias: str | None, *, is_sign_in: bool = False) -> None:
    """Keep the state of a session, to which a rollback of this database's transaction returns it."""
    data = getattr(session, "_session_cache", None)
    if data is not None:
        data = deepcopy(data) if is_sign_in else _identity(data)
    point = Checkpoint(
        {name: getattr(session, name) for name in _ATTRIBUTES},
        session._active.state(),
        data,
        is_sign_in,
    )
    session.checkpoints.append(point)
    holder = weakref.ref(session)
    context.on_rollback(alias, partial(_return_to, holder, point), partial(_forget, holder))


def _forget(holder: weakref.ref[SessionStore]) -> None:
    session = holder()
    if session is not None:  # all are of the transaction that was committed
        session.checkpoints.clear()


def _return_to(holder: weakref.ref[SessionStore], point: Checkpoint) -> None:
    session = holder()
    while session is not None and point in session.checkpoints:
        _restore(session, session.checkpoints.pop())


def _restore(session: SessionStore, point: Checkpoint) -> None:
    data = getattr(session, "_session_cache", {})
    if point.data is None:
        # Loading is what was undone, so the session is loaded again, and gets what is unsaved.
        session.unsaved = session._active.unsaved(data)
        vars(session).pop("_session_cache", None)
        session._active.verdict = None
    elif point.is_sign_in:
        vars(session)["_session_cache"] = dict(point.data)
        session.client.label = session.client.amr = ""
        session.sign_in_undone = True
        _take_user(session)
    else:
        for name in _identity(data):
            del data[name]
        data.update(point.data)
    session._active.restore(point.active)
    for name, value in point.attributes.items():
        setattr(session, name, value)
    session.modified = True


def add_unsaved(data: dict[str, Any], unsaved: SessionPatch) -> dict[str, Any]:
    """Return the data of a session with what was not saved."""
    kept = {} if unsaved.replace else {name: data[name] for name in data if name not in unsaved.deleted}
    return {**kept, **codec.decode(unsaved.patch)}


def _identity(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if str(name).startswith(_IDENTITY)}


def _take_user(session: SessionStore) -> None:
    """Let the request find its user again, whom ``login()`` has set."""
    request: Any = context.current_request()
    if request is None or getattr(request, "session", None) is not session or not hasattr(request, "user"):
        return
    for name in ("_cached_user", "_acached_user"):
        vars(request).pop(name, None)
    request.user = SimpleLazyObject(partial(auth.get_user, request))
    request.auser = partial(auth.aget_user, request)
