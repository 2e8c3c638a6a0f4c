"""The limits of a session: how long it lives, how much a stranger's holds, how many a user has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.conf import validators
from sessionkeeper.core import context, greenlets, moments
from sessionkeeper.core.errors import SessionTooLarge
from sessionkeeper.core.policy import ANONYMOUS_ABSOLUTE, ANONYMOUS_LARGEST
from sessionkeeper.core.records import SessionLimit
from sessionkeeper.engine import users
from sessionkeeper.engine.session_data import owner_of
from sessionkeeper.stores import codec

TIMES = ("TIMEOUT_PRESET", "IDLE_TIMEOUT", "ABSOLUTE_TIMEOUT")
SESSIONS = ("MAX_SESSIONS", "MAX_SESSIONS_ACTION")
PROOF = ("REAUTHENTICATE_AFTER",)


def in_force(names: tuple[str, ...], user_id: Any, request: HttpRequest | None = None) -> conf.Settings:
    """Return the settings with the values of these keys for a user (None: nobody signed in).

    ``request`` is by default the one under way, where our middleware knows it. Costs nothing unless a key
    names a function; then a query for the user, if the request has not got them yet.

    Raises:
        ImproperlyConfigured: a function cannot be asked, or answers no such value.
    """
    settings = conf.current()
    asked = [settings.asked[name] for name in names if name in settings.asked]
    if not asked:
        return settings
    request = context.current_request() if request is None else request
    answers = greenlets.run_in_database_thread(_ask, asked, user_id, request)
    return replace(settings, **{name: answer for name, answer in answers.items() if answer is not None})


def _ask(asked: list[Any], user_id: Any, request: HttpRequest | None) -> dict[str, Any]:
    user = None if user_id is None else users.of_request(request, user_id)
    return {one.name.lower(): one.ask(request, user) for one in asked}


#: Key in the session data under which Django keeps what ``set_expiry`` was given.
EXPIRY_KEY = "_session_expiry"
_LONGEST_IDLE = 2**31 - 1


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
    """Return the JSON text of all data. Strangers may store so much and no more, or a flood fills the store.

    Raises:
        SessionTooLarge: nobody is signed in, and it is more. Django answers 400.
    """
    text = codec.encode(data)
    if SESSION_KEY not in data and len(text) > ANONYMOUS_LARGEST:
        raise SessionTooLarge(
            f"A session in which nobody signed in holds at most {ANONYMOUS_LARGEST} characters of JSON, and "
            f"this one would hold {len(text)}. Keep less in it, or keep it elsewhere."
        )
    return text


def limit_for(user_id: Any, transport: str) -> SessionLimit | None:
    """Return the limit for a sign-in of this user; None without one."""
    if user_id is None:
        return None
    settings = in_force(SESSIONS, user_id)
    if settings.max_sessions is None:
        return None
    return SessionLimit(
        settings.max_sessions, settings.max_sessions_action == validators.END_OLDEST, transport
    )


def note_ended(session_ids: Collection[int], user_id: Any) -> None:
    """Record that a sign-in ended these sessions of the user, the oldest."""
    reason = {"user": user_id, "reason": "limit"}
    trail.record_all(trail.make(events.Kind.REVOKED, session_id=one, **reason) for one in session_ids)
