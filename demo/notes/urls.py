"""Addresses of the notes API."""

from django.urls import path

from notes.views import NoteDetail, NoteList

urlpatterns = [
    path("", NoteList.as_view(), name="notes"),
    path("<int:pk>/", NoteDetail.as_view(), name="note"),
]
