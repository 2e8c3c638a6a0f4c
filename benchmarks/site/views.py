"""The measured views, one that writes into the session, and a login."""

from __future__ import annotations

import random
from typing import Any

from django.contrib.auth import authenticate, login
from django.http import HttpResponse, JsonResponse
from rest_framework.response import Response
from rest_framework.views import APIView

#: People beside the one who is measured, who sign in, all with this password.
PEOPLE, PASSWORD = 1000, "wonderland"


class WhoAmI(APIView):
    """Say who asks, as DRF code does."""

    def get(self, request: Any) -> Response:
        return Response({"user": request.user.username})


async def awhoami(request: Any) -> JsonResponse:
    """Say who asks, in an async view; without authentication nobody."""
    user = await request.auser() if hasattr(request, "auser") else None
    return JsonResponse({"user": user.username if user is not None else ""})


def write(request: Any, name: str) -> HttpResponse:
    """Set one key of the session."""
    request.session[name] = 1
    return HttpResponse()


def sign_in(request: Any) -> HttpResponse:
    """Sign somebody in: many people, as in a storm of sign-ins, and not one with thousands of sessions."""
    user = authenticate(request, username=f"user{random.randrange(PEOPLE)}", password=PASSWORD)
    login(request, user)
    return HttpResponse()
