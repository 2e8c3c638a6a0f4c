"""The form that Django's admin signs in with: a lockout is told in it, and not on a page of its own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.translation import ngettext

from sessionkeeper.core.errors import TooManyTries

_MINUTE = 60


class LoginForm(AdminAuthenticationForm):
    """The admin's own form. An admin site of your own takes it as ``login_form``.

    Our middleware makes a 429 with ``Retry-After`` of the answer.
    """

    def clean(self) -> dict[str, Any]:
        """Say how long to wait where the password was not looked at."""
        try:
            return super().clean()
        except TooManyTries as error:
            minutes = -(-error.retry_after // _MINUTE)
            text = ngettext(
                "Too many attempts. Try again in {minutes} minute.",
                "Too many attempts. Try again in {minutes} minutes.",
                minutes,
            )
            raise ValidationError(text.format(minutes=minutes), code="throttled") from error


def install() -> None:
    """Give the form to the default admin site, unless the project has chosen one."""
    if admin.site.login_form is None:
        admin.site.login_form = LoginForm
