"""Change the password, or reset it by mail."""

from __future__ import annotations

import re
from http import HTTPStatus

from django.conf import settings
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls.converters import PathConverter, StringConverter
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

from sessionkeeper.auth import flows, lockout, passwords
from sessionkeeper.core.errors import InvalidCredentials, InvalidToken, SessionGone, StaleSession
from sessionkeeper.core.keys import Secret
from sessionkeeper.pages.base import DONE, FormPage, Page, route, with_next
from sessionkeeper.pages.forms import ChangeForm, ConfirmForm, ResetForm

#: How long a browser keeps the token of a link, in seconds.
_COOKIE_LIFE = 3600
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,200}")


class _Hidden:
    """A part of a URL that is passed on as a ``Secret``, so that no report shows it as an argument."""

    def to_python(self, value: str) -> Secret[str]:
        """Return the text, hidden."""
        return Secret(value)

    def to_url(self, value: str | Secret[str]) -> str:
        """Return the text of a URL."""
        return Secret.of(value).value


class SecretConverter(_Hidden, StringConverter):  # type: ignore[misc] # Django's returns the text
    """Up to the next slash."""


class SecretPathConverter(_Hidden, PathConverter):  # type: ignore[misc]
    """Up to the end."""


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
        passwords.request_reset(request, form.cleaned_data["email"])
        return redirect(route("password-reset-sent"))


class LinkPage(Page):
    """The link in a mail: takes the token out of the address, and redirects to the form.

    The token goes into a cookie for the page of the form. So no address that is logged when a request is
    refused, sent as ``Referer`` or kept in a history contains it. Unlike in Django's view, no session begins,
    and no store holds the token. All requests get the same answer, because errors are logged with the
    address.
    """

    def get(self, request: HttpRequest, uid: str, token: Secret[str]) -> HttpResponse:
        """Move the token, and redirect."""
        page = route("password-reset-form", uid=uid)
        response = redirect(page)
        plain = Secret(_PLAIN.match(token.value))  # a match shows what it found
        if _PLAIN.fullmatch(uid) and plain.value is not None:
            response.set_cookie(
                _cookie_name(),
                plain.value[0],
                max_age=min(_COOKIE_LIFE, settings.PASSWORD_RESET_TIMEOUT),
                path=page,
                secure=settings.SESSION_COOKIE_SECURE or request.is_secure(),
                httponly=True,
                samesite="Lax",  # not Strict: webmail is another site
            )
        response["Referrer-Policy"] = "no-referrer"
        return response

    post = options = http_method_not_allowed = get


@method_decorator(lockout.counting, name="dispatch")
class ConfirmPage(FormPage):
    """Asks for a new password, after the link in the mail."""

    template, form = "password_reset_confirm", ConfirmForm

    def get(self, request: HttpRequest, uid: str) -> HttpResponse:
        """Show the form, or that the link is not valid."""
        if passwords.user_of_reset(uid, _token(request)) is None:
            return self._spent(request, uid)
        return self.show(request, form=ConfirmForm())

    def submit(self, request: HttpRequest, form: Form, uid: str) -> HttpResponse:
        """Set the password and end all sessions of the user."""
        passwords.count_reset(request)
        try:
            passwords.confirm_reset(uid, _token(request), Secret(form.cleaned_data["new_password"]))
        except InvalidToken:
            return self._spent(request, uid)
        return _forget(redirect(route("password-reset-done")), uid)

    def _spent(self, request: HttpRequest, uid: str) -> HttpResponse:
        return _forget(self.show(request, form=None, status=HTTPStatus.BAD_REQUEST), uid)


def _token(request: HttpRequest) -> Secret[str]:
    return Secret(request.COOKIES.get(_cookie_name(), ""))


def _forget(response: HttpResponse, uid: str) -> HttpResponse:
    """Delete the cookie with the token."""
    if _PLAIN.fullmatch(uid):
        response.delete_cookie(_cookie_name(), path=route("password-reset-form", uid=uid), samesite="Lax")
    return response


def _cookie_name() -> str:
    """Return a name without a prefix, because the path is not "/".

    Django's error reports hide the values of cookies with "pass" in their name.
    """
    name = str(settings.SESSION_COOKIE_NAME)
    return f"{name.removeprefix('__Host-').removeprefix('__Secure-')}-password-reset"
