"""Views that use the session cookie without CSRF protection, found by walking the URL configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import FunctionType
from typing import Any

from django.core import checks
from django.urls import get_resolver

from sessionkeeper.checks import drf, engine, view_inspection
from sessionkeeper.core.check_ids import CheckId

#: Views of these packages handle CSRF themselves.
_TRUSTED = ("allauth.", "django.", "ninja.", "rest_framework.", "sessionkeeper.")


@engine.if_ours
def check_csrf_exempt() -> Iterator[checks.CheckMessage]:
    """Report exempt views that use the session, and authenticators that accept it without a CSRF check."""
    unchecked: dict[str, list[str]] = {}
    seen = set[str]()
    for route, view in _views():
        name = _name(view)
        if (
            name in seen
            or not getattr(view, "csrf_exempt", False)
            or not view_inspection.accepts_changes(view)
        ):
            continue
        seen.add(name)
        authenticators = _authenticators(view)
        if authenticators is None:
            yield from _plain(route, view, name, drf_view=False)
            continue
        without = [kind for kind in authenticators if _takes_session_unchecked(kind)]
        for kind in without:
            unchecked.setdefault(drf.names(kind)[0], []).append(name)
        if not any(drf.is_session(kind) for kind in authenticators) and not without:
            yield from _plain(route, view, name, drf_view=True)
    for kind_name, users in unchecked.items():
        yield _unchecked(kind_name, users)


def _plain(route: str, view: Any, name: str, *, drf_view: bool) -> Iterator[checks.CheckMessage]:
    if name.startswith(_TRUSTED) or view_inspection.checks_csrf(view):
        return
    if drf_view and _overrides(view_inspection.class_of(view), "get_authenticators"):
        return
    why = view_inspection.evidence(view, drf=drf_view)
    if why is None:
        return
    how = (
        "Decorate it with method_decorator(csrf_protect, name='dispatch')"
        if drf_view
        else "Remove csrf_exempt"
    )
    yield checks.Warning(
        f"As far as its code shows, no CSRF check protects {route!r}, although the view {why}. Other sites "
        "can make a browser post to it.",
        hint=f"{how}, and let clients send the X-CSRFToken header, or csrfmiddlewaretoken in a form.",
        obj=name,
        id=CheckId.VIEW_WITHOUT_CSRF,
    )


def _unchecked(kind_name: str, users: list[str]) -> checks.CheckMessage:
    more = f" and {len(users) - 1} more" if len(users) > 1 else ""
    return checks.Warning(
        "As far as its code shows, this authenticator accepts the session cookie without a CSRF check, in "
        f"{users[0]}{more}. Other sites can change data in the name of a signed-in user.",
        hint=f"Use '{drf.OURS}', and let clients send the X-CSRFToken header.",
        obj=kind_name,
        id=CheckId.AUTHENTICATOR_WITHOUT_CSRF,
    )


def _views() -> list[tuple[str, Any]]:
    try:
        return list(_walk(get_resolver().url_patterns))
    except Exception:  # noqa: BLE001 - Django's own check reports a URL configuration that cannot be imported
        return []


def _walk(patterns: Any, before: str = "/") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, route)
        elif callable(getattr(pattern, "callback", None)):
            yield route, pattern.callback


def _name(view: Any) -> str:
    named = view_inspection.class_of(view) or view
    named = getattr(named, "func", named)
    return f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', type(named).__qualname__)}"


def _authenticators(view: Any) -> list[Any] | None:
    """Return the authenticators of a REST framework view; None for other views."""
    kind = view_inspection.class_of(view)
    if kind is None or "rest_framework.views.APIView" not in drf.names(kind):
        return None
    given = (getattr(view, "initkwargs", None) or {}).get("authentication_classes")
    listed = kind.authentication_classes if given is None else given
    return list(listed) if isinstance(listed, list | tuple) else []


def _takes_session_unchecked(kind: Any) -> bool:
    """Whether an authenticator certainly accepts the session's user without a CSRF check."""
    if drf.is_session(kind):
        own = _overrides(kind, "enforce_csrf")
        if own is not None and not view_inspection.names(own):
            return True  # an empty body
    own = _overrides(kind, "authenticate")
    if own is None:
        return False
    used = view_inspection.names(own)
    passes_on = "authenticate" in used or any("csrf" in name.lower() for name in used)
    return (
        not passes_on
        and "_request" in used
        and bool((used | view_inspection.texts(own)) & {"user", "session"})
    )


def _overrides(kind: Any, method: str) -> FunctionType | None:
    """Return the project's own override of a REST framework method, if there is one."""
    with suppress(AttributeError):
        function = getattr(kind, method)
        function = getattr(function, "__func__", function)
        trusted = ("rest_framework.", "sessionkeeper.")
        if isinstance(function, FunctionType) and not str(function.__module__).startswith(trusted):
            return function
    return None
