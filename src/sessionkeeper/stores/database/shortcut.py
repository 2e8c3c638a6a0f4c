"""The switch for the shortcut below the ORM: where the shortcut fails, the ORM takes over.

The shortcut saves time by using undocumented names of Django. Where a release of Django, a database backend
or a tool is not as expected, the ORM answers the request, an error is logged once, and the process uses the
ORM from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import Any, ParamSpec, TypeVar

from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error

from sessionkeeper.core.errors import SessionKeeperError

_P = ParamSpec("_P")
_T = TypeVar("_T")

log = logging.getLogger("sessionkeeper.store")

# Errors of the database or the session itself, which the ORM would raise too.
_ANSWERS = (Error, SessionKeeperError, SynchronousOnlyOperation)
_lock = Lock()
#: Why the shortcut is off in this process; empty while it is on.
reasons: list[Exception] = []


def take(shortcut: Callable[_P, _T], own_way: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return the result of ``shortcut``, or that of Django's ``own_way`` where the shortcut fails.

    Raises:
        django.db.Error, SessionKeeperError: as both do.
    """
    if reasons:
        return own_way(*args, **kwargs)
    try:
        return shortcut(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is logged and the request answered
        return fall_back(error, own_way, *args, **kwargs)


def fall_back(error: Exception, own_way: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return the result of Django's ``own_way``, and turn off the shortcut, which raised ``error``.

    Raises:
        django.db.Error, SessionKeeperError: if ``error`` is one: the database or the session raised it.
    """
    if isinstance(error, _ANSWERS):
        raise error
    answer = own_way(*args, **kwargs)  # an error that both raise does not count
    turn_off(error)
    return answer


def turn_off(error: Exception) -> None:
    """Use the ORM from now on, and log the reason once."""
    with _lock:
        is_first = not reasons
        reasons.append(error)
    if is_first:
        log.error(
            "The shortcut below Django's ORM met what it does not know: %r. From now on this process reads "
            "sessions by the ORM: slower, with the same answers. Please report it.",
            error,
            exc_info=error,
        )


def turn_on() -> None:
    """Use the shortcut again, because a setting has changed."""
    reasons.clear()


def unknown(*args: Any) -> None:
    """Return None: Django's own way has no answer."""
