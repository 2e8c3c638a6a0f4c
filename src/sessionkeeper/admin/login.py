"""The sign-in form of Django's admin, which shows a lockout as an error of the form."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from sessionkeeper.auth import lockout
from sessionkeeper.core.errors import TooManyTries


class LoginForm(AdminAuthenticationForm):
    """The admin's own form, with a lockout. Use it as the ``login_form`` of an admin site of your own.

    Our middleware turns the response into a 429 with ``Retry-After``.
    """

    def clean(self) -> dict[str, Any]:
        """Report a lockout as an error that says how long to wait."""
        try:
            return super().clean()
        except TooManyTries as error:
            raise ValidationError(lockout.explain(error), code="throttled") from error


def install() -> None:
    """Set the form of the default admin site, unless the project has set one."""
    if admin.site.login_form is None:
        admin.site.login_form = LoginForm
