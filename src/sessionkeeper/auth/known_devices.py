"""Known devices: browsers on which somebody signed in before, proven by a signed cookie.

The cookie signs nobody in. It lets a browser try a password while strangers have locked the account for
unknown devices, with a count of its own, and tells a sign-in on a new device from one on an old one.
"""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sessionkeeper import conf
from sessionkeeper.core import context
from sessionkeeper.http import transports

_SALT = "sessionkeeper.known_devices"
_LIFE = timedelta(days=400)  # the longest that browsers keep a cookie
_MOST_ACCOUNTS = 6
_DIGEST = 16


class Device(NamedTuple):
    """What the cookie says: an id, and digests of the accounts that signed in, the last one first."""

    id: str
    accounts: tuple[str, ...] = ()

    def knows(self, account: str) -> bool:
        """Whether an account, by its key, has signed in here."""
        return account[:_DIGEST] in self.accounts


#: The device that somebody signed in on in this request, and whether the user had signed in on it before.
signed_in: ContextVar[tuple[Device, bool] | None] = context.variable("device")


def read(request: HttpRequest | None) -> Device | None:
    """Return the known device that a request comes from, or None."""
    text = getattr(request, "COOKIES", {}).get(cookie_name())
    if text is None:
        return None
    try:
        value = signing.loads(text, salt=_SALT, max_age=_LIFE)
        return Device(str(value[0]), tuple(str(account) for account in value[1]))
    except (signing.BadSignature, ValueError, TypeError, LookupError):
        return None


def id_for(request: HttpRequest | None, account: str) -> str:
    """Return the id of the device if it is known to this account, else an empty text."""
    device = read(request)
    return device.id if device is not None and device.knows(account) else ""


def remember(device: Device | None, *accounts: str) -> Device:
    """Return the device with accounts that signed in now."""
    known = device or Device(secrets.token_urlsafe(12))
    digests = dict.fromkeys((*(account[:_DIGEST] for account in accounts), *known.accounts))
    return Device(known.id, tuple(digests)[:_MOST_ACCOUNTS])


def write(response: HttpResponseBase, device: Device) -> None:
    """Give the browser its cookie."""
    response.set_cookie(
        cookie_name(),
        signing.dumps([device.id, list(device.accounts)], salt=_SALT),
        max_age=_LIFE,
        domain=transports.domain(),
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE or False,
        httponly=True,
        samesite="None" if conf.current().cookie_partitioned else "Lax",
    )
    transports.partition(response, cookie_name())


def cookie_name() -> str:
    """Return the name of the cookie: the session's, and so with the same prefix, and a suffix."""
    return f"{settings.SESSION_COOKIE_NAME}-device"
