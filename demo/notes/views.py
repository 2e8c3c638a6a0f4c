"""Everybody's own notes. Another person's notes do not exist."""

from django.db.models import QuerySet
from rest_framework.generics import GenericAPIView, ListCreateAPIView, RetrieveUpdateDestroyAPIView
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.serializers import BaseSerializer

from notes.models import Note
from notes.serializers import NoteSerializer
from sessionkeeper.api import HasScope, SessionAuthentication, TokenAuthentication


class Notes(GenericAPIView):
    """Browsers come with a cookie, everything else with a token, which may be restricted by scopes."""

    authentication_classes = [SessionAuthentication, TokenAuthentication]

    def get_permissions(self) -> list[BasePermission]:
        scope = HasScope("notes:read" if self.request.method in SAFE_METHODS else "notes:write")
        return [IsAuthenticated(), scope()]


class NoteList(Notes, ListCreateAPIView):
    """Your notes. POST `{"text": "…"}` writes a new one."""

    serializer_class = NoteSerializer

    def get_queryset(self) -> QuerySet[Note]:
        return Note.objects.filter(owner=self.request.user)

    def perform_create(self, serializer: BaseSerializer[Note]) -> None:
        serializer.save(owner=self.request.user)


class NoteDetail(Notes, RetrieveUpdateDestroyAPIView):
    """One of your notes."""

    serializer_class = NoteSerializer

    def get_queryset(self) -> QuerySet[Note]:
        return Note.objects.filter(owner=self.request.user)
