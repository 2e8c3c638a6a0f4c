"""The measured view, one that writes into the session, and a login."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate, login
from django.http import HttpResponse
from rest_framework.response import Response
from rest_framework.views import APIView


class WhoAmI(APIView):
    """Say who asks, as DRF code does."""

    def get(self, request: Any) -> Response:
        return Response({"user": request.user.username})


def write(request: Any, name: str) -> HttpResponse:
    """Set one key of the session."""
    request.session[name] = 1
    return HttpResponse()


def sign_in(request: Any) -> HttpResponse:
    """Sign the benchmark's user in."""
    user = authenticate(request, username="alice", password="wonderland")
    login(request, user)
    return HttpResponse()
