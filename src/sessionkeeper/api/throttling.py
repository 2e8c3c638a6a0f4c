"""Limits on how often one address may try. A lockout of accounts is another thing."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle


class _AddressThrottle(SimpleRateThrottle):
    """Counts by the client's address, as the connection has it.

    ``REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"][scope]`` overrides the rate; None there switches it off.
    ``X-Forwarded-For`` is believed only as far as DRF's ``NUM_PROXIES`` says: anybody can write it.
    """

    default_rate = ""

    def get_rate(self) -> str | None:
        """Return the project's rate, or ours."""
        rates: dict[str, Any] = api_settings.DEFAULT_THROTTLE_RATES or {}
        rate: str | None = rates.get(self.scope or "", self.default_rate)
        return rate

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        """Return one key for each address, for requests that try something."""
        if request.method != "POST":
            return None
        proxies: Any = api_settings.NUM_PROXIES
        ident = self.get_ident(request) if proxies else request.META.get("REMOTE_ADDR") or "unknown"
        return self.cache_format % {"scope": self.scope, "ident": ident}


class LoginThrottle(_AddressThrottle):
    """Tries of a password."""

    scope = "sessionkeeper-login"
    default_rate = "30/min"


class ResetThrottle(_AddressThrottle):
    """Mails of a password reset, and tries of their tokens."""

    scope = "sessionkeeper-reset"
    default_rate = "10/min"
