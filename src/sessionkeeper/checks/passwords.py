"""Whether failed sign-ins are counted everywhere, how passwords are stored, and second factors."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.auth import flows
from sessionkeeper.auth.backends import LockoutBackend, ModelBackend
from sessionkeeper.checks import engine
from sessionkeeper.core.check_ids import CheckId

# Django's hashers by their full names: the name of a project's own hasher says nothing about it.
_HASHERS = "django.contrib.auth.hashers."
_ARGON2 = f"{_HASHERS}Argon2PasswordHasher"
_FAST = tuple(f"{_HASHERS}{name}PasswordHasher" for name in ("MD5", "UnsaltedMD5", "SHA1", "UnsaltedSHA1"))
_UPGRADED = "Passwords are hashed anew as users sign in."
_DJANGOS = "django.contrib.auth.backends.ModelBackend"
# Only where exactly Django's is first: a subclass, or a backend that is compared by its path, has to stay.
_IN_PLACE_OF_DJANGOS = (
    "Replace it with 'sessionkeeper.backends.ModelBackend'. Sessions name the backend that signed them in: "
    "to keep the present ones, list Django's backend after it until they have expired."
)
_LOCKOUT_FIRST = (
    "Add 'sessionkeeper.backends.LockoutBackend' as the first of AUTHENTICATION_BACKENDS and leave the "
    "others as they are: it signs nobody in, and refuses for all of them. Silence this check if they limit "
    "failures themselves."
)


@engine.if_ours
def check_backends() -> Iterator[checks.CheckMessage]:
    """Report that code other than our API and pages may check any number of passwords."""
    if not conf.current().lockout:
        return
    given: Any = settings.AUTHENTICATION_BACKENDS
    first = next(iter(given), "")
    if first and issubclass(import_string(first), LockoutBackend | ModelBackend):
        return
    yield checks.Warning(
        "Too many failed sign-ins are refused only in sessionkeeper's own API and pages: the admin and other "
        f"views ask {first!r} directly"
        f"{'' if first == _DJANGOS else ', which may limit failures itself or not'}.",
        hint=_IN_PLACE_OF_DJANGOS if first == _DJANGOS else _LOCKOUT_FIRST,
        id=CheckId.GUESSES_NOT_COUNTED,
    )


def check_hashers() -> Iterator[checks.CheckMessage]:
    """Report settings with which passwords from a stolen table are easily guessed."""
    hashers: Any = settings.PASSWORD_HASHERS
    first = str(next(iter(hashers), ""))
    if first in _FAST:
        yield checks.Warning(
            f"PASSWORD_HASHERS starts with {first!r}. Passwords from a stolen table are guessed in minutes.",
            hint=f"Put {_ARGON2!r} first (`pip install argon2-cffi`). {_UPGRADED}",
            id=CheckId.FAST_HASHER,
        )
    elif find_spec("argon2") is not None and first.startswith(_HASHERS) and first != _ARGON2:
        yield checks.Warning(
            f"argon2-cffi is installed, but PASSWORD_HASHERS starts with {first!r}.",
            hint=f"Put {_ARGON2!r} first and keep the others after it. {_UPGRADED}",
            id=CheckId.ARGON2_UNUSED,
        )
    if not settings.AUTH_PASSWORD_VALIDATORS:
        yield checks.Warning(
            "AUTH_PASSWORD_VALIDATORS is empty. Users can choose any password, including the most common "
            "ones.",
            hint="Use the list that `django-admin startproject` writes.",
            id=CheckId.NO_VALIDATORS,
        )


def check_second_factor() -> Iterator[checks.CheckMessage]:
    """Report a function that cannot be imported; otherwise say that second factors are asked for."""
    paths = flows.second_factors()
    for path in paths:
        try:
            works = callable(import_string(path))
        except ImportError:
            works = False
        if not works:
            yield checks.Error(
                f"{path}, which tells whether a user has a second factor, cannot be imported. Every sign-in "
                "with a password fails.",
                hint="Correct SESSIONKEEPER['SECOND_FACTOR'], or install the package that it names.",
                id=CheckId.SECOND_FACTOR_MISSING,
            )
            return
    if paths:
        yield checks.Info(
            f"Users with a second factor, according to {' and '.join(paths)}, cannot sign in with a password "
            "alone: sessionkeeper's login, tokens and reauthentication answer second_factor_required.",
            hint="Ask for the second factor in a view of your own and call flows.complete_log_in(), or use "
            "the login of the package that manages it. Then silence this check.",
            id=CheckId.SECOND_FACTOR_ASKED,
        )
