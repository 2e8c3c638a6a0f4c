"""The values of ``SESSIONKEEPER``, and of the settings of Django that the engine uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.checks import engine
from sessionkeeper.core import records
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.engine import renewal, session_data


def check_sessionkeeper() -> Iterator[checks.CheckMessage]:
    """Report unknown keys and wrong values."""
    for problem in conf.problems():
        yield checks.Error(
            problem.message, hint=problem.hint or "See the settings reference.", id=CheckId.WRONG_SETTING
        )


def check_functions() -> Iterator[checks.CheckMessage]:
    """Report functions in the place of values that cannot be called."""
    for name, asked in conf.current().asked.items():
        if problem := asked.problem("request", "user"):
            yield checks.Error(
                f"{problem} Sign-ins, and everything else that needs the value, fail.",
                hint=f"Give SESSIONKEEPER[{name!r}] a value, or a function that takes the request and the "
                "user, each of which may be None.",
                id=CheckId.ASKED_IN_VAIN,
            )


def check_store() -> Iterator[checks.CheckMessage]:
    """Report a store in a database that is not configured."""
    alias = conf.current().store_alias
    if alias and alias not in _databases():
        yield checks.Error(
            f"SESSIONKEEPER['STORE'] names the database {alias!r}, which is not in DATABASES.",
            hint=f"Known entries: {', '.join(map(str, _databases())) or 'none'}.",
            id=CheckId.STORE_UNKNOWN,
        )


def check_timeouts() -> Iterator[checks.CheckMessage]:
    """Report timeouts without effect, and those that end sessions in use."""
    current = conf.current()
    if not current.explicit_idle and not _is_seconds(settings.SESSION_COOKIE_AGE):
        yield checks.Error(
            f"SESSION_COOKIE_AGE must be a number of seconds, not {settings.SESSION_COOKIE_AGE!r}.",
            hint="Set it to the idle timeout, for example 1209600 for two weeks.",
            id=CheckId.COOKIE_AGE,
        )
        return
    idle = current.idle_seconds
    if idle is None or current.asked.keys() & set(session_data.TIMES):
        return
    absolute = current.absolute.total_seconds()
    if idle > absolute and current.idle_timeout is not None:
        yield checks.Warning(
            f"SESSIONKEEPER['IDLE_TIMEOUT'] ({_days(idle)}) is longer than the absolute timeout "
            f"({_days(absolute)}), so it has no effect.",
            hint="Make IDLE_TIMEOUT shorter than ABSOLUTE_TIMEOUT.",
            id=CheckId.IDLE_LONGER_THAN_ABSOLUTE,
        )
    elif idle > absolute:
        yield checks.Warning(
            f"SESSION_COOKIE_AGE ({_days(idle)}), the idle timeout, is longer than the absolute timeout "
            f"({_days(absolute)}), so sessions end sooner.",
            hint="Lower SESSION_COOKIE_AGE, or set ABSOLUTE_TIMEOUT or IDLE_TIMEOUT in SESSIONKEEPER.",
            id=CheckId.COOKIE_AGE_LONGER_THAN_ABSOLUTE,
        )
    touch = records.touch_interval(idle, current.touch_interval).total_seconds()
    if touch >= idle:
        yield checks.Warning(
            f"SESSIONKEEPER['TOUCH_INTERVAL'] ({_days(touch)}) is not shorter than the idle timeout "
            f"({_days(idle)}), so sessions end while they are in use.",
            hint="Remove TOUCH_INTERVAL. It defaults to a twentieth of the idle timeout.",
            id=CheckId.TOUCH_TOO_LATE,
        )


def check_renewal() -> Iterator[checks.CheckMessage]:
    """Report a renewal of keys that does not happen, or happens too often."""
    current = conf.current()
    if current.rotate_after is None:
        return
    keeper = renewal.keeper()
    if keeper is not None:
        yield checks.Warning(
            f"SESSIONKEEPER['ROTATE_AFTER'] has no effect: {keeper!r} stores session keys, and would not "
            "find sessions whose key has been renewed.",
            hint=f"Remove {keeper!r} from INSTALLED_APPS and use sessionkeeper's list of sessions, or remove "
            "ROTATE_AFTER.",
            id=CheckId.RENEWAL_IDLE,
        )
    if current.rotate_after < 2 * current.rotate_overlap:
        yield checks.Warning(
            f"SESSIONKEEPER['ROTATE_AFTER'] ({current.rotate_after}) is shorter than twice ROTATE_OVERLAP "
            f"({current.rotate_overlap}), so late requests may be taken for copies of the session.",
            hint="Raise ROTATE_AFTER, for example to an hour.",
            id=CheckId.RENEWAL_TOO_OFTEN,
        )


def check_serializer() -> Iterator[checks.CheckMessage]:
    """Report a serializer that does not write JSON."""
    path = settings.SESSION_SERIALIZER
    probe = {"probe": [1, "x"]}
    try:
        serializer = import_string(path)()
        written = serializer.dumps(probe)
    except Exception as error:  # noqa: BLE001 - the class is the project's own
        yield checks.Error(
            f"SESSION_SERIALIZER {path!r} does not work: {error}.",
            hint="Remove SESSION_SERIALIZER. The default writes JSON.",
            id=CheckId.SERIALIZER_FAILS,
        )
        return
    if engine.is_ours() and not _is_json_of(written, probe):
        yield checks.Warning(
            f"SESSION_SERIALIZER {path!r} does not write JSON. The stored data is not readable, and with a "
            "format like pickle, somebody who learns SECRET_KEY can run code on the server.",
            hint="Remove SESSION_SERIALIZER, and store in sessions only what JSON can represent.",
            id=CheckId.SERIALIZER_NOT_JSON,
        )


@engine.if_ours
def check_proxies() -> Iterator[checks.CheckMessage]:
    """Report a site that is behind a proxy, according to Django's settings, but does not name it."""
    names = ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
    given = [name for name in names if getattr(settings, name)]
    if given and not conf.current().trusted_proxies:
        yield checks.Warning(
            f"{given[0]} says that the site is behind a proxy, but SESSIONKEEPER['TRUSTED_PROXIES'] names "
            "none. All clients seem to have the proxy's address, so one that guesses passwords can stop the "
            "sign-ins of all.",
            hint="Set TRUSTED_PROXIES to the addresses of the proxies. If the server itself replaces the "
            "address, as uvicorn does with --forwarded-allow-ips, silence this check.",
            id=CheckId.PROXIES_NOT_NAMED,
        )


@engine.if_ours
def check_connections() -> Iterator[checks.CheckMessage]:
    """Report a database server to which every request opens a connection."""
    if settings.DEBUG:
        return  # the development server starts a thread for each request, so connections cannot be kept
    alias = conf.current().store_alias or DEFAULT_DB_ALIAS
    database = _databases().get(alias)
    if not isinstance(database, dict):
        return
    backend, options = str(database.get("ENGINE", "")), database.get("OPTIONS")
    is_server = bool(backend) and not any(word in backend for word in ("sqlite", "spatialite", "dummy"))
    pooled = isinstance(options, dict) and bool(options.get("pool"))
    if is_server and not pooled and database.get("CONN_MAX_AGE", 0) == 0:
        unless = "" if backend.startswith("django.") else f", unless {backend!r} pools connections"
        yield checks.Warning(
            f"CONN_MAX_AGE of the database {alias!r} is 0. Every request opens a connection{unless}, which "
            "in our benchmark makes it cost 3.7 times as much.",
            hint="Set CONN_MAX_AGE = 600 and CONN_HEALTH_CHECKS = True; under ASGI, OPTIONS = "
            "{'pool': True}.",
            id=CheckId.CONNECTIONS_NOT_KEPT,
        )


def _databases() -> dict[Any, Any]:
    given: Any = settings.DATABASES
    return given if isinstance(given, dict) else {}


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _is_json_of(written: Any, probe: Any) -> bool:
    with suppress(ValueError, TypeError):
        return bool(json.loads(written) == probe)
    return False


def _days(seconds: float) -> str:
    return str(timedelta(seconds=min(seconds, timedelta.max.days * 86_400)))
