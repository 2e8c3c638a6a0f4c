"""Verifies credentials: the one sequence behind every door that takes a password.

A user with a second factor is never let in by a password alone. The factors themselves belong to others:
allauth.mfa and django-otp are asked where they are installed, and a project's own function where
``SESSIONKEEPER["SECOND_FACTOR"]`` names one. NIST SP 800-63B-4, 5.1; R31.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.contrib import auth
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.auth import lockout
from sessionkeeper.core.errors import InvalidCredentials, SecondFactorRequired
from sessionkeeper.engine import amr
from sessionkeeper.stores.database.errors import translate_errors

#: What ``amr`` says of a session that began with a password (RFC 8176).
PASSWORD = "pwd"  # noqa: S105 - the name of a method, not a password
#: Longest password that is hashed at all (as Django's own form; CVE-2013-1443).
LONGEST_PASSWORD = 4096
#: Applications that are asked for a second factor, and the function of each that says whether a user has one.
KNOWN = {
    "allauth.mfa": "allauth.mfa.utils.is_mfa_enabled",
    "django_otp": "django_otp.user_has_device",
}


@sensitive_variables("credentials")
def verify(
    request: HttpRequest,
    credentials: Mapping[str, Any],
    *,
    user: Any = None,
    session_id: int | None = None,
) -> Any:
    """Return the user whom the credentials prove, with the ``backend`` that took them.

    The attempt is counted before a backend looks. With ``user`` the credentials have to be that user's, and
    with ``session_id`` the failures count for that session alone.

    Raises:
        InvalidCredentials: no backend takes them, or they are another user's.
        SecondFactorRequired: they are right, and the user has a second factor.
        TooManyTries: too many have failed; no backend was asked.
        StoreUnavailable: a database did not answer.
    """
    lockout.begin(request, credentials, session_id=session_id)
    with translate_errors():
        proven: Any = auth.authenticate(request, **credentials)
        if proven is None or (user is not None and proven.pk != user.pk):
            raise InvalidCredentials
        if any(import_string(path)(proven) for path in second_factors()):
            trail.record(events.Kind.SECOND_FACTOR_REQUIRED, user=proven)
            raise SecondFactorRequired(proven)
        lockout.succeeded()
    amr.note(proven, PASSWORD if "password" in credentials else "")
    return proven


def second_factors() -> list[str]:
    """Return the functions that say whether a user has a second factor, as dotted paths."""
    own = conf.current().second_factor
    return [path for app, path in KNOWN.items() if apps.is_installed(app)] + ([own] if own else [])
