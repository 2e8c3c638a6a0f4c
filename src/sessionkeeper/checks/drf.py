"""The defaults of Django REST Framework, read from the settings without importing the framework."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from sessionkeeper.checks import engine
from sessionkeeper.core.check_ids import CheckId

OURS = "sessionkeeper.api.SessionAuthentication"
SESSION = "rest_framework.authentication.SessionAuthentication"
_BASIC = "rest_framework.authentication.BasicAuthentication"
_BUILT_IN = (SESSION, _BASIC)
_TOKENS = (
    "dj_rest_auth.jwt_auth.",
    "knox.",
    "oauth2_provider.",
    "rest_framework.authentication.TokenAuthentication",
    "rest_framework_jwt.",
    "rest_framework_simplejwt.",
)


def names(kind: Any) -> list[str]:
    """Return the dotted names of a class and its bases."""
    return [f"{base.__module__}.{base.__qualname__}" for base in getattr(kind, "__mro__", ())]


def is_session(kind: Any) -> bool:
    """Whether an authenticator takes the user from the session."""
    return any(name == SESSION or name.startswith("sessionkeeper.api.") for name in names(kind))


def _is_token(kind: Any) -> bool:
    return not is_session(kind) and any(name.startswith(_TOKENS) for name in names(kind))


def defaults() -> tuple[list[Any], str] | None:
    """Return the default authenticators and where they come from; None without the framework."""
    raw = getattr(settings, "REST_FRAMEWORK", None)
    if find_spec("rest_framework") is None or (raw is None and not apps.is_installed("rest_framework")):
        return None
    key = "DEFAULT_AUTHENTICATION_CLASSES"
    given = raw[key] if isinstance(raw, dict) and key in raw else None
    source = "the built-in default of REST_FRAMEWORK" if given is None else f"REST_FRAMEWORK[{key!r}]"
    listed = _BUILT_IN if given is None else (given,) if isinstance(given, str) else given
    kinds = []
    for entry in listed if isinstance(listed, list | tuple) else ():
        with suppress(Exception):  # the framework reports it when it is imported
            kinds.append(import_string(entry) if isinstance(entry, str) else entry)
    return kinds, source


@engine.if_ours
def check_defaults() -> Iterator[checks.CheckMessage]:
    """Report API defaults that bypass the session, or use the framework's own session authentication."""
    if (found := defaults()) is None:
        return
    kinds, source = found
    if any(names(kind)[:1] == [SESSION] for kind in kinds):
        yield checks.Warning(
            f"The API uses the framework's own SessionAuthentication ({source}), which answers 403 instead "
            "of 401 when nobody is signed in, and does not say how to fix a failed CSRF check.",
            hint=f"Set REST_FRAMEWORK = {{'DEFAULT_AUTHENTICATION_CLASSES': ['{OURS}']}}.",
            id=CheckId.DRF_SESSION,
        )
    with_session = [kind for kind in kinds if is_session(kind)]
    basic = next((names(kind)[0] for kind in kinds if _BASIC in names(kind)), None)
    if with_session and basic is not None:
        guess = "" if basic == _BASIC else ", unless this subclass does otherwise"
        yield checks.Warning(
            f"The API accepts passwords by {basic} besides the session ({source}). They are sent with every "
            f"request, outlast a logout, and failures count only where a backend counts them (W070){guess}.",
            hint="Remove it from DEFAULT_AUTHENTICATION_CLASSES.",
            id=CheckId.DRF_BASIC,
        )
    if kinds and all(_is_token(kind) for kind in kinds):
        yield checks.Warning(
            f"By the names of its authenticators, the API accepts only tokens ({source}). Users who are "
            "signed in with a session are anonymous there.",
            hint=f"Add '{OURS}' to DEFAULT_AUTHENTICATION_CLASSES, unless one of those accepts sessions.",
            id=CheckId.DRF_TOKENS_ONLY,
        )
    elif with_session and _is_token(kinds[0]):
        yield checks.Info(
            f"By its name, {names(kinds[0])[0]} accepts tokens, and it comes before the session ({source}). "
            "In a request with both the token counts, and a 401 asks for a token.",
            hint=f"Put '{OURS}' first. If the order is intended, silence this check.",
            id=CheckId.DRF_TOKENS_FIRST,
        )
