"""Limits on how often one address may ask for mail. Guesses of passwords are counted by the lockout."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import SimpleRateThrottle

from sessionkeeper.api.requests import django_request
from sessionkeeper.http.client_address import client_address


class _AddressThrottle(SimpleRateThrottle):
    """Counts by the client's address, which only proxies that the site trusts can tell.

    ``REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"][scope]`` overrides the rate; None there switches it off.
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
        ident = client_address(django_request(request)) or "unknown"
        return self.cache_format % {"scope": self.scope, "ident": ident}


class ResetThrottle(_AddressThrottle):
    """Mails of a password reset, and tries of their tokens."""

    scope = "sessionkeeper-reset"
    default_rate = "10/min"
