"""Security schemes: the session cookie with Django's CSRF token, and the bearer token."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from sessionkeeper.csrf import fetch_metadata
from sessionkeeper.csrf import problems as csrf_problems

COOKIE = "sessionCookie"
CSRF_COOKIE = "csrfCookie"
CSRF_TOKEN = "csrfToken"  # noqa: S105 - the name of a scheme
BEARER = "sessionToken"


def definitions() -> dict[str, dict[str, Any]]:
    """Return the schemes, with the names of cookies and header that the settings define."""
    schemes = {
        COOKIE: {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session key. Signing in sets it.",
        },
        CSRF_COOKIE: {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.CSRF_COOKIE_NAME,
            "description": "The cookie that belongs to the CSRF token.",
        },
        CSRF_TOKEN: {
            "type": "apiKey",
            "in": "header",
            "name": csrf_problems.header_name(),
            "description": f"{csrf_problems.recipe()} Pages of the site itself need neither, "
            "because the browser says where the request comes from.",
        },
        BEARER: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "sess_",
            "description": "The token of a client that is not a browser. Send no cookie with it.",
        },
    }
    if settings.CSRF_USE_SESSIONS:
        del schemes[CSRF_COOKIE]  # the token is in the session
    return schemes


def with_token() -> dict[str, list[str]]:
    """Return the schemes of an unsafe request without a session: the CSRF token and its cookie."""
    names = (COOKIE, CSRF_TOKEN) if settings.CSRF_USE_SESSIONS else (CSRF_COOKIE, CSRF_TOKEN)
    return {name: [] for name in names}


class _Scheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Registers its schemes itself: drf-spectacular registers one per subclass, and warns of the second."""

    match_subclasses = True
    name: list[str] = []

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """Return an empty list."""
        return []

    def _registered(self, auto_schema: AutoSchema, names: list[str]) -> dict[str, list[Any]]:
        found = definitions()
        for name in names:
            auto_schema.registry.register_on_missing(
                ResolvedComponent(  # type: ignore[no-untyped-call]
                    name=name,
                    type=ResolvedComponent.SECURITY_SCHEMA,
                    object=self.target_class,
                    schema=found[name],
                )
            )
        return {name: [] for name in names}


class SessionScheme(_Scheme):  # type: ignore[no-untyped-call]
    """The session cookie."""

    target_class = "sessionkeeper.api.SessionAuthentication"

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]]:
        """Return the cookie, and the CSRF token if the method is unsafe."""
        names = [COOKIE, *([] if auto_schema.method in fetch_metadata.SAFE_METHODS else with_token())]
        return self._registered(auto_schema, list(dict.fromkeys(names)))


class TokenScheme(_Scheme):  # type: ignore[no-untyped-call]
    """The bearer token."""

    target_class = "sessionkeeper.api.TokenAuthentication"

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]]:
        """Return the token."""
        return self._registered(auto_schema, [BEARER])
