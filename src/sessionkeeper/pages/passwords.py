"""Another password: changed by who knows the old one, or reset by mail."""

from __future__ import annotations

from http import HTTPStatus

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from sessionkeeper.auth import lockout, passwords, reauthentication
from sessionkeeper.core.errors import (
    InvalidCredentials,
    InvalidToken,
    RefusedPassword,
    SessionGone,
    StaleSession,
    TooManyTries,
)
from sessionkeeper.http.client_address import client_address
from sessionkeeper.pages.base import DONE, Page, route, with_next
from sessionkeeper.pages.forms import ChangeForm, ConfirmForm, ResetForm
from sessionkeeper.pages.login import Refusing

#: Mails that one address may ask for in a minute.
_MAILS_A_MINUTE = 10


@method_decorator(lockout.counting, name="dispatch")
class ChangePage(Refusing):
    """The password as it is and a new one. The proof is asked for before anything is typed."""

    template = "password_change"
    signed_in = True

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        reauthentication.require_recent(request)
        return self.show(request, form=ChangeForm())

    def after_proof(self, request: HttpRequest) -> str:
        """Return to the form."""
        return request.path

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponse:
        """Change it; all other sessions end."""
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


class ResetPage(Page):
    """The address that a mail goes to."""

    template = "password_reset"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return self.show(request, form=ResetForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send the mail, or not: the answer is the same whether somebody has the address."""
        form = ResetForm(request.POST)
        if not form.is_valid():
            return self.show(request, form=form, status=HTTPStatus.BAD_REQUEST)
        if _too_many(request):
            form.add_error(None, _("Too many requests. Try again in a minute."))
            return self.show(request, form=form, status=HTTPStatus.TOO_MANY_REQUESTS)
        passwords.request_reset(request, form.cleaned_data["email"])
        return redirect(route("password-reset-sent"))


class SentPage(Page):
    """The mail is on its way, if the address is somebody's."""

    template = "password_reset_sent"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say so."""
        return self.show(request)


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
        """Set it; all sessions of the user end."""
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


class DonePage(Page):
    """The new password is set."""

    template = "password_reset_done"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say so."""
        return self.show(request)


def _too_many(request: HttpRequest) -> bool:
    """Count a mail against the client's address."""
    key = f"sessionkeeper-pages-reset:{client_address(request) or 'unknown'}"
    cache.add(key, 0, timeout=60)
    try:
        return cache.incr(key) > _MAILS_A_MINUTE
    except ValueError:  # it expired in between
        return False
