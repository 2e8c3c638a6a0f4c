"""The defaults of Django REST Framework, read from the settings: the framework is not imported here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import (
    CheckMessage,
    Info,
    Warning,  # noqa: A004
)
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


def _defaults() -> tuple[list[Any], str] | None:
    """Return the default authenticators and where they come from; None when there is no framework."""
    raw = getattr(settings, "REST_FRAMEWORK", None)
    if find_spec("rest_framework") is None or (raw is None and not apps.is_installed("rest_framework")):
        return None
    key = "DEFAULT_AUTHENTICATION_CLASSES"
    given = raw[key] if isinstance(raw, dict) and key in raw else None
    source = "the built-in default of REST_FRAMEWORK" if given is None else f"REST_FRAMEWORK[{key!r}]"
    listed = _BUILT_IN if given is None else (given,) if isinstance(given, str) else given
    kinds = []
    for entry in listed if isinstance(listed, list | tuple) else ():
        with suppress(Exception):  # the framework itself reports it, at import
            kinds.append(import_string(entry) if isinstance(entry, str) else entry)
    return kinds, source


def check_defaults() -> Iterator[CheckMessage]:
    """Report API defaults that bypass the session, or that answer it the old way."""
    found = _defaults() if engine.is_ours() else None
    if found is None:
        return
    kinds, source = found
    if any(names(kind)[:1] == [SESSION] for kind in kinds):
        yield Warning(
            f"The API uses the framework's own SessionAuthentication ({source}): who is not signed in gets "
            "403 where 401 is meant, and an unhelpful answer when CSRF fails.",
            hint=f"Set REST_FRAMEWORK = {{'DEFAULT_AUTHENTICATION_CLASSES': ['{OURS}']}}.",
            id=CheckId.DRF_SESSION,
        )
    with_session = [kind for kind in kinds if is_session(kind)]
    basic = next((names(kind)[0] for kind in kinds if _BASIC in names(kind)), None)
    if with_session and basic is not None:
        guess = "" if basic == _BASIC else ", unless that subclass does otherwise"
        yield Warning(
            f"The API takes passwords by {basic} beside the session ({source}): with every request, past "
            f"logout, and counted only where a backend counts (W070){guess}.",
            hint="Remove it from DEFAULT_AUTHENTICATION_CLASSES.",
            id=CheckId.DRF_BASIC,
        )
    if kinds and all(_is_token(kind) for kind in kinds):
        yield Warning(
            f"By the names of its authenticators the API takes tokens only ({source}): who is signed in by "
            "session is nobody there.",
            hint=f"Add '{OURS}' to DEFAULT_AUTHENTICATION_CLASSES, if none of those looks at sessions.",
            id=CheckId.DRF_TOKENS_ONLY,
        )
    elif with_session and _is_token(kinds[0]):
        yield Info(
            f"The API asks {names(kinds[0])[0]} before the session ({source}): a request with both is the "
            "token's, and a 401 asks for a token, as far as its name tells.",
            hint=f"Put '{OURS}' first, unless that is what you want; then silence this.",
            id=CheckId.DRF_TOKENS_FIRST,
        )
