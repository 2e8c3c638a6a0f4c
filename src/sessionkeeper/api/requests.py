"""Requests of Django REST Framework, and Django's in them."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request


def django_request(request: Request) -> HttpRequest:
    """Return the request that DRF's request wraps."""
    wrapped: HttpRequest = request._request  # noqa: SLF001 - DRF has no other name for it
    return wrapped
