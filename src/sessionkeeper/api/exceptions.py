"""Errors of the API as problem details, ``application/problem+json`` (RFC 9457).

A project can use ``exception_handler`` as its own ``REST_FRAMEWORK["EXCEPTION_HANDLER"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import connections
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from sessionkeeper.api.problems import (
    BODY_TOO_LARGE,
    INVALID,
    INVALID_CREDENTIALS,
    INVALID_RESET_TOKEN,
    PARSE_ERROR,
    SECOND_FACTOR_REQUIRED,
    SESSION_ENDED,
)
from sessionkeeper.core.context import can_roll_back
from sessionkeeper.core.errors import (
    InvalidCredentials,
    InvalidToken,
    NoSuchSession,
    NoTransport,
    ReauthenticationRequired,
    RefusedPassword,
    SecondFactorRequired,
    SessionGone,
    StaleSession,
    TooManySessions,
    TooManyTries,
    UserMismatch,
)
from sessionkeeper.http import problems
from sessionkeeper.http.problems import Problem

_OURS = {"type", "title", "status", "detail", "code"}


class Refused(exceptions.APIException):
    """An error that is one of our problems."""

    def __init__(self, problem: Problem) -> None:
        self.status_code = problem.status
        super().__init__(problem.detail, problem.code)


class WrongCredentials(exceptions.AuthenticationFailed):
    """The 401 of a failed sign-in, to which DRF adds the challenges of the view."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, problem.code)


class _Denied(exceptions.PermissionDenied):
    """A 403. DRF's own handler shows its ``detail`` and ``code``."""

    problem: Problem

    def __init__(self) -> None:
        problem = self.problem
        super().__init__({"detail": str(problem.detail), "code": problem.code}, problem.code)


class ReauthenticationNeeded(_Denied):
    """The 403 that asks for reauthentication."""

    problem = problems.REAUTHENTICATION_REQUIRED


class _Mismatch(_Denied):
    problem = problems.USER_MISMATCH


#: For errors without further data, the exception of REST framework.
_ANSWERS: dict[type[Exception], Callable[[], exceptions.APIException]] = {
    ReauthenticationRequired: ReauthenticationNeeded,
    UserMismatch: _Mismatch,
    InvalidCredentials: partial(WrongCredentials, INVALID_CREDENTIALS),
    SecondFactorRequired: partial(WrongCredentials, SECOND_FACTOR_REQUIRED),
    InvalidToken: partial(Refused, INVALID_RESET_TOKEN),
    NoTransport: partial(Refused, problems.NO_TRANSPORT),
    NoSuchSession: exceptions.NotFound,
    TooManySessions: partial(Refused, problems.TOO_MANY_SESSIONS),
    StaleSession: partial(Refused, problems.SESSION_ROTATED),
    SessionGone: partial(Refused, SESSION_ENDED),
    RequestDataTooBig: partial(Refused, BODY_TOO_LARGE),
    Http404: exceptions.NotFound,
}


class ProblemResponse(Response):
    """A problem, as ``application/problem+json`` or as a page of the browsable API."""

    @property
    def rendered_content(self) -> Any:
        """Render the problem, and set its media type."""
        if isinstance(self.accepted_renderer, JSONRenderer):
            self.content_type = problems.MEDIA_TYPE
        return super().rendered_content


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the problem for an exception of a view; None for exceptions that are not errors of an API.

    One of these is an outage of the store, which the middleware answers.
    """
    error = translated(exc)
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = str(error.auth_header)  # type: ignore[attr-defined]
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(int(error.wait))  # type: ignore[attr-defined]
    if not isinstance(error, WrongCredentials):  # what counts or logs failed logins must be committed
        _roll_back()
    return ProblemResponse(_members(error), status=error.status_code, headers=headers)


def _roll_back() -> None:
    """Roll back the view's transactions, as DRF does, but not that of a test around a view without any."""
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict.get("ATOMIC_REQUESTS") and can_roll_back(connection.alias):
            connection.set_rollback(True)


def translated(exc: Exception) -> Exception:
    """Return REST framework's exception for an error of ours or of Django's; other exceptions unchanged."""
    for kind, answer in _ANSWERS.items():
        if isinstance(exc, kind):
            return answer()
    match exc:
        case PermissionDenied():
            return exceptions.PermissionDenied(*exc.args)
        case TooManyTries():
            return exceptions.Throttled(exc.retry_after, str(problems.THROTTLED.detail))
        case RefusedPassword():
            return exceptions.ValidationError({"new_password": exc.messages})
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
    known = problems.KNOWN.get(code)
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
    """Return the first message of each field as one text, for clients that show only ``detail``."""
    lines = []
    for name, messages in errors.items():
        first = messages[0] if isinstance(messages, list) and messages else messages
        lines.append(str(first) if name == "non_field_errors" else f"{name}: {first}")
    return " ".join(lines)
