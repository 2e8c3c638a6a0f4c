"""Change the password, or reset it by mail."""

from __future__ import annotations

from http import HTTPStatus

from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls.converters import StringConverter
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

from sessionkeeper.auth import flows, lockout, passwords
from sessionkeeper.core.errors import InvalidCredentials, InvalidToken, SessionGone, StaleSession
from sessionkeeper.core.keys import Secret
from sessionkeeper.pages.base import DONE, FormPage, route, with_next
from sessionkeeper.pages.forms import ChangeForm, ConfirmForm, ResetForm


class SecretConverter(StringConverter):
    """A part of a URL that is passed on as a ``Secret``, so that no report shows it as an argument."""

    def to_python(self, value: str) -> Secret[str]:  # type: ignore[override]
        """Return the text, hidden."""
        return Secret(value)

    def to_url(self, value: str | Secret[str]) -> str:
        """Return the text of a URL."""
        return Secret.of(value).value


@method_decorator(lockout.counting, name="dispatch")
class ChangePage(FormPage):
    """Asks for the current password and a new one, after reauthentication."""

    template, form = "password_change", ChangeForm
    signed_in = True

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        flows.require_recent(request)
        return super().get(request)

    def after_reauthentication(self, request: HttpRequest) -> str:
        """Return the URL of the form."""
        return request.path

    def submit(self, request: HttpRequest, form: Form) -> HttpResponse | None:
        """Change the password and end all other sessions."""
        current, new = (Secret(form.cleaned_data[name]) for name in ("current_password", "new_password"))
        try:
            passwords.change_password(request, current=current, new=new)
        except InvalidCredentials:
            form.add_error("current_password", _("This is not the password."))
            return None
        except (SessionGone, StaleSession):
            return redirect(with_next(route("login"), request.path))
        return redirect(f"{route('sessions')}?{DONE}=password")


@method_decorator(lockout.counting, name="dispatch")
class ResetPage(FormPage):
    """Asks for the address that a mail is sent to."""

    template, form = "password_reset", ResetForm

    def submit(self, request: HttpRequest, form: Form) -> HttpResponse:
        """Send the mail, if a user has the address. The response is the same if not."""
        lockout.count_reset(request)
        passwords.request_reset(request, form.cleaned_data["email"])
        return redirect(route("password-reset-sent"))


class ConfirmPage(FormPage):
    """Asks for a new password, at the link in the mail."""

    template, form = "password_reset_confirm", ConfirmForm

    def get(self, request: HttpRequest, uid: str, token: Secret[str]) -> HttpResponse:
        """Show the form, or that the link is not valid."""
        if passwords.user_of_reset(uid, token) is None:
            return self.show(request, form=None, status=HTTPStatus.BAD_REQUEST)
        return self.show(request, form=ConfirmForm())

    def submit(self, request: HttpRequest, form: Form, uid: str, token: Secret[str]) -> HttpResponse:
        """Set the password and end all sessions of the user."""
        try:
            passwords.confirm_reset(uid, token, Secret(form.cleaned_data["new_password"]))
        except InvalidToken:
            return self.show(request, form=None, status=HTTPStatus.BAD_REQUEST)
        return redirect(route("password-reset-done"))
