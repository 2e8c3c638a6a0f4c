"""The limits of one request and user: those of the settings, or what the project's functions say of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib.auth import get_user_model
from django.db import router

from sessionkeeper import bridge, conf, current

TIMES = ("TIMEOUT_PRESET", "IDLE_TIMEOUT", "ABSOLUTE_TIMEOUT")
SESSIONS = ("MAX_SESSIONS", "MAX_SESSIONS_ACTION")
PROOF = ("REAUTHENTICATE_AFTER",)


def in_force(names: tuple[str, ...], user_id: Any, request: Any = None) -> conf.Settings:
    """Return the settings with the values of these keys for a user (None: nobody signed in).

    ``request`` is by default the one under way, where our middleware knows it. Costs nothing unless a key
    names a function; then a query for the user, if the request has not got them yet.

    Raises:
        ImproperlyConfigured: a function cannot be asked, or answers no such value.
    """
    settings = conf.current()
    asked = [settings.asked[name] for name in names if name in settings.asked]
    if not asked:
        return settings
    request = current.get().request if request is None else request
    answers = bridge.elsewhere(_ask, asked, user_id, request)
    return replace(settings, **{name: answer for name, answer in answers.items() if answer is not None})


def _ask(asked: list[Any], user_id: Any, request: Any) -> dict[str, Any]:
    user = None if user_id is None else _user(request, user_id)
    return {one.name.lower(): one.ask(request, user) for one in asked}


def _user(request: Any, user_id: Any) -> Any:
    """Return the user with this key, or None where there is none any more."""
    # What is lazy still is not asked: it may be about the user before this sign-in.
    known: Any = vars(request).get("user") if hasattr(request, "__dict__") else None
    if known is not None and getattr(known, "_wrapped", known) is known and known.pk == user_id:
        return known
    cached = getattr(request, "_cached_user", None)
    if cached is not None and cached.pk == user_id:
        return cached
    model: Any = get_user_model()
    return model._base_manager.using(router.db_for_read(model)).filter(pk=user_id).first()
