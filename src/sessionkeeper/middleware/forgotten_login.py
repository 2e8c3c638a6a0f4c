"""Finds views that check a password but do not sign the user in. Only with ``DEBUG``.

Django sends no signal when ``authenticate()`` succeeds, but it sets ``backend`` on the user that it returns.
So the user objects that a request creates are kept until its response, and checked then. Nothing is connected
before the first request with ``DEBUG``.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_init
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.stores import codec

#: ``SILENCED_SYSTEM_CHECKS`` silences this warning too.
ID = CheckId.FORGOTTEN_LOGIN
#: The most user objects that are kept of a request.
MOST_USERS = 1000
#: Views of these packages answer with their own tokens, and sign nobody in.
_TOKEN_PACKAGES = (
    "dj_rest_auth.",
    "knox.",
    "oauth2_provider.",
    "rest_framework.authtoken.",
    "rest_framework_simplejwt.",
)
_FIRST_REFUSAL = 400

log = logging.getLogger("sessionkeeper.forgotten")


@dataclass(slots=True)
class _Watch:
    """What one request has done with users. Shared by all threads of the request."""

    users: list[Any] = field(default_factory=list)
    signed_in: bool = False


_watch: ContextVar[_Watch | None] = ContextVar("sessionkeeper_forgotten", default=None)
_watched: set[type] = set()
_named: set[str] = set()


def begin() -> None:
    """Start to watch the user objects of a request."""
    model = codec.user_model()
    if model is not None and model not in _watched:
        _connect(model)
    _watch.set(_Watch())


def end(request: HttpRequest, response: HttpResponseBase) -> None:
    """Log a warning, once per view, if the request authenticated a user and signed nobody in."""
    watch = _watch.get()
    _watch.set(None)
    if watch is None or watch.signed_in or not any("backend" in vars(user) for user in watch.users):
        return
    if ID in settings.SILENCED_SYSTEM_CHECKS or _is_meant(request, response):
        return
    view = _view_of(request)
    name = f"{view.__module__}.{view.__qualname__}" if view is not None else request.path
    if name in _named:
        return
    _named.add(name)
    log.warning(
        "%s called authenticate(), which succeeded, but not login(), so the next request is not signed in. "
        "Call django.contrib.auth.login(request, user). If this is intended, for example because the view "
        "answers with a token, add %r to SILENCED_SYSTEM_CHECKS or filter the logger "
        "'sessionkeeper.forgotten'. (%s)",
        name,
        ID,
        ID,
    )


def _connect(model: type) -> None:
    for one in apps.get_models():
        if issubclass(one, model):
            post_init.connect(_made, sender=one, dispatch_uid=("sessionkeeper.forgotten", one))
    user_logged_in.connect(_signed_in, dispatch_uid="sessionkeeper.forgotten")
    _watched.add(model)


def _made(instance: Any, **_: Any) -> None:
    watch = _watch.get()
    if watch is not None and len(watch.users) < MOST_USERS:
        watch.users.append(instance)


def _signed_in(**_: Any) -> None:
    watch = _watch.get()
    if watch is not None:
        watch.signed_in = True


def _is_meant(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether there is a good reason to sign nobody in."""
    session: Any = request.session
    view = _view_of(request)
    kinds = view.__mro__ if isinstance(view, type) else (view,)
    return (
        response.status_code >= _FIRST_REFUSAL  # the view refused the user, or requires another step
        or "Authorization" in request.headers  # each request authenticates itself
        or session.modified  # the view remembers a step of a sign-in
        or session.names_user()  # a signed-in user reauthenticated
        or _shows_errors(response)  # a form refused the user, with status 200
        or any(f"{getattr(kind, '__module__', '')}.".startswith(_TOKEN_PACKAGES) for kind in kinds)
    )


def _view_of(request: HttpRequest) -> Any:
    function = getattr(getattr(request, "resolver_match", None), "func", None)
    view = getattr(function, "view_class", None) or getattr(function, "cls", None) or function
    return view if hasattr(view, "__qualname__") else None


def _shows_errors(response: HttpResponseBase) -> bool:
    """Return whether the page is a form with errors, as Django's admin answers a user who is not staff."""
    context = getattr(response, "context_data", None)
    forms = context.values() if isinstance(context, dict) else ()
    return any(getattr(form, "is_bound", False) and getattr(form, "_errors", None) for form in forms)
