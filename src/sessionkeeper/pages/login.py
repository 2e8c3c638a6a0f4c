"""Sign in, sign out, reauthenticate."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from sessionkeeper.auth import flows, lockout
from sessionkeeper.core.errors import (
    InvalidCredentials,
    SecondFactorRequired,
    SessionGone,
    SessionKeeperError,
    StaleSession,
    TooManySessions,
    TooManyTries,
)
from sessionkeeper.pages.base import Page, after_login, next_url, route, signed_out, with_next
from sessionkeeper.pages.forms import LoginForm, ReauthenticateForm


class Refusing(Page):
    """A page with a form in which credentials may be refused."""

    def refuse(self, request: HttpRequest, form: Form, error: SessionKeeperError) -> HttpResponse:
        """Show the form again, and the reason. Unknown, wrong and inactive look the same."""
        status, text = _explain(error)
        form.add_error(None, text)
        response = self.show(request, form=form, status=status, elsewhere=_elsewhere(error))
        if isinstance(error, TooManyTries):
            response["Retry-After"] = str(error.retry_after)
        return response


@method_decorator(lockout.counting, name="dispatch")
class LoginPage(Refusing):
    """Name and password."""

    template, form = "login", LoginForm

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign in and go on."""
        form = LoginForm(request.POST)
        if not form.is_valid():
            return self.show(request, form=form, status=HTTPStatus.BAD_REQUEST)
        given = form.cleaned_data
        try:
            flows.log_in(
                request,
                credentials={"username": given["username"], "password": given["password"]},
                remember=given["remember"],
            )
        except (InvalidCredentials, TooManyTries, TooManySessions, SecondFactorRequired) as error:
            return self.refuse(request, form, error)
        return redirect(next_url(request) or after_login())


class LogoutPage(Page):
    """A question on GET: a link or an image of another site must not be able to sign anybody out."""

    template = "logout"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign out, and have the browser forget what it kept of the pages."""
        flows.log_out(request)
        return signed_out(next_url(request))


@method_decorator(lockout.counting, name="dispatch")
class ReauthenticatePage(Refusing):
    """The password of the signed-in user, again."""

    template, form = "reauthenticate", ReauthenticateForm
    signed_in = True

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponse:
        """Reauthenticate and go back."""
        form = ReauthenticateForm(request.POST)
        if not form.is_valid():
            return self.show(request, form=form, status=HTTPStatus.BAD_REQUEST)
        try:
            flows.reauthenticate(request, {"password": form.cleaned_data["password"]})
        except (InvalidCredentials, TooManyTries, SecondFactorRequired) as error:
            return self.refuse(request, form, error)
        except (SessionGone, StaleSession):
            return redirect(with_next(route("login"), next_url(request)))
        return redirect(next_url(request) or route("sessions"))


@login_not_required
def admin_login(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Replace the sign-in view of Django's admin: ``admin.site.login = admin_login`` in ``urls.py``.

    Raises:
        PermissionDenied: somebody is signed in who may not use the admin.
    """
    after = next_url(request) or reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect(with_next(route("login"), after))
    if getattr(request.user, "is_staff", False):
        return redirect(after)
    raise PermissionDenied


def _explain(error: SessionKeeperError) -> tuple[HTTPStatus, str]:
    match error:
        case TooManyTries():
            return HTTPStatus.TOO_MANY_REQUESTS, lockout.explain(error)
        case TooManySessions():
            text = _(
                "You are signed in on as many devices as this site allows. Sign out on one of them first."
            )
            return HTTPStatus.CONFLICT, text
        case SecondFactorRequired():
            text = _("Your password is correct, but this page does not ask for your second factor.")
            return HTTPStatus.UNAUTHORIZED, text
    return HTTPStatus.UNAUTHORIZED, _("That did not work. Check what you typed, and that Caps Lock is off.")


def _elsewhere(error: SessionKeeperError) -> str | None:
    """Return the site's own login, if it is another page, for users with a second factor."""
    login = resolve_url(settings.LOGIN_URL)
    return login if isinstance(error, SecondFactorRequired) and login != route("login") else None
