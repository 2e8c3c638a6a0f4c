"""Makes a session older, so that a test need not wait. Its times move, and no clock does.

A clock that is replaced would not reach the one that decides: on PostgreSQL and Valkey it is the server's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.test import Client

from sessionkeeper import conf
from sessionkeeper.conf import redis_url
from sessionkeeper.core import moments
from sessionkeeper.core.errors import SessionGone
from sessionkeeper.core.records import Lookup
from sessionkeeper.engine import session_data
from sessionkeeper.models import Session
from sessionkeeper.stores.factory import get_guarded_store, get_near_cache, get_store
from sessionkeeper.stores.near_cache.entries import ALL
from sessionkeeper.stores.redis.serialization import PAST, microseconds
from sessionkeeper.testing.clients import bare_request, session_number

_TIMES = ("created_at", "authenticated_at", "last_seen_at", "expires_at", "previous_at")
_SECOND = timedelta(seconds=1)


def travel(client: Client | str, duration: timedelta) -> None:
    """Let ``duration`` pass for the session of a client, or with a public id, as if nobody had used it.

    Only this session gets older: your own models, tokens of other packages and signed values do not.

    Raises:
        ValueError: the client has no session.
        SessionGone: its session has ended.
    """
    number = session_number(client)
    _move(number, _found(number), _TIMES, duration)


def travel_past_idle_timeout(client: Client | str) -> None:
    """Let just so much time pass that the idle timeout of the session has.

    Raises:
        ValueError: the session has no idle timeout, or the client no session.
        SessionGone: its session has ended.
    """
    number = session_number(client)
    found = _found(number)
    if found.record.idle_seconds is None:
        raise ValueError("This session has no idle timeout. Set IDLE_TIMEOUT, or a TIMEOUT_PRESET with one.")
    end = found.record.last_seen_at + timedelta(seconds=found.record.idle_seconds)
    _move(number, found, _TIMES, end - found.now + _SECOND)


def travel_past_absolute_timeout(client: Client | str) -> None:
    """Let just so much time pass that the absolute timeout of the session has, while the session was in use.

    Raises:
        ValueError: the client has no session.
        SessionGone: its session has ended.
    """
    number = session_number(client)
    found = _found(number)
    used = [name for name in _TIMES if name != "last_seen_at"]
    _move(number, found, used, found.record.expires_at - found.now + _SECOND)


def stale_proof(client: Client, age: timedelta | None = None) -> None:
    """Make the last proof of the signed-in user too old for sensitive actions; the session stays.

    It gets as old as ``REAUTHENTICATE_AFTER`` allows, or as ``age``, and a second more. Give ``age`` if a
    view of yours requires a proof within a longer time.

    Raises:
        ValueError: the client has no session.
        SessionGone: its session has ended.
    """
    number = session_number(client)
    found = _found(number)
    if age is None:
        request = bare_request(client)
        age = session_data.in_force(session_data.PROOF, found.record.user_id, request).reauthenticate_after
    _set(number, {"authenticated_at": found.now - age - _SECOND})


def fresh_proof(client: Client) -> None:
    """Make the last proof of the signed-in user as recent as if it had just been given.

    Raises:
        ValueError: the client has no session.
        SessionGone: its session has ended.
    """
    number = session_number(client)
    _set(number, {"authenticated_at": _found(number).now})


def _found(number: int) -> Lookup:
    found = get_store().find(number)
    if found is None:
        raise SessionGone
    return found


def _move(number: int, found: Lookup, names: Iterable[str], by: timedelta) -> None:
    before: dict[str, Any] = found.record._asdict()
    _set(number, {name: before[name] - by for name in names if before[name] is not None})


def _set(number: int, times: dict[str, datetime]) -> None:
    if redis_url.is_redis(conf.current().store):
        store: Any = get_guarded_store().store
        fields = {PAST.get(name, "expires"): microseconds(moment) for name, moment in times.items()}
        store.client.connection.hset(store._index.session(number), mapping=fields)  # noqa: SLF001
    else:
        Session._base_manager.using(get_store().alias).filter(pk=number).update(**_native(times))
    near = get_near_cache()
    if near is not None:  # as if another process had announced it
        near.entries.drop([ALL])


def _native(times: dict[str, datetime]) -> dict[str, datetime]:
    return {name: moments.native(moment) for name, moment in times.items()}
