"""The limits of sessions: their timeouts, the size of anonymous ones, and how many a user may have."""

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
    answers = greenlets.run_in_database_thread(_ask, asked, user_id, request)
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
    """Return the limit for a sign-in of this user, or None."""
    if user_id is None:
        return None
    settings = in_force(SESSIONS, user_id)
    if settings.max_sessions is None:
        return None
    return SessionLimit(
        settings.max_sessions, settings.max_sessions_action == validators.END_OLDEST, transport
    )


def note_ended(session_ids: Collection[int], user_id: Any) -> None:
    """Record that a sign-in ended these sessions, the user's oldest."""
    reason = {"user": user_id, "reason": "limit"}
    trail.record_all(trail.make(events.Kind.REVOKED, session_id=one, **reason) for one in session_ids)
