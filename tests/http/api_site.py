"""URLs and views of a small site with the API: every kind of DRF view, and passive ones."""

from __future__ import annotations

import asyncio

from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework import viewsets
from rest_framework.decorators import action, api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from sessionkeeper.api.authentication import SessionAuthentication, TokenAuthentication
from sessionkeeper.api.exceptions import exception_handler
from sessionkeeper.api.scopes import HasScope
from sessionkeeper.auth.decorators import passive


def answer(request):
    return Response({"user": request.user.get_username(), "data": request.data})


class Notes(APIView):
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return answer(request)

    def post(self, request):
        return answer(request)


class NotesAsProblems(Notes):
    def get_exception_handler(self):
        return exception_handler


class StaffNotes(NotesAsProblems):
    permission_classes = [IsAdminUser]


class BothNotes(Notes):
    authentication_classes = [SessionAuthentication, TokenAuthentication]


class TokenNotes(Notes):
    authentication_classes = [TokenAuthentication]


class ScopedNotes(BothNotes):
    permission_classes = [IsAuthenticated, HasScope("notes:read")]


class StaffOrScopedNotes(BothNotes):
    permission_classes = [IsAdminUser | HasScope("notes:read")]


class NoteSet(viewsets.ViewSet):
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def list(self, request):
        return answer(request)

    def create(self, request):
        return answer(request)

    @method_decorator(passive)
    @action(detail=False)
    def count(self, request):
        return answer(request)


@api_view(["GET", "POST"])
@authentication_classes([SessionAuthentication])
@permission_classes([IsAuthenticated])
def notes_function(request):
    return answer(request)


@login_not_required
def who(request):
    return JsonResponse({"user": request.user.get_username()})


@login_not_required
def nothing(request):
    return JsonResponse({})


@login_not_required
def remembered(request):
    request.session["basket"] = 1
    return JsonResponse({})


@passive
async def passive_async(request):
    await asyncio.sleep(0)
    return JsonResponse({"user": (await request.auser()).get_username()})


class Plain(View):
    def get(self, request):
        return who(request)


@method_decorator(passive, name="dispatch")
class PassiveClass(Plain):
    pass


class PassiveMethod(Plain):
    @passive
    def get(self, request):
        return who(request)


@method_decorator(passive, name="dispatch")
class PassiveAPIView(Notes):
    pass


@passive
@api_view(["GET"])
def passive_above(request):
    return answer(request)


@api_view(["GET"])
@passive
def passive_below(request):
    return answer(request)


PASSIVE = {
    "function": passive(who),
    "async": passive_async,
    "class": PassiveClass.as_view(),
    "method": PassiveMethod.as_view(),
    "drf-class": PassiveAPIView.as_view(),
    "drf-above": passive_above,
    "drf-below": passive_below,
    "drf-action": NoteSet.as_view({"get": "count"}),
}

urlpatterns = [
    path("api/auth/", include("sessionkeeper.api.urls")),
    path("notes/", Notes.as_view()),
    path("notes/problems/", NotesAsProblems.as_view()),
    path("notes/staff/", StaffNotes.as_view()),
    path("notes/set/", NoteSet.as_view({"get": "list", "post": "create"})),
    path("notes/both/", BothNotes.as_view()),
    path("notes/token/", TokenNotes.as_view()),
    path("notes/scoped/", ScopedNotes.as_view()),
    path("notes/staff-or-scoped/", StaffOrScopedNotes.as_view()),
    path("notes/function/", notes_function),
    path("who/", who),
    path("nothing/", nothing),
    path("remembered/", remembered),
    *[path(f"passive/{name}/", view) for name, view in PASSIVE.items()],
]
