"""Installs that stopped half-way: routes are there, and what they lead to is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve

from sessionkeeper.auth import flows
from sessionkeeper.checks import drf, engine, urls, view_inspection
from sessionkeeper.core.check_ids import CheckId

_TOKENS = "sessionkeeper.api.views.tokens.TokensView"
_TAKES_TOKENS = "sessionkeeper.api.authentication.TokenAuthentication"
_LOGIN = "sessionkeeper.pages.login.LoginPage"
_OURS = "sessionkeeper."


@engine.if_ours
def check_tokens() -> Iterator[checks.CheckMessage]:
    """Report that programs can get tokens, and that nothing of the project takes them."""
    views = [view for _, view in urls.all_views()]
    if not any(_is(view, _TOKENS) for view in views):
        return
    kinds, _ = drf.defaults() or ([], "")
    for view in views:
        if not str(getattr(view_inspection.class_of(view), "__module__", "")).startswith(_OURS):
            kinds += urls.authenticators_of(view) or []
    if any(_TAKES_TOKENS in drf.names(kind) for kind in kinds):
        return
    yield checks.Warning(
        "Programs get tokens at tokens/, but no view of the project takes them.",
        hint="Add 'sessionkeeper.api.TokenAuthentication' to DEFAULT_AUTHENTICATION_CLASSES, or to "
        "the views for programs.",
        id=CheckId.TOKENS_NOT_TAKEN,
    )


@engine.if_ours
def check_login_page() -> Iterator[checks.CheckMessage]:
    """Report that visitors who have to sign in are sent to no page, or to another one than ours."""
    if not any(_is(view, _LOGIN) for _, view in urls.all_views()):
        return
    hint = "Set LOGIN_URL = 'sessionkeeper-pages:login'."
    url = str(settings.LOGIN_URL)
    try:
        parts = urlsplit(resolve_url(url))
        if parts.netloc:
            return
        view: Any = resolve(f"/{parts.path.removeprefix(get_script_prefix())}".replace("//", "/")).func
    except (NoReverseMatch, Resolver404):
        yield checks.Warning(
            f"The pages are routed, but LOGIN_URL, {url!r}, leads to no page. Visitors who have to sign in "
            "get a 404.",
            hint=hint,
            id=CheckId.LOGIN_URL_NOWHERE,
        )
        return
    if not _is(view, _LOGIN) and not flows.second_factors():
        yield checks.Info(
            f"The pages are routed, but LOGIN_URL, {url!r}, leads to another page: there are two pages to "
            "sign in.",
            hint=f"{hint} If this is intended, silence this check.",
            id=CheckId.LOGIN_URL_ELSEWHERE,
        )


def _is(view: Any, name: str) -> bool:
    """Whether a view is of a class or of a subclass of it."""
    return name in drf.names(view_inspection.class_of(view))
