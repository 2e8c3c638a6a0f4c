"""The views of a session-authentication tutorial, with its answers."""

from http import HTTPStatus
from typing import Any

from django.contrib.auth import authenticate, login, logout, views
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.views import View
from django.views.generic import TemplateView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from demo.credentials import BadBodyError, read_credentials
from sessionkeeper.api import SessionAuthentication

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class LoginView(views.LoginView):
    """Sign in: a form for people, JSON for programs. Both are checked for CSRF."""

    template_name = "demo/login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.content_type in FORMS:
            return super().post(request, *args, **kwargs)
        try:
            username, password = read_credentials(request)
        except BadBodyError as error:
            return JsonResponse({"error": str(error)}, status=error.status)
        user = authenticate(request, username=username, password=password)
        if user is None:
            return unauthorized(JsonResponse({"error": "Invalid credentials"}))
        login(request, user)
        return JsonResponse({"message": "Logged in successfully"})

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show the form again, with a status that tells bad credentials from missing ones."""
        response = super().form_invalid(form)
        if form.non_field_errors():
            return unauthorized(response)
        response.status_code = HTTPStatus.BAD_REQUEST
        return response


class LogoutView(View):
    """Sign out. Only by POST: a link or an image on another site must not be able to."""

    def post(self, request: HttpRequest) -> HttpResponse:
        logout(request)
        if request.content_type in FORMS:
            return redirect("home")
        return JsonResponse({"message": "Logged out successfully"})


class JavaScriptView(TemplateView):
    """A single-page app. Its policy lets in files of this site, and no script within the page."""

    template_name = "demo/javascript.html"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().get(request, *args, **kwargs)
        response["Content-Security-Policy"] = self.policy
        return response


class DashboardView(APIView):
    """Who is signed in. Open to those who are."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})


class ProfileView(APIView):
    """What the site knows about you."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"email": request.user.email})


def unauthorized(response: HttpResponse) -> HttpResponse:
    """The same response as a 401, which has to name a way to sign in."""
    response.status_code = HTTPStatus.UNAUTHORIZED
    response["WWW-Authenticate"] = "Session"
    return response
