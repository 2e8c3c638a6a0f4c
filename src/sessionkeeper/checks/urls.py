"""Views that use the session cookie without CSRF protection, found by walking the URL configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from types import FunctionType
from typing import Any

from django.core import checks
from django.urls import get_resolver

from sessionkeeper import conf
from sessionkeeper.checks import drf, engine, view_inspection
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.csrf import exempt_views

#: Views of these packages handle CSRF themselves, unless they sign users in.
_TRUSTED = ("allauth.", "django.", "ninja.", "rest_framework.")
_OURS = "sessionkeeper."
_CHECKS_VISITORS = "sessionkeeper.api.authentication.CheckedSessionAuthentication"


@engine.if_ours
def check_csrf_exempt() -> Iterator[checks.CheckMessage]:
    """Report exempt views that use the session, and authenticators that accept it without a CSRF check."""
    unchecked: dict[str, list[str]] = {}
    seen = set[str]()
    for route, view in _exempt_views():
        name = exempt_views.paths_of(view)[0]
        if name in seen or name.startswith(_OURS):
            continue
        seen.add(name)
        authenticators = authenticators_of(view)
        if authenticators is None:
            yield from _plain(route, view, name, drf_view=False)
            continue
        without = [kind for kind in authenticators if _takes_session_unchecked(kind)]
        for kind in without:
            unchecked.setdefault(drf.names(kind)[0], []).append(name)
        if not any(drf.is_session(kind) for kind in authenticators) and not without:
            yield from _plain(route, view, name, drf_view=True)
        elif not any(_checks_visitors(kind) for kind in authenticators):
            yield from _signing_in(route, view, name, drf_view=True)
    for kind_name, users in unchecked.items():
        yield _unchecked(kind_name, users)


@engine.if_ours
def check_cross_site_views() -> Iterator[checks.CheckMessage]:
    """Report entries of ``CROSS_SITE_VIEWS`` that no view has, such as one with a typing error."""
    listed = conf.current().cross_site_views
    views = all_views() if listed else []
    if not views:
        return
    paths = {name for _, view in views for name in exempt_views.paths_of(view)}
    for name in sorted(listed - paths - set(_url_names(get_resolver().url_patterns))):
        yield checks.Warning(
            f"SESSIONKEEPER['CROSS_SITE_VIEWS'] lists {name!r}, but ROOT_URLCONF has no such view.",
            hint="List the dotted path of a view, or the name of its URL with its namespaces.",
            id=CheckId.CROSS_SITE_VIEW_MISSING,
        )


def _url_names(patterns: Any, before: str = "") -> Iterator[str]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            namespace = pattern.namespace
            yield from _url_names(pattern.url_patterns, f"{before}{namespace}:" if namespace else before)
        elif pattern.name:
            yield before + pattern.name


def _plain(route: str, view: Any, name: str, *, drf_view: bool) -> Iterator[checks.CheckMessage]:
    if name.startswith(_TRUSTED):
        yield from _signing_in(route, view, name, drf_view=drf_view)
        return
    if drf_view and _overrides(view_inspection.class_of(view), "get_authenticators"):
        return
    why = view_inspection.evidence(view, drf=drf_view)
    if why is not None:
        yield from _without_csrf(route, view, name, why, drf_view=drf_view)


def _signing_in(route: str, view: Any, name: str, *, drf_view: bool) -> Iterator[checks.CheckMessage]:
    """Report a view that signs visitors in, whom even a session authenticator asks for no token."""
    if view_inspection.signs_in(view):
        yield from _without_csrf(route, view, name, "signs users in", drf_view=drf_view)


def _without_csrf(
    route: str, view: Any, name: str, why: str, *, drf_view: bool
) -> Iterator[checks.CheckMessage]:
    listed = exempt_views.OF_PROTOCOLS | conf.current().cross_site_views
    if view_inspection.checks_csrf(view) or not listed.isdisjoint(exempt_views.paths_of(view)):
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


def _exempt_views() -> Iterator[tuple[str, Any]]:
    """Yield the views that accept changes and are exempt, and the functions behind those of django-ninja."""
    for route, view in all_views():
        operations = getattr(view_inspection.owner_of(view), "operations", None)
        if isinstance(operations, list):
            yield from ((route, one.view_func) for one in operations if _is_open(one))
        elif getattr(view, "csrf_exempt", False) and view_inspection.accepts_changes(view):
            yield route, view


def _is_open(operation: Any) -> bool:
    """Whether an operation of django-ninja accepts changes of anybody. Its authentication checks CSRF."""
    changes = {str(method).lower() for method in operation.methods} & {*view_inspection.UNSAFE}
    return bool(changes) and (operation.csrf_exempt or not operation.auth_callbacks)


def all_views() -> list[tuple[str, Any]]:
    """Return the routes and views of the project; none where its URL configuration cannot be imported."""
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


def authenticators_of(view: Any) -> list[Any] | None:
    """Return the authenticators of a REST framework view; None for other views."""
    kind = view_inspection.class_of(view)
    if kind is None or "rest_framework.views.APIView" not in drf.names(kind):
        return None
    given = (getattr(view, "initkwargs", None) or {}).get("authentication_classes")
    listed = kind.authentication_classes if given is None else given
    return list(listed) if isinstance(listed, list | tuple) else []


def _checks_visitors(kind: Any) -> bool:
    """Whether an authenticator runs the CSRF check before it knows whether anybody is signed in."""
    own = _overrides(kind, "authenticate")
    return _CHECKS_VISITORS in drf.names(kind) or (
        own is not None and "enforce_csrf" in view_inspection.names(own)
    )


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
