"""Whether guesses at passwords are counted at every door, and how passwords are kept."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Warning,  # noqa: A004
)
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.auth.backends import LockoutBackend, ModelBackend
from sessionkeeper.checks import engine
from sessionkeeper.core.check_ids import CheckId

# Django's own by their full names: what a hasher of the project's own does cannot be told by its name.
_HASHERS = "django.contrib.auth.hashers."
_ARGON2 = f"{_HASHERS}Argon2PasswordHasher"
_FAST = tuple(f"{_HASHERS}{name}PasswordHasher" for name in ("MD5", "UnsaltedMD5", "SHA1", "UnsaltedSHA1"))
_DJANGOS = "django.contrib.auth.backends.ModelBackend"
# Only where exactly Django's is first: what inherits from it, or is compared by its path, has to stay.
_IN_PLACE_OF_DJANGOS = (
    "Put 'sessionkeeper.backends.ModelBackend' in the place of Django's. A session names the backend that "
    "signed it in: to keep those of today, leave Django's in the list after it until they are over."
)
_LOCKOUT_FIRST = (
    "Put 'sessionkeeper.backends.LockoutBackend' first in AUTHENTICATION_BACKENDS and leave the others as "
    "they are: it takes nobody, and refuses for all of them. Silence this if they refuse by themselves."
)


def check_backends() -> Iterator[CheckMessage]:
    """Report that others than our API and pages may look at any number of guesses."""
    if not (engine.is_ours() and conf.current().lockout):
        return
    given: Any = settings.AUTHENTICATION_BACKENDS
    first = next(iter(given), "")
    if first and issubclass(import_string(first), LockoutBackend | ModelBackend):
        return
    yield Warning(
        "sessionkeeper refuses guesses at passwords in its own API and pages alone: the admin and other "
        f"doors ask {first!r} at once"
        f"{'' if first == _DJANGOS else ', which may refuse them by itself or not'}.",
        hint=_IN_PLACE_OF_DJANGOS if first == _DJANGOS else _LOCKOUT_FIRST,
        id=CheckId.GUESSES_NOT_COUNTED,
    )


def check_hashers() -> Iterator[CheckMessage]:
    """Report passwords that are kept in a way that makes guessing at a stolen table cheap."""
    hashers: Any = settings.PASSWORD_HASHERS
    first = str(next(iter(hashers), ""))
    if first in _FAST:
        yield Warning(
            f"PASSWORD_HASHERS begins with {first!r}: a stolen table of passwords is guessed in minutes.",
            hint=f"Put {_ARGON2!r} first (`pip install argon2-cffi`). Passwords move as people sign in.",
            id=CheckId.FAST_HASHER,
        )
    elif find_spec("argon2") is not None and first.startswith(_HASHERS) and first != _ARGON2:
        yield Warning(
            f"argon2-cffi is installed, and PASSWORD_HASHERS begins with {first!r}.",
            hint=f"Put {_ARGON2!r} first and leave the others after it. Passwords move as people sign in.",
            id=CheckId.ARGON2_UNUSED,
        )
    if not settings.AUTH_PASSWORD_VALIDATORS:
        yield Warning(
            "AUTH_PASSWORD_VALIDATORS is empty: people may choose any password, the most common ones too.",
            hint="Set the list that `django-admin startproject` writes.",
            id=CheckId.NO_VALIDATORS,
        )
