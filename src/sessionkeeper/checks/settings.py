"""The values of ``SESSIONKEEPER`` and of the settings of Django that it builds on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from inspect import signature
from typing import Any

from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004
)
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.checks import engine
from sessionkeeper.checks.deploy import HOST_PREFIX
from sessionkeeper.core import policy
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.engine import limits, renewal


def check_sessionkeeper() -> Iterator[CheckMessage]:
    """Report unknown keys and values of the wrong type."""
    for problem in conf.problems():
        yield Error(
            problem.message,
            hint=problem.hint or "See the settings reference.",
            id=CheckId.WRONG_SETTING,
        )


def check_asked() -> Iterator[CheckMessage]:
    """Report functions that give values of settings and cannot be asked."""
    for name, asked in conf.current().asked.items():
        try:
            function = asked.function()
        except ImproperlyConfigured as error:
            yield Error(
                f"{error} Sign-ins fail, and so does whatever else needs the value.",
                hint=f"Correct SESSIONKEEPER[{name!r}], or give it a value.",
                id=CheckId.ASKED_IN_VAIN,
            )
            continue
        try:
            signature(function).bind(None, None)
        except TypeError as error:
            yield Error(
                f"SESSIONKEEPER[{name!r}]: {asked.label} does not take (request, user): {error}.",
                hint="Give it two parameters: the request, or None, and the user, or None.",
                id=CheckId.ASKED_IN_VAIN,
            )
        except ValueError:
            pass  # a function of C, which tells nothing


def check_store() -> Iterator[CheckMessage]:
    """Report a store in a database that is not configured."""
    kind, _, alias = conf.current().store.partition(":")
    if kind == "database" and alias and alias not in _databases():
        yield Error(
            f"SESSIONKEEPER['STORE'] names the database {alias!r}, which DATABASES does not have.",
            hint=f"Known: {', '.join(map(str, _databases())) or 'none'}.",
            id=CheckId.STORE_UNKNOWN,
        )


def check_timeouts() -> Iterator[CheckMessage]:
    """Report timeouts that never act, or that end sessions in use."""
    current = conf.current()
    if not current.explicit_idle and not _is_seconds(settings.SESSION_COOKIE_AGE):
        yield Error(
            f"SESSION_COOKIE_AGE must be a whole number of seconds, not {settings.SESSION_COOKIE_AGE!r}.",
            hint="Set it to the idle timeout, 1209600 for two weeks.",
            id=CheckId.COOKIE_AGE,
        )
        return
    idle = current.idle_seconds
    if idle is None or current.asked.keys() & set(limits.TIMES):
        return
    absolute = current.absolute.total_seconds()
    if idle > absolute and current.idle_timeout is not None:
        yield Warning(
            f"IDLE_TIMEOUT ({_days(idle)}) is longer than the absolute timeout ({_days(absolute)}): no "
            "session ends for being idle.",
            hint="Set SESSIONKEEPER['IDLE_TIMEOUT'] below SESSIONKEEPER['ABSOLUTE_TIMEOUT'].",
            id=CheckId.IDLE_LONGER_THAN_ABSOLUTE,
        )
    elif idle > absolute:
        yield Warning(
            f"SESSION_COOKIE_AGE ({_days(idle)}), the idle timeout, is longer than the absolute timeout "
            f"({_days(absolute)}): sessions end sooner than it says.",
            hint="Lower SESSION_COOKIE_AGE, or set SESSIONKEEPER['ABSOLUTE_TIMEOUT'] or ['IDLE_TIMEOUT'].",
            id=CheckId.COOKIE_AGE_LONGER_THAN_ABSOLUTE,
        )
    touch = policy.touch_interval(idle, current.touch_interval).total_seconds()
    if touch >= idle:
        yield Warning(
            f"TOUCH_INTERVAL ({_days(touch)}) is not shorter than the idle timeout ({_days(idle)}): sessions "
            "in use end too.",
            hint="Leave SESSIONKEEPER['TOUCH_INTERVAL'] unset: a twentieth of the idle timeout.",
            id=CheckId.TOUCH_TOO_LATE,
        )


def check_renewal() -> Iterator[CheckMessage]:
    """Report a renewal of keys that does not take place, or comes before its time."""
    current = conf.current()
    if current.rotate_after is None:
        return
    keeper = renewal.keeper()
    if keeper is not None:
        yield Warning(
            f"ROTATE_AFTER does nothing: {keeper!r} keeps session keys of its own, and would lose sight of "
            "sessions whose key is renewed.",
            hint=f"Remove {keeper!r} from INSTALLED_APPS, our own list of sessions does the same; or "
            "SESSIONKEEPER['ROTATE_AFTER'].",
            id=CheckId.RENEWAL_IDLE,
        )
    if current.rotate_after < 2 * current.rotate_overlap:
        yield Warning(
            f"ROTATE_AFTER ({current.rotate_after}) is shorter than twice ROTATE_OVERLAP "
            f"({current.rotate_overlap}): requests that are merely late may be taken for copies.",
            hint="Raise SESSIONKEEPER['ROTATE_AFTER'], to an hour or so.",
            id=CheckId.RENEWAL_TOO_OFTEN,
        )


def check_serializer() -> Iterator[CheckMessage]:
    """Report a serializer that does not write JSON."""
    path = settings.SESSION_SERIALIZER
    probe = {"probe": [1, "x"]}
    try:
        serializer = import_string(path)()
        written = serializer.dumps(probe)
    except Exception as error:  # noqa: BLE001 - the class is the project's own
        yield Error(
            f"SESSION_SERIALIZER = {path!r} does not work: {error}.",
            hint="Remove SESSION_SERIALIZER: the default writes JSON.",
            id=CheckId.SERIALIZER_FAILS,
        )
        return
    if engine.is_ours() and not _is_json_of(written, probe):
        yield Warning(
            f"SESSION_SERIALIZER = {path!r} does not write JSON: nobody can read the stored data, and with "
            "formats like pickle, who learns SECRET_KEY can run code on the server.",
            hint="Remove SESSION_SERIALIZER, and keep in sessions what JSON can hold.",
            id=CheckId.SERIALIZER_NOT_JSON,
        )


def check_cookie_prefix() -> Iterator[CheckMessage]:
    """Report a cookie that browsers refuse, because it does not keep what its name promises."""
    for kind in ("SESSION", "CSRF"):
        name = getattr(settings, f"{kind}_COOKIE_NAME")
        if not str(name).startswith(HOST_PREFIX) or (kind == "CSRF" and settings.CSRF_USE_SESSIONS):
            continue
        wrong = [
            f"{kind}_COOKIE_{what} = {fix}"
            for what, fix, fine in (
                ("SECURE", True, bool(getattr(settings, f"{kind}_COOKIE_SECURE"))),
                ("DOMAIN", None, not getattr(settings, f"{kind}_COOKIE_DOMAIN")),
                ("PATH", "'/'", getattr(settings, f"{kind}_COOKIE_PATH") == "/"),
            )
            if not fine
        ]
        if wrong:
            yield Error(
                f"Browsers refuse the cookie {name!r}: the prefix promises Secure, no domain, path '/'.",
                hint=f"Set {', '.join(wrong)}, or use a name without the prefix (where there is no HTTPS).",
                id=CheckId.PREFIX_BROKEN,
            )


def check_connections() -> Iterator[CheckMessage]:
    """Report a database server that is connected to anew for every request."""
    if settings.DEBUG or not engine.is_ours():
        return  # the development server makes a thread for each request: keeping connections is no use there
    kind, _, name = conf.current().store.partition(":")
    alias = name if kind == "database" and name else "default"
    database = _databases().get(alias)
    if not isinstance(database, dict):
        return
    backend, options = str(database.get("ENGINE", "")), database.get("OPTIONS")
    is_server = bool(backend) and not any(word in backend for word in ("sqlite", "spatialite", "dummy"))
    pooled = isinstance(options, dict) and bool(options.get("pool"))
    if is_server and not pooled and database.get("CONN_MAX_AGE", 0) == 0:
        unless = "" if backend.startswith("django.") else f", unless {backend!r} pools them"
        yield Warning(
            f"CONN_MAX_AGE of the database {alias!r} is 0: every request opens a connection{unless}. In our "
            "benchmark that makes it cost 3.7 times a request on a kept one.",
            hint="Set CONN_MAX_AGE = 600, CONN_HEALTH_CHECKS = True; under ASGI OPTIONS = {'pool': True}.",
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
