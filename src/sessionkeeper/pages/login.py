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

from sessionkeeper.auth import flows, lockout
from sessionkeeper.core.errors import SessionGone, StaleSession
from sessionkeeper.core.keys import Secret
from sessionkeeper.pages.base import FormPage, Page, next_url, route, signed_out, with_next
from sessionkeeper.pages.forms import LoginForm, ReauthenticateForm


@method_decorator(lockout.counting, name="dispatch")
class LoginPage(FormPage):
    """Asks for name and password."""

    template, form = "login", LoginForm

    def submit(self, request: HttpRequest, form: Form) -> HttpResponse:
        """Sign in."""
        given = Secret(form.cleaned_data)
        flows.log_in(
            request,
            credentials=Secret({name: given.value[name] for name in ("username", "password")}),
            remember=given.value["remember"],
        )
        return redirect(next_url(request) or resolve_url(settings.LOGIN_REDIRECT_URL))


class LogoutPage(Page):
    """Asks on GET whether to sign out, so that a link or an image of another site cannot sign users out."""

    template = "logout"

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign out, and clear what the browser has cached."""
        flows.log_out(request)
        return signed_out(next_url(request))


@method_decorator(lockout.counting, name="dispatch")
class ReauthenticatePage(FormPage):
    """Asks for the password of the signed-in user."""

    template, form = "reauthenticate", ReauthenticateForm
    signed_in = True

    def show(self, request: HttpRequest, *, status: int = HTTPStatus.OK, **context: Any) -> HttpResponse:
        """Render the page, which says that time has passed only if it has."""
        return super().show(request, status=status, is_stale=not flows.is_recent(request), **context)

    def submit(self, request: HttpRequest, form: Form) -> HttpResponse:
        """Reauthenticate and go back."""
        try:
            flows.reauthenticate(request, Secret({"password": form.cleaned_data["password"]}))
        except (SessionGone, StaleSession):
            return redirect(with_next(route("login"), next_url(request)))
        return redirect(next_url(request) or route("sessions"))


@login_not_required
def admin_login(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """Replace the sign-in view of Django's admin: ``admin.site.login = admin_login`` in ``urls.py``.

    Raises:
        PermissionDenied: the signed-in user may not use the admin.
    """
    after = next_url(request) or reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect(with_next(route("login"), after))
    if getattr(request.user, "is_staff", False):
        return redirect(after)
    raise PermissionDenied
