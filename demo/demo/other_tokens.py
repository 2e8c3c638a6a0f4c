"""Two other kinds of tokens beside the web login, each with a door of its own.

Nothing here signs anybody in on the web: these views call no `login()`, set no cookie, and take no session.
Which kind is for what: docs/howto/tokens.md.
"""

from typing import Any

from django.urls import path
from knox.auth import TokenAuthentication as KnoxAuthentication
from knox.views import LoginView as KnoxLogin
from knox.views import LogoutView as KnoxLogout
from notes.views import NoteList
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView


class KnoxLoginView(KnoxLogin):
    """A knox token for a username and a password."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        form = AuthTokenSerializer(data=request.data, context={"request": request})
        form.is_valid(raise_exception=True)
        request.user = form.validated_data["user"]
        return super().post(request, *args, **kwargs)


class KnoxNotes(NoteList):
    """Your notes, by knox token only."""

    authentication_classes = [KnoxAuthentication]


class JWTNotes(NoteList):
    """Your notes, by JSON Web Token only."""

    authentication_classes = [JWTAuthentication]


urlpatterns = [
    path("knox/login/", KnoxLoginView.as_view(), name="knox-login"),
    path("knox/logout/", KnoxLogout.as_view(), name="knox-logout"),
    path("knox/notes/", KnoxNotes.as_view(), name="knox-notes"),
    path("jwt/login/", TokenObtainPairView.as_view(), name="jwt-login"),
    path("jwt/refresh/", TokenRefreshView.as_view(), name="jwt-refresh"),
    path("jwt/notes/", JWTNotes.as_view(), name="jwt-notes"),
]
