"""The one switch of the path below the ORM: what fails there fails into the ORM.

That path saves time with names of Django's that are not documented. Where a release of Django, a backend or a
tool is not what it knows, Django's own way answers the request, the log says so once, and this process stays
on Django's own way.
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

# What the database or the session itself says. It would say the same on Django's own way.
_ANSWERS = (Error, SessionKeeperError, SynchronousOnlyOperation)
_lock = Lock()
#: Why the path is off in this process; empty while it is on.
reasons: list[Exception] = []


def take(shortcut: Callable[_P, _T], own_way: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what ``shortcut`` does; where it meets what it does not know, what Django's ``own_way`` does.

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
    """Return what Django's ``own_way`` does where the shortcut raised ``error``, and stay on that way.

    Raises:
        django.db.Error, SessionKeeperError: if ``error`` is one: the database or the session says so.
    """
    if isinstance(error, _ANSWERS):
        raise error
    answer = own_way(*args, **kwargs)  # what fails there as well is not for us to answer
    turn_off(error)
    return answer


def turn_off(error: Exception) -> None:
    """Leave everything to Django from now on, and say why, once."""
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
    """Try again: a setting has changed."""
    reasons.clear()


def unknown(*args: Any) -> None:
    """Return None, where Django's own way is that nothing is known."""
