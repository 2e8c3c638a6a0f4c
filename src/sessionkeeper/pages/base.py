"""What all pages share: headers, the CSRF check, forms, and the address to go to next."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from sessionkeeper.auth import lockout
from sessionkeeper.core.errors import (
    InvalidCredentials,
    ReauthenticationRequired,
    RefusedPassword,
    SecondFactorRequired,
    SessionKeeperError,
    TooManySessions,
    TooManyTries,
)
from sessionkeeper.csrf.fetch_metadata import may_leave
from sessionkeeper.http.problem_page import content_security_policy
from sessionkeeper.http.transports import CLEAR_SITE_DATA

#: The query parameter and form field that says where to go afterwards.
NEXT = "next"
#: The query parameter that names what was just done, for a message on the next page.
DONE = "done"


def route(name: str, **kwargs: Any) -> str:
    """Return the URL of a page."""
    return reverse(f"sessionkeeper-pages:{name}", kwargs=kwargs or None)


def next_url(request: HttpRequest) -> str | None:
    """Return the URL that the client wants to go to afterwards, if it has the same origin (CWE-601)."""
    wanted = request.POST.get(NEXT) or request.GET.get(NEXT) or ""
    here = {request.get_host()}
    is_ours = url_has_allowed_host_and_scheme(wanted, here, require_https=request.is_secure())
    return wanted if is_ours and not may_leave(wanted) else None


def with_next(address: str, after: str | None) -> str:
    """Return a URL with the address to go to afterwards in its query."""
    return f"{address}?{urlencode({NEXT: after})}" if after else address


@method_decorator([login_not_required, sensitive_post_parameters(), csrf_protect], name="dispatch")
class Page(View):
    """A page that is never cached or framed, and is checked for CSRF.

    With ``signed_in`` it redirects visitors to sign in. Django's ``LoginRequiredMiddleware`` ignores it.
    """

    http_method_names = ["get", "post", "head", "options"]
    template = ""
    signed_in = False
    form: type[Form] | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve the page, or redirect to sign in or to reauthenticate."""
        if self.signed_in and not request.user.is_authenticated:
            after = request.get_full_path() if request.method in {"GET", "HEAD"} else route("sessions")
            response: HttpResponseBase = redirect(with_next(route("login"), after))
        else:
            try:
                response = super().dispatch(request, *args, **kwargs)
            except ReauthenticationRequired:
                response = redirect(with_next(route("reauthenticate"), self.after_reauthentication(request)))
        return _protected(response)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the page, with an empty form if it has one."""
        return self.show(request) if self.form is None else self.show(request, form=self.form())

    def after_reauthentication(self, request: HttpRequest) -> str:
        """Return the URL to go to after reauthentication."""
        return request.path if request.method == "GET" else route("sessions")

    def show(self, request: HttpRequest, *, status: int = HTTPStatus.OK, **context: Any) -> HttpResponse:
        """Render the page."""
        shown = {NEXT: next_url(request), "done": request.GET.get(DONE), **context}
        response = render(request, f"sessionkeeper/pages/{self.template}.html", shown, status=status)
        if status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = 'Session realm="pages"'
        return response


class FormPage(Page):
    """A page with a form. Subclasses act on a valid form in ``submit``."""

    form: type[Form] = Form

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Submit the form, or show it again with its errors. Unknown, wrong and inactive users look alike."""
        form, status = self.form(request.POST), HTTPStatus.BAD_REQUEST
        try:
            if form.is_valid() and (response := self.submit(request, form, *args, **kwargs)):
                return response
        except RefusedPassword as error:
            form.add_error("new_password", error.messages)
        except (InvalidCredentials, SecondFactorRequired, TooManySessions, TooManyTries) as error:
            status, text = _explain(error)
            form.add_error(None, text)
            response = self.show(request, form=form, status=status, elsewhere=_elsewhere(error))
            if isinstance(error, TooManyTries):
                response["Retry-After"] = str(error.retry_after)
            return response
        return self.show(request, form=form, status=status)

    def submit(self, request: HttpRequest, form: Form, *args: Any, **kwargs: Any) -> HttpResponse | None:
        """Act on a valid form, and return the response; None to show the form again."""
        raise NotImplementedError


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


def _protected(response: HttpResponseBase) -> HttpResponseBase:
    """Set the headers that keep a page out of caches and frames, and scripts out of the page."""
    patch_cache_control(response, no_store=True, private=True)
    for name, value in (
        ("Content-Security-Policy", content_security_policy()),
        ("X-Frame-Options", "DENY"),
        # Not "no-referrer", which hides the origin of forms.
        ("Referrer-Policy", "same-origin"),
    ):
        response.headers.setdefault(name, value)
    return response


def signed_out(after: str | None = None) -> HttpResponse:
    """Redirect after a sign-out, and clear what the browser has cached."""
    home = settings.LOGOUT_REDIRECT_URL
    response = redirect(after or (resolve_url(home) if home else f"{route('login')}?{DONE}=out"))
    response["Clear-Site-Data"] = CLEAR_SITE_DATA
    return response
