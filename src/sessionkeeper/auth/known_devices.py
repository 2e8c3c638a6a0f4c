"""Known devices: browsers on which a user has signed in before, recognised by a signed cookie.

The cookie signs nobody in. A known device has its own count of attempts, so that it can sign in while an
attacker has locked the account for unknown devices. It also tells sign-ins on new devices from others.
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
    """The content of the cookie: an id, and digests of the accounts that signed in, the latest first."""

    id: str
    accounts: tuple[str, ...] = ()

    def knows(self, account: str) -> bool:
        """Return whether the account with this key has signed in on the device."""
        return account[:_DIGEST] in self.accounts


#: The device of a sign-in in this request, and whether the user had signed in on it before.
signed_in: ContextVar[tuple[Device, bool] | None] = context.variable("device")


def read(request: HttpRequest | None) -> Device | None:
    """Return the known device of a request, or None."""
    text = getattr(request, "COOKIES", {}).get(cookie_name())
    if text is None:
        return None
    try:
        value = signing.loads(text, salt=_SALT, max_age=_LIFE)
        return Device(str(value[0]), tuple(str(account) for account in value[1]))
    except (signing.BadSignature, ValueError, TypeError, LookupError):
        return None


def id_for(request: HttpRequest | None, account: str) -> str:
    """Return the id of the device if the account has signed in on it, else an empty text."""
    device = read(request)
    return device.id if device is not None and device.knows(account) else ""


def remember(device: Device | None, *accounts: str) -> Device:
    """Return the device with these accounts added, which have just signed in."""
    known = device or Device(secrets.token_urlsafe(12))
    digests = dict.fromkeys((*(account[:_DIGEST] for account in accounts), *known.accounts))
    return Device(known.id, tuple(digests)[:_MOST_ACCOUNTS])


def write(response: HttpResponseBase, device: Device) -> None:
    """Set the cookie."""
    transports.set_cookie(
        response,
        cookie_name(),
        signing.dumps([device.id, list(device.accounts)], salt=_SALT),
        _LIFE,
        httponly=True,
        samesite="None" if conf.current().cookie_partitioned else "Lax",
    )


def cookie_name() -> str:
    """Return the name of the cookie: that of the session cookie, so with the same prefix, and a suffix."""
    return f"{settings.SESSION_COOKIE_NAME}-device"
