"""A second factor is never passed by: whoever has one is not signed in by a password alone.

The factors themselves belong to others: allauth.mfa and django-otp are asked where they are installed, and a
project's own function where ``SESSIONKEEPER["SECOND_FACTOR"]`` names one. NIST SP 800-63B-4, 5.1; R31.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.core.errors import SecondFactorRequired

#: Applications that are asked, and the function of each that says whether a user has a factor.
KNOWN = {
    "allauth.mfa": "allauth.mfa.utils.is_mfa_enabled",
    "django_otp": "django_otp.user_has_device",
}


def sources() -> list[str]:
    """Return the functions that are asked, as dotted paths."""
    own = conf.current().second_factor
    return [path for app, path in KNOWN.items() if apps.is_installed(app)] + ([own] if own else [])


def require_none(user: Any) -> None:
    """Refuse a user whose password was right and who has a second factor. A query for each source.

    Raises:
        SecondFactorRequired: nobody is signed in. The error carries the user, for the project's second step.
    """
    if any(import_string(path)(user) for path in sources()):
        trail.record(events.Kind.SECOND_FACTOR_REQUIRED, user=user)
        raise SecondFactorRequired(user)
