"""Errors of the API as RFC 9457 ``application/problem+json``.

``exception_handler`` may also be a project's own ``REST_FRAMEWORK["EXCEPTION_HANDLER"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from sessionkeeper import csrf, problems
from sessionkeeper.errors import (
    NoTransport,
    ReauthenticationRequired,
    SecondFactorRequired,
    SessionGone,
    StaleSession,
    TooManySessions,
    TooManyTries,
)
from sessionkeeper.problems import Problem

#: Longest request body, in bytes, that these endpoints read.
BODY_LIMIT = 64 * 1024

INVALID = Problem("invalid", 400, _("The request is not valid"), _("Look at the errors, field by field."))
PARSE_ERROR = Problem("parse_error", 400, _("The body cannot be read"), _("Send a JSON object or a form."))
INVALID_CREDENTIALS = Problem(
    "invalid_credentials",
    401,
    _("Signing in failed"),
    _("These credentials are not valid. Check the username and the password."),
)
SECOND_FACTOR_REQUIRED = Problem(
    "second_factor_required",
    401,
    _("A second factor is needed"),
    _("The password is right, and the account has a second factor: sign in where the site asks for it."),
)
NOT_AUTHENTICATED = Problem(
    "not_authenticated", 401, _("Not signed in"), _("Sign in first: no session came with the request.")
)
AUTHENTICATION_FAILED = Problem(
    "authentication_failed",
    401,
    _("Signing in failed"),
    _("The credentials were refused."),
    _("WWW-Authenticate names the ways to sign in that are taken here."),
)
PERMISSION_DENIED = Problem(
    "permission_denied",
    403,
    _("Not allowed"),
    _("You are signed in, but may not do this."),
    _("Sign in as somebody who may, or ask the operator of the site."),
)
NOT_FOUND = Problem(
    "not_found",
    404,
    _("Not found"),
    _("There is nothing at this address."),
    _("Look the address up in a list: what belongs to others does not show, and what has ended is gone."),
)
REAUTHENTICATION_REQUIRED = problems.REAUTHENTICATION_REQUIRED
INVALID_RESET_TOKEN = Problem(
    "invalid_reset_token",
    400,
    _("The link is not valid"),
    _("It was used, is too old, or is none of this site's. Ask for another one."),
)
METHOD_NOT_ALLOWED = Problem(
    "method_not_allowed", 405, _("The method is not allowed"), _("The Allow header names those that are.")
)
NOT_ACCEPTABLE = Problem(
    "not_acceptable", 406, _("No such format"), _("Send Accept: application/json, or no Accept header.")
)
SESSION_ENDED = Problem(
    "session_ended",
    409,
    _("The session was ended meanwhile"),
    _("Somebody ended the session while this request ran. Sign in again."),
)
BODY_TOO_LARGE = Problem(
    "body_too_large",
    413,
    _("The body is too large"),
    format_lazy(_("At most {limit} bytes are read here."), limit=BODY_LIMIT),
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    "unsupported_media_type",
    415,
    _("The media type is not supported"),
    _("Send application/json, application/x-www-form-urlencoded or multipart/form-data, in UTF-8."),
)
THROTTLED = problems.THROTTLED

#: Every problem that an endpoint of this API can answer with.
PROBLEMS = (
    INVALID,
    PARSE_ERROR,
    INVALID_CREDENTIALS,
    SECOND_FACTOR_REQUIRED,
    NOT_AUTHENTICATED,
    REAUTHENTICATION_REQUIRED,
    INVALID_RESET_TOKEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    SESSION_ENDED,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    THROTTLED,
    problems.TWO_TRANSPORTS,
    problems.NO_TRANSPORT,
    problems.TOKEN_INVALID,
    problems.INSUFFICIENT_SCOPE,
    problems.SESSION_ROTATED,
    problems.TOO_MANY_SESSIONS,
    problems.STORE_UNAVAILABLE,
    *csrf.PROBLEMS,
)
#: What only a project's own views answer with, where they use the exception handler.
FOR_OTHERS = (AUTHENTICATION_FAILED, PERMISSION_DENIED, NOT_ACCEPTABLE)
_OURS = {"type", "title", "status", "detail", "code"}
_KNOWN = {problem.code: problem for problem in (*PROBLEMS, *FOR_OTHERS)}


class BodyTooLarge(exceptions.APIException):
    """The body is longer than :data:`BODY_LIMIT`."""

    status_code = BODY_TOO_LARGE.status
    default_code = BODY_TOO_LARGE.code
    default_detail = BODY_TOO_LARGE.detail


class WrongCredentials(exceptions.AuthenticationFailed):
    """The 401 of a failed login."""

    default_code = INVALID_CREDENTIALS.code
    default_detail = INVALID_CREDENTIALS.detail


class SecondFactorNeeded(WrongCredentials):
    """The 401 of a password that is right and does not do."""

    default_code = SECOND_FACTOR_REQUIRED.code
    default_detail = SECOND_FACTOR_REQUIRED.detail


class InvalidResetToken(exceptions.APIException):
    """The 400 of a password reset."""

    status_code = INVALID_RESET_TOKEN.status
    default_code = INVALID_RESET_TOKEN.code
    default_detail = INVALID_RESET_TOKEN.detail


class ReauthenticationNeeded(exceptions.PermissionDenied):
    """The 403 that asks for a fresh proof. DRF's own handler shows ``detail`` and ``code`` of it."""

    default_code = REAUTHENTICATION_REQUIRED.code

    def __init__(self) -> None:
        detail = {"detail": str(REAUTHENTICATION_REQUIRED.detail), "code": self.default_code}
        super().__init__(detail, self.default_code)


class BeginsNoSession(exceptions.APIException):
    """The 400 of a login with a bearer token."""

    status_code = problems.NO_TRANSPORT.status
    default_code = problems.NO_TRANSPORT.code
    default_detail = problems.NO_TRANSPORT.detail


class Conflict(exceptions.APIException):
    """The session changed under the request."""

    status_code = 409

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, problem.code)


#: Errors of ours that say all by their type, and what answers them.
_ANSWERS: dict[type[Exception], Callable[[], exceptions.APIException]] = {
    ReauthenticationRequired: ReauthenticationNeeded,
    SecondFactorRequired: SecondFactorNeeded,
    NoTransport: BeginsNoSession,
    TooManySessions: partial(Conflict, problems.TOO_MANY_SESSIONS),
    StaleSession: partial(Conflict, problems.SESSION_ROTATED),
    SessionGone: partial(Conflict, SESSION_ENDED),
}


class ProblemResponse(Response):
    """A problem: as ``application/problem+json`` where JSON is rendered, as a page in the browsable API."""

    @property
    def rendered_content(self) -> Any:
        """Render, under the media type of problems."""
        if isinstance(self.accepted_renderer, JSONRenderer):
            self.content_type = problems.MEDIA_TYPE
        return super().rendered_content


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the answer to an exception that a view raised; None for what is no answer of the API's.

    An outage of the store is among the latter: the middleware answers it, and keeps the cookie.
    """
    error = translated(exc)
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = str(error.auth_header)  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    if not isinstance(error, WrongCredentials):  # what counts or logs failed logins has to stay written
        set_rollback()
    return ProblemResponse(_members(error), status=error.status_code, headers=headers)


def translated(exc: Exception) -> Exception:
    """Return the framework's form of an error of ours or of Django's; others as they are."""
    for kind, answer in _ANSWERS.items():
        if isinstance(exc, kind):
            return answer()
    match exc:
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied(*exc.args)
        case TooManyTries():
            return exceptions.Throttled(exc.retry_after, str(THROTTLED.detail))
        case RequestDataTooBig():
            return BodyTooLarge()
        case SuspiciousOperation() | BadRequest() | MultiPartParserError():
            return exceptions.ParseError(PARSE_ERROR.detail)
    return exc


def _members(error: exceptions.APIException) -> dict[str, Any]:
    status = error.status_code
    detail: Any = error.detail
    if isinstance(error, exceptions.ValidationError):
        errors = detail if isinstance(detail, dict) else {"non_field_errors": detail}
        return INVALID.as_dict(_summary(errors), errors=errors)
    extra: dict[str, Any] = {}
    if isinstance(detail, dict):
        extra = {name: value for name, value in detail.items() if name not in _OURS}
        detail = detail.get("detail", "")
    elif isinstance(detail, list):
        detail = " ".join(map(str, detail))
    code = str(getattr(detail, "code", None) or error.default_code)
    known = _KNOWN.get(code)
    if known is not None and known.status == status:
        return known.as_dict(str(detail), **extra)
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": str(detail),
        "code": code,
        **extra,
    }


def _summary(errors: dict[str, Any]) -> str:
    """Return the first message of each field as one text, for clients that read only ``detail``."""
    lines = []
    for name, messages in errors.items():
        first = messages[0] if isinstance(messages, list) and messages else messages
        lines.append(str(first) if name == "non_field_errors" else f"{name}: {first}")
    return " ".join(lines)
