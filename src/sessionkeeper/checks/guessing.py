"""Whether guesses at passwords are counted at every door, and how passwords are kept."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.backends import LockoutBackend, ModelBackend
from sessionkeeper.checks import engine

_ARGON2 = "django.contrib.auth.hashers.Argon2PasswordHasher"
_FAST = ("MD5PasswordHasher", "UnsaltedMD5PasswordHasher", "SHA1PasswordHasher", "UnsaltedSHA1PasswordHasher")


def check_backends() -> Iterator[CheckMessage]:
    """Report doors at which nobody counts."""
    if not (engine.is_ours() and conf.current().lockout):
        return
    given: Any = settings.AUTHENTICATION_BACKENDS
    first = next(iter(given), "")
    if not (first and issubclass(import_string(first), LockoutBackend | ModelBackend)):
        yield Warning(
            "Guesses at passwords are refused by the API and pages of sessionkeeper alone: the admin and "
            f"other doors ask {first!r} at once.",
            hint="Put 'sessionkeeper.backends.ModelBackend' first in AUTHENTICATION_BACKENDS, in place of "
            "Django's; without a ModelBackend, 'sessionkeeper.backends.LockoutBackend'.",
            id="sessionkeeper.W070",
        )


def check_hashers() -> Iterator[CheckMessage]:
    """Report passwords that are kept in a way that makes guessing at a stolen table cheap."""
    hashers: Any = settings.PASSWORD_HASHERS
    first = str(next(iter(hashers), ""))
    if first.rpartition(".")[2] in _FAST:
        yield Warning(
            f"PASSWORD_HASHERS begins with {first!r}: a stolen table of passwords is guessed in minutes.",
            hint=f"Put {_ARGON2!r} first (`pip install argon2-cffi`). Passwords move as people sign in.",
            id="sessionkeeper.W071",
        )
    elif find_spec("argon2") is not None and first != _ARGON2:
        yield Warning(
            f"argon2-cffi is installed, and PASSWORD_HASHERS begins with {first!r}.",
            hint=f"Put {_ARGON2!r} first and leave the others after it. Passwords move as people sign in.",
            id="sessionkeeper.W072",
        )
    if not settings.AUTH_PASSWORD_VALIDATORS:
        yield Warning(
            "AUTH_PASSWORD_VALIDATORS is empty: people may choose any password, the most common ones too.",
            hint="Set the list that `django-admin startproject` writes.",
            id="sessionkeeper.W073",
        )
