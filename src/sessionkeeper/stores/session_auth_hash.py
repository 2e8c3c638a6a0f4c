"""Django's session auth hash of a user: an HMAC of the password's hash, remembered by that."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.crypto import salted_hmac

from sessionkeeper.stores.database import shortcut


def is_djangos(kind: type) -> bool:
    """Whether a user model leaves the hash to Django, so that it depends on the password alone."""
    return bool(shortcut.take(_is_djangos, shortcut.unknown, kind))


def _is_djangos(kind: Any) -> bool:
    return (
        getattr(kind, "get_session_auth_hash", None) is AbstractBaseUser.get_session_auth_hash
        and kind._get_session_auth_hash is AbstractBaseUser._get_session_auth_hash  # type: ignore[attr-defined]
        and _is_known(kind)
    )


def of_user(user: Any) -> str:
    """Return ``user.get_session_auth_hash()``."""
    if is_djangos(type(user)):
        return of_password(user.password, settings.SECRET_KEY)
    return str(user.get_session_auth_hash())


@lru_cache(maxsize=4096)
def of_password(password: str, secret: str) -> str:
    """Return the hash that Django makes of a password's hash, where :func:`is_djangos`."""
    key_salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
    return salted_hmac(key_salt, password, secret=secret, algorithm="sha256").hexdigest()


@lru_cache(maxsize=64)
def _is_known(kind: Any) -> bool:
    """Return True where both make the same hash: else a release of Django would sign everybody out.

    Raises:
        RuntimeError: they do not.
    """
    somebody, password = kind.__new__(kind), "anything"
    vars(somebody)["password"] = password
    if of_password(password, settings.SECRET_KEY) != somebody.get_session_auth_hash():
        raise RuntimeError("This release of Django makes the session auth hash in another way.")
    return True
