"""Finds views that check a password and forget to sign the user in. Works under ``DEBUG`` only.

Django sends no signal when ``authenticate()`` succeeds, but it notes the backend on the user that it returns,
and nothing else does so without a ``login()``. So the user objects that a request makes are kept until its
response, and looked at. Nothing is connected, kept or looked at before the first request under ``DEBUG``.
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
from sessionkeeper.stores import user_keys

#: In ``SILENCED_SYSTEM_CHECKS`` it silences this warning too.
ID = CheckId.FORGOTTEN_LOGIN
#: A request that makes more user objects than this is not a login.
MOST_USERS = 1000
#: Views of these packages answer with a token of their own: nobody is to be signed in.
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
    """What one request has done about users. Shared by all threads that the request runs in."""

    users: list[Any] = field(default_factory=list)
    signed_in: bool = False


_watch: ContextVar[_Watch | None] = ContextVar("sessionkeeper_forgotten", default=None)
_watched: set[type] = set()
_named: set[str] = set()


def begin() -> None:
    """Watch the user objects of the request that starts here."""
    model = user_keys.user_model()
    if model is not None and model not in _watched:
        _connect(model)
    _watch.set(_Watch())


def end(request: HttpRequest, response: HttpResponseBase) -> None:
    """Log a warning, once per view, if the request authenticated somebody and signed nobody in."""
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
        "%s called authenticate(), which succeeded, answered without an error, and nobody called login(): "
        "the next request is not signed in. Call django.contrib.auth.login(request, user) after it. If that "
        "is meant, as where the view answers with a token, add %r to SILENCED_SYSTEM_CHECKS or filter the "
        "logger 'sessionkeeper.forgotten'. (%s)",
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
    """Whether there is a good reason why nobody was signed in."""
    session: Any = request.session
    return (
        response.status_code >= _FIRST_REFUSAL  # the view refused this user, or wants more of them
        or "Authorization" in request.headers  # the request proves itself, each time
        or session.modified  # a step on the way to a login, remembered by the view
        or session.names_user()  # somebody proved their password again
        or _shows_errors(response)  # a form refused this user, with a status of 200 as forms do
        or _is_of(_view_of(request), _TOKEN_PACKAGES)
    )


def _view_of(request: HttpRequest) -> Any:
    function = getattr(getattr(request, "resolver_match", None), "func", None)
    view = getattr(function, "view_class", None) or getattr(function, "cls", None) or function
    return view if hasattr(view, "__qualname__") else None


def _shows_errors(response: HttpResponseBase) -> bool:
    """Whether the page is a form that was sent and not taken, as Django's admin answers who is no staff."""
    context = getattr(response, "context_data", None)
    forms = context.values() if isinstance(context, dict) else ()
    return any(getattr(form, "is_bound", False) and getattr(form, "_errors", None) for form in forms)


def _is_of(view: Any, packages: tuple[str, ...]) -> bool:
    kinds = view.__mro__ if isinstance(view, type) else (view,)
    return any(f"{getattr(kind, '__module__', '')}.".startswith(packages) for kind in kinds)
