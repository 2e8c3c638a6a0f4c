"""Closes the session for pages of other sites in views that check no CSRF token.

Such a view would act in the name of whoever is signed in in the browser, and a sign-in there would sign the
visitor in as the attacker (login CSRF). Webhooks, which bring no session and begin none, are not touched.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.contrib import auth
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.log import log_response

from sessionkeeper import conf
from sessionkeeper.http.problems import CROSS_SITE_SESSION

logger = logging.getLogger("django.security.csrf")

#: Views of well-known packages to which a page of another site has to post, because their protocol says so.
#: They check by themselves what they get: signatures, states, tokens of their own.
OF_PROTOCOLS = frozenset(
    {
        "allauth.idp.oidc.views.AuthorizationView",
        "allauth.idp.oidc.views.LogoutView",
        "allauth.socialaccount.providers.apple.views.apple_post_callback",
        "allauth.socialaccount.providers.google.views.LoginByTokenView",
        "allauth.socialaccount.providers.openid.views.OpenIDCallbackView",
        "allauth.socialaccount.providers.saml.views.ACSView",
        "allauth.socialaccount.providers.saml.views.SLSView",
        "djangosaml2.views.AssertionConsumerServiceView",
        "djangosaml2.views.LogoutView",
        "social_django.views.complete",
    }
)
#: Where ``request`` keeps the closed session, and what was there before.
CLOSED = "_sessionkeeper_closed"
#: Where ``request`` keeps a user that was asked for, and everything that it keeps of the user.
_KNOWN = ("_cached_user", "_acached_user")
_OF_THE_USER = (*_KNOWN, "user", "auser")


def paths_of(view: Any) -> list[str]:
    """Return the dotted path of a view; of a class, those of its bases too."""
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if isinstance(kind, type):
        return [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]
    while isinstance(view, partial):
        view = view.func
    named = view if hasattr(view, "__qualname__") else type(view)
    return [f"{named.__module__}.{named.__qualname__}"]


def is_for_other_sites(request: HttpRequest, view: Any) -> bool:
    """Return whether the view may use the session for pages of other sites."""
    match = request.resolver_match
    names = {*paths_of(view), match.view_name if match is not None else ""}
    return not names.isdisjoint(OF_PROTOCOLS | conf.current().cross_site_views)


def close_session(request: HttpRequest, reason: str) -> None:
    """Let the view open no session and sign nobody in. Sessions of other engines are left alone.

    If the request came with a session, the view gets a closed one; else it keeps its own, in which nobody
    can sign in.
    """
    session: Any = getattr(request, "session", None)
    if not hasattr(session, "closed_form"):
        return
    session.refusal = reason
    given = vars(request)
    before = {name: given[name] for name in ("session", *_OF_THE_USER) if name in given}
    closed = request.session = type(session).closed_form(session) if session.session_key else session
    given[CLOSED] = (closed, before)
    if closed is not session and not before.keys().isdisjoint(_KNOWN):
        # A middleware has asked for the user already.
        for name in _OF_THE_USER:
            given.pop(name, None)
        given["user"] = SimpleLazyObject(partial(auth.get_user, request))
        given["auser"] = partial(auth.aget_user, request)


def reopen_session(request: HttpRequest, response: Any) -> Any:
    """Give the session back to the middleware, and return the 403 if the view has asked for it."""
    given = vars(request)
    closed, before = given.pop(CLOSED)
    if closed is not before["session"]:
        for name in _OF_THE_USER:
            given.pop(name, None)
        given.update(before)
    if not before["session"].refused:
        return response
    response, reason = CROSS_SITE_SESSION.response(request), closed.refusal
    log_response(
        "Forbidden (%s): %s", reason, request.path, response=response, request=request, logger=logger
    )
    return response
