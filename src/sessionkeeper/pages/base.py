"""What all pages share: headers, the CSRF check, where to go next."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from sessionkeeper.core.errors import ReauthenticationRequired
from sessionkeeper.csrf.fetch_metadata import may_leave
from sessionkeeper.http.transports import CLEAR_SITE_DATA

#: The query parameter and form field that says where to go afterwards.
NEXT = "next"
#: The query parameter that names what was just done, for a line on the next page.
DONE = "done"


def route(name: str, **kwargs: Any) -> str:
    """Return the address of one of the pages."""
    return reverse(f"sessionkeeper-pages:{name}", kwargs=kwargs or None)


def next_url(request: HttpRequest) -> str | None:
    """Return where the client wants to go afterwards, if that is on this very origin (CWE-601)."""
    wanted = request.POST.get(NEXT) or request.GET.get(NEXT) or ""
    here = {request.get_host()}
    is_ours = url_has_allowed_host_and_scheme(wanted, here, require_https=request.is_secure())
    return wanted if is_ours and not may_leave(wanted) else None


def with_next(address: str, after: str | None) -> str:
    """Return an address that remembers where to go afterwards."""
    return f"{address}?{urlencode({NEXT: after})}" if after else address


@method_decorator([login_not_required, sensitive_post_parameters(), csrf_protect], name="dispatch")
class Page(View):
    """A page: never cached, never framed, checked for CSRF; with ``signed_in`` for the signed-in only.

    Django's ``LoginRequiredMiddleware`` leaves all of them alone: a page itself sends people to sign in.
    """

    http_method_names = ["get", "post", "head", "options"]
    template = ""
    signed_in = False
    form: type[Form] | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect visitors to sign in, and users to reauthenticate where that is needed."""
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
        """Show the page, with its form if it has one."""
        return self.show(request) if self.form is None else self.show(request, form=self.form())

    def after_reauthentication(self, request: HttpRequest) -> str:
        """Return where to go after reauthentication."""
        return request.path if request.method == "GET" else route("sessions")

    def show(self, request: HttpRequest, *, status: int = HTTPStatus.OK, **context: Any) -> HttpResponse:
        """Render the page."""
        shown = {NEXT: next_url(request), "done": request.GET.get(DONE), **context}
        response = render(request, f"sessionkeeper/pages/{self.template}.html", shown, status=status)
        if status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = 'Session realm="pages"'
        return response


def _protected(response: HttpResponseBase) -> HttpResponseBase:
    """Keep a page out of caches and frames, and everything but its own style sheet out of it."""
    patch_cache_control(response, no_store=True, private=True)
    for name, value in (
        ("Content-Security-Policy", content_security_policy()),
        ("X-Frame-Options", "DENY"),
        # The address of a reset holds its token. Not "no-referrer", which hides where forms come from.
        ("Referrer-Policy", "same-origin"),
    ):
        response.headers.setdefault(name, value)
    return response


def content_security_policy() -> str:
    """Return the policy of the pages: a style sheet, forms to this site, nothing else."""
    parts = urlsplit(settings.STATIC_URL or "")
    elsewhere = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return (
        f"default-src 'none'; style-src 'self'{elsewhere}; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


def signed_out(after: str | None = None) -> HttpResponse:
    """Redirect after a sign-out, and clear what the browser has cached."""
    home = settings.LOGOUT_REDIRECT_URL
    response = redirect(after or (resolve_url(home) if home else f"{route('login')}?{DONE}=out"))
    response["Clear-Site-Data"] = CLEAR_SITE_DATA
    return response


def after_login() -> str:
    """Return where to go after a sign-in that did not say."""
    return resolve_url(settings.LOGIN_REDIRECT_URL)
