"""What all endpoints share: how they read a request's body and its fields, and how they answer."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import IO, Any, NoReturn

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from rest_framework import exceptions, parsers, serializers
from rest_framework.exceptions import NotAcceptable
from rest_framework.fields import empty
from rest_framework.metadata import SimpleMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.settings import api_settings
from rest_framework.utils import html
from rest_framework.views import APIView

from sessionkeeper.api.authentication import CheckedSessionAuthentication, TokenAuthentication, django_request
from sessionkeeper.api.exceptions import Refused, exception_handler, translated
from sessionkeeper.api.problems import BODY_LIMIT, BODY_TOO_LARGE
from sessionkeeper.auth.flows import LONGEST_PASSWORD
from sessionkeeper.core.errors import SessionGone
from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.engine import users
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http.client_info import device
from sessionkeeper.stores.factory import get_store


class JSONObjectParser(parsers.BaseParser):
    """Parses one JSON object in UTF-8 (RFC 8259), without NaN and Infinity."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the object.

        Raises:
            ParseError: the body is not a JSON object.
        """
        try:
            value = Secret(json.loads(stream.read().decode("utf-8"), parse_constant=_refuse))
        except (ValueError, RecursionError):
            # Not "from error", which may contain the body.
            raise exceptions.ParseError(_("The body is not valid JSON in UTF-8.")) from None
        if not isinstance(value.value, dict):
            raise exceptions.ParseError(_("The body must be a JSON object."))
        return value.value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def read_bounded(request: HttpRequest) -> None:
    """Read the body into memory. Its real length counts, whatever ``Content-Length`` says.

    Raises:
        Refused: the body is longer than BODY_LIMIT, or ``Content-Length`` says so.
        UnsupportedMediaType: the charset is not UTF-8.
    """
    if request.encoding and request.encoding.lower() not in _UTF8:
        raise exceptions.UnsupportedMediaType(request.META.get("CONTENT_TYPE", ""))
    declared = _declared_length(request)
    if declared > BODY_LIMIT:
        raise Refused(BODY_TOO_LARGE)
    if not request._read_started:  # type: ignore[attr-defined] # noqa: SLF001
        request._body = _read(request)  # noqa: SLF001
    length = len(getattr(request, "_body", b""))
    if length > BODY_LIMIT:  # other code has read it already
        raise Refused(BODY_TOO_LARGE)
    if declared != length:
        request.META["CONTENT_LENGTH"] = str(length)  # without it DRF ignores a chunked body


def _read(request: HttpRequest) -> bytes:
    body = BytesIO()
    while body.write(request.read(BODY_LIMIT + 1 - body.tell())):
        if body.tell() > BODY_LIMIT:
            raise Refused(BODY_TOO_LARGE)
    return body.getvalue()


def _declared_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


class Negotiation(DefaultContentNegotiation):
    """Answers in JSON if the client accepts none of the formats."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer that matches ``Accept``, or JSON."""
        renderers = list(renderers)
        try:
            chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        except (NotAcceptable, Http404):
            return renderers[0], renderers[0].media_type
        return chosen


@method_decorator(sensitive_post_parameters(), name="dispatch")
class Endpoint(APIView):
    """An endpoint, which ignores the project's defaults for its own views."""

    authentication_classes = [CheckedSessionAuthentication, TokenAuthentication]
    permission_classes = [AllowAny]
    parser_classes = [JSONObjectParser, FormParser, MultiPartParser]
    throttle_classes = []
    versioning_class = None
    metadata_class = SimpleMetadata
    content_negotiation_class = Negotiation
    serializer_class: type[Serializer[Any]] = Serializer

    def get_renderers(self) -> list[BaseRenderer]:
        """Return JSON, and the browsable API if the project uses it."""
        defaults: Any = api_settings.DEFAULT_RENDERER_CLASSES
        browsable = [
            renderer()
            for renderer in defaults
            if issubclass(renderer, BrowsableAPIRenderer) and apps.is_installed("rest_framework")
        ]
        return [JSONRenderer(), *browsable]

    def get_exception_handler(self) -> Callable[..., Any]:
        """Return our handler instead of the project's."""
        return exception_handler

    def handle_exception(self, exc: Exception) -> Response:
        """Translate the exception first, so that each 401 gets its challenge."""
        return super().handle_exception(translated(exc))

    def perform_authentication(self, request: Request) -> None:
        """Check the method and read the body, within its limit, before authentication."""
        if not isinstance(getattr(django_request(request), "session", None), SessionStore):
            raise ImproperlyConfigured("sessionkeeper.api needs sessionkeeper.engine and its middleware.")
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request)
        read_bounded(django_request(request))
        super().perform_authentication(request)

    def validated(self, request: Request) -> dict[str, Any]:
        """Return the validated data of the request."""
        form = self.serializer_class(data=request.data, context={"request": request})
        form.is_valid(raise_exception=True)
        return dict(form.validated_data)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Keep all responses out of caches."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response


def whoami(request: HttpRequest, user: Any) -> dict[str, Any]:
    """Return the JSON of the signed-in user and the session."""
    session: Any = request.session
    key, found = session._active.key, session._active.found
    if found is None or found.is_stale:  # this request has changed it, so read it again
        found = get_store().find(key.id) if key is not None else None
    if found is None:
        raise SessionGone
    return {"user": users.as_dict(user), "session": session_json(found.record, current_id=found.record.id)}


_UTF8 = {"utf-8", "utf8"}


class Text(serializers.CharField):
    """A string. Unlike DRF's own field it refuses numbers, and its schema says whether it may be empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_length=None if options.get("allow_blank") else 1, **options)

    def to_internal_value(self, data: Any) -> str:
        """Refuse values that are not strings."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class SecretText(Text):
    """A text that is validated to a ``Secret``."""

    def run_validation(self, data: Any = empty) -> Any:
        """Refuse what is invalid, without a look at it in a frame of ours."""
        data = Secret.of(data)
        if not (isinstance(data.value, str) or data.value is None or data.value is empty):
            self.fail("invalid")
        return Secret(super().run_validation(data.value))

    to_internal_value = serializers.CharField.to_internal_value


class Password(SecretText):
    """A password that is not too long to be hashed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_length=LONGEST_PASSWORD,
            trim_whitespace=False,
            style={"input_type": "password"},
            **options,
        )


class Choice(serializers.BooleanField):
    """True, false or null; text only in a form. A missing value means the same as null."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse numbers, and text in JSON."""
        in_form = html.is_html_input(getattr(self.parent, "initial_data", empty))
        if not (isinstance(data, bool) or (in_form and isinstance(data, str))):
            self.fail("invalid", input=data)
        return bool(super().to_internal_value(data))


class Body(serializers.Serializer[Any]):
    """The body of a request. Unlike DRF's, its ``repr`` does not contain what was sent."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class LoginSerializer(Body):
    """The body of ``POST login/``."""

    username = Text(max_length=254)
    password = Password()
    remember = Choice(required=False, allow_null=True, default=None)
    label = Text(  # type: ignore[assignment] # DRF collects fields; an instance's own label stays
        required=False, allow_blank=True, max_length=100, default=""
    )

    def validate_username(self, value: str) -> str:
        """Return the name normalized as Django stores it."""
        return unicodedata.normalize("NFKC", value)


def session_json(record: SessionRecord, *, current_id: int | None) -> dict[str, Any]:
    """Return the JSON of a session for its owner; ``current_id`` is the id of the session of the request."""
    return {**record.as_dict(current=record.id == current_id), "device": device(record.user_agent)}
