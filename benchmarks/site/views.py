"""The measured views, one that writes into the session, and a login."""

from __future__ import annotations

import random
import time
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
    """Set one key of the session, to another value each time."""
    request.session[name] = time.perf_counter_ns()
    return HttpResponse()


def read(request: Any, name: str) -> HttpResponse:
    """Do the same without a write."""
    request.session.get(name)
    return HttpResponse()


def sign_in(request: Any) -> HttpResponse:
    """Sign somebody in: many people, as in a storm of sign-ins, unless one is named."""
    name = request.GET.get("user") or f"user{random.randrange(PEOPLE)}"
    user = authenticate(request, username=name, password=PASSWORD)
    login(request, user)
    return HttpResponse()
