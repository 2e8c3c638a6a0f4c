"""The endpoints. They hold no logic: the verbs are in :mod:`sessionkeeper.flows`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest
from django.middleware.csrf import get_token
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from rest_framework.exceptions import NotAcceptable
from rest_framework.metadata import SimpleMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from sessionkeeper import flows, lockout
from sessionkeeper.answers import CLEAR_SITE_DATA
from sessionkeeper.api.authentication import CheckedSessionAuthentication, django_request
from sessionkeeper.api.parsers import FormParser, JSONObjectParser, MultiPartParser, read_bounded
from sessionkeeper.api.permissions import HasScope
from sessionkeeper.api.problems import WrongCredentials, exception_handler, translated
from sessionkeeper.api.serializers import LoginSerializer, session_json, user_json
from sessionkeeper.api.token_authentication import TokenAuthentication
from sessionkeeper.engine import SessionStore
from sessionkeeper.errors import InvalidCredentials, SessionGone
from sessionkeeper.stores import get_store


class Negotiation(DefaultContentNegotiation):
    """Answers in JSON where a client asks for nothing that there is, errors above all."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer that fits ``Accept``, JSON when none does."""
        renderers = list(renderers)
        try:
            chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        except (NotAcceptable, Http404):
            return renderers[0], renderers[0].media_type
        return chosen


@method_decorator(sensitive_post_parameters(), name="dispatch")
class Endpoint(APIView):
    """What all endpoints share. A project's defaults for its own views do not reach them."""

    authentication_classes = [CheckedSessionAuthentication, TokenAuthentication]
    permission_classes = [AllowAny]
    parser_classes = [JSONObjectParser, FormParser, MultiPartParser]
    throttle_classes = []
    versioning_class = None
    metadata_class = SimpleMetadata
    content_negotiation_class = Negotiation

    def get_renderers(self) -> list[BaseRenderer]:
        """JSON; the browsable API too where the project has it."""
        defaults: Any = api_settings.DEFAULT_RENDERER_CLASSES
        browsable = [
            renderer()
            for renderer in defaults
            if issubclass(renderer, BrowsableAPIRenderer) and apps.is_installed("rest_framework")
        ]
        return [JSONRenderer(), *browsable]

    def get_exception_handler(self) -> Callable[..., Any]:
        """Return ours, whatever the project has for its own views."""
        return exception_handler

    def handle_exception(self, exc: Exception) -> Response:
        """Translate first, so that each 401 gets its challenge."""
        return super().handle_exception(translated(exc))

    def perform_authentication(self, request: Request) -> None:
        """Look at method and size before anything is read, at the token before anything is believed."""
        if not isinstance(getattr(django_request(request), "session", None), SessionStore):
            raise ImproperlyConfigured("sessionkeeper.api needs sessionkeeper.engine and its middleware.")
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request)
        read_bounded(django_request(request))
        super().perform_authentication(request)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Keep every answer out of caches."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response


@method_decorator(ensure_csrf_cookie, name="dispatch")
class CsrfView(Endpoint):
    """The CSRF token, in the answer and in the cookie."""

    authentication_classes = [CheckedSessionAuthentication]

    def get(self, request: Request) -> Response:
        """Return the token."""
        return Response({"csrf_token": get_token(django_request(request))})


@method_decorator(lockout.counting, name="dispatch")
class LoginView(Endpoint):
    """Sign in with a username and a password."""

    authentication_classes = [CheckedSessionAuthentication]
    serializer_class = LoginSerializer

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        """Sign in."""
        form = LoginSerializer(data=request.data, context={"request": request})
        form.is_valid(raise_exception=True)
        given = form.validated_data
        try:
            user = flows.log_in(
                django_request(request),
                credentials={"username": given["username"], "password": given["password"]},
                remember=given["remember"],
                label=given["label"],
            )
        except InvalidCredentials as error:
            raise WrongCredentials from error
        request.user = user  # so that the browsable API shows who it is now
        return Response(whoami(django_request(request), user))


class LogoutView(Endpoint):
    """Sign out. A token that opens nothing any more is signed out already."""

    authentication_classes = [CheckedSessionAuthentication]

    def post(self, request: Request) -> Response:
        """End the session, if there is one."""
        flows.log_out(django_request(request))
        request.user = AnonymousUser()
        return Response(status=204, headers={"Clear-Site-Data": CLEAR_SITE_DATA})


class SessionView(Endpoint):
    """Who is signed in here, and in which session."""

    permission_classes = [IsAuthenticated, HasScope()]

    def get(self, request: Request) -> Response:
        """Return user and session; no session under REST framework's ``force_authenticate()``."""
        session: Any = django_request(request).session
        if session.handle.key is None:
            return Response({"user": user_json(request.user), "session": None})
        return Response(whoami(django_request(request), request.user))


def whoami(request: HttpRequest, user: Any) -> dict[str, Any]:
    """Return user and session of a request in which somebody is signed in."""
    session: Any = request.session
    key, found = session.handle.key, session.handle.found
    if found is None or found.record.version < 0:  # written by this request: ask for what is there now
        found = get_store().find(key.id) if key is not None else None
    if found is None:
        raise SessionGone
    return {"user": user_json(user), "session": session_json(found.record, current_id=found.record.id)}
