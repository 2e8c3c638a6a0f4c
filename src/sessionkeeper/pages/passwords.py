"""Change the password, or reset it by mail."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from sessionkeeper.auth import flows, lockout, passwords
from sessionkeeper.core.errors import (
    InvalidCredentials,
    InvalidToken,
    RefusedPassword,
    SessionGone,
    StaleSession,
    TooManyTries,
)
from sessionkeeper.pages.base import DONE, Page, route, with_next
from sessionkeeper.pages.forms import ChangeForm, ConfirmForm, ResetForm
from sessionkeeper.pages.login import Refusing


@method_decorator(lockout.counting, name="dispatch")
class ChangePage(Refusing):
    """The current password and a new one. Reauthentication is asked for before anything is typed."""

    template, form = "password_change", ChangeForm
    signed_in = True

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        flows.require_recent(request)
        return super().get(request)

    def after_reauthentication(self, request: HttpRequest) -> str:
        """Return to the form."""
        return request.path

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponse:
        """Change the password; all other sessions end."""
        form = ChangeForm(request.POST)
        if form.is_valid():
            given = form.cleaned_data
            try:
                passwords.change_password(
                    request, current=given["current_password"], new=given["new_password"]
                )
            except InvalidCredentials:
                form.add_error("current_password", _("This is not the password."))
            except RefusedPassword as error:
                form.add_error("new_password", error.messages)
            except TooManyTries as error:
                return self.refuse(request, form, error)
            except (SessionGone, StaleSession):
                return redirect(with_next(route("login"), request.path))
            else:
                return redirect(f"{route('sessions')}?{DONE}=password")
        return self.show(request, form=form, status=HTTPStatus.BAD_REQUEST)


@method_decorator(lockout.counting, name="dispatch")
class ResetPage(Refusing):
    """The address that a mail goes to."""

    template, form = "password_reset", ResetForm

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send the mail, or not: the answer is the same whether somebody has the address."""
        form = ResetForm(request.POST)
        if not form.is_valid():
            return self.show(request, form=form, status=HTTPStatus.BAD_REQUEST)
        try:
            lockout.count_reset(request)
        except TooManyTries as error:
            return self.refuse(request, form, error)
        passwords.request_reset(request, form.cleaned_data["email"])
        return redirect(route("password-reset-sent"))


class ConfirmPage(Page):
    """A new password, with the link of the mail."""

    template = "password_reset_confirm"

    @sensitive_variables()
    def get(self, request: HttpRequest, uid: str, token: str) -> HttpResponse:
        """Show the form, or say that the link is not good any more."""
        if passwords.user_of_reset(uid, token) is None:
            return self.show(request, form=None, status=HTTPStatus.BAD_REQUEST)
        return self.show(request, form=ConfirmForm())

    @sensitive_variables()
    def post(self, request: HttpRequest, uid: str, token: str) -> HttpResponse:
        """Set the password; all sessions of the user end."""
        form = ConfirmForm(request.POST)
        if form.is_valid():
            try:
                passwords.confirm_reset(uid, token, form.cleaned_data["new_password"])
            except InvalidToken:
                return self.show(request, form=None, status=HTTPStatus.BAD_REQUEST)
            except RefusedPassword as error:
                form.add_error("new_password", error.messages)
            else:
                return redirect(route("password-reset-done"))
        return self.show(request, form=form, status=HTTPStatus.BAD_REQUEST)
