"""The page of a problem, for visitors: what happened, what to do, and a way back."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpResponse
from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

if TYPE_CHECKING:
    from django.http import HttpRequest

log = logging.getLogger("sessionkeeper")
_MINUTE = 60
_SAFE_METHODS = {"GET", "HEAD"}
_LOGIN_ROUTE = "sessionkeeper-pages:login"
_REAUTHENTICATE_ROUTE = "sessionkeeper-pages:reauthenticate"

_RESEND = _(
    "The page was open for a long time, or somebody has signed in or out since. Nothing was done. Go back "
    "with your browser, copy what you typed, reload the page, and send it again."
)
_FOREIGN = _(
    "Another site asked for this in your name, so it was refused, and nothing was done. If you wanted it, do "
    "it on a page of this site."
)
#: Heading and text for visitors, by the code of the problem.
_BY_CODE: dict[str, tuple[Any, Any]] = {
    "session_rotated": (
        _("Please send that again"),
        _("You signed in somewhere else in this browser at the same time, so nothing was saved."),
    ),
    "reauthentication_required": (
        _("Confirm that it is you"),
        _("This needs your password again. Nothing was done. Confirm that it is you, then do it once more."),
    ),
    "user_mismatch": (
        _("This belongs to somebody else"),
        _(
            "You act as another user. Devices and passwords can be changed only by their own user: stop "
            "acting as the other one, then try again."
        ),
    ),
    "too_many_sessions": (
        _("You are signed in on too many devices"),
        _("This site limits how many there may be. Sign out on one of them, then try again."),
    ),
    "token_invalid": (_("You are not signed in"), _("The sign-in of this program has expired or was ended.")),
    "cross_site_session": (_("This was not sent from this site"), _FOREIGN),
    "csrf_cookie_missing": (
        _("This form could not be sent"),
        _("Nothing was done. Allow cookies for this site, reload the page, and send the form again."),
    ),
    "csrf_token_of_another_user": (
        _("This form could not be sent"),
        _(
            "The page was opened while another user was signed in. Nothing was done. Reload the page, and "
            "check as whom you are signed in."
        ),
    ),
    "csrf_cross_site": (_("This was not sent from this site"), _FOREIGN),
    "csrf_same_site": (_("This was not sent from this site"), _FOREIGN),
    "csrf_origin_untrusted": (_("This was not sent from this site"), _FOREIGN),
    "csrf_referer_untrusted": (_("This was not sent from this site"), _FOREIGN),
}
#: The same by status, for the others.
_BY_STATUS: dict[int, tuple[Any, Any]] = {
    400: (_("This request could not be understood"), _("Nothing was done. Go back and try again.")),
    401: (_("You are not signed in"), _("Sign in, then try again.")),
    403: (_("This was refused"), _("You may not do this. Nothing was done.")),
    409: (_("Please try that again"), _("Something else happened at the same time. Nothing was saved.")),
    429: (_("Too many attempts"), _("For safety, this has to wait.")),
    503: (
        _("We will be back in a moment"),
        _("Sign-in does not work right now. It is not your fault, and you are not signed out."),
    ),
}


def respond(request: HttpRequest, members: dict[str, Any], headers: dict[str, str]) -> HttpResponse:
    """Return the page of a problem, which needs neither a session, the store nor the database.

    A GET that met an outage is repeated by the browser after ``Retry-After``, by the header ``Refresh``: a
    form never is, because it may have been acted on. The developer's sentence is shown with ``DEBUG`` only.
    """
    seconds = _seconds(headers)
    is_repeated = (
        members["status"] == HTTPStatus.SERVICE_UNAVAILABLE
        and request.method in _SAFE_METHODS
        and seconds > 0
    )
    heading, text = words(members)
    shown = {
        "problem": members,
        "heading": heading,
        "text": text,
        "wait": _wait(seconds),
        "is_repeated": is_repeated,
        "is_form": request.method not in _SAFE_METHODS,
        "back": _back(request),
        "sign_in": _sign_in(members),
        "home": get_script_prefix(),
        "debug": settings.DEBUG,
    }
    response = HttpResponse(_render(shown), status=members["status"])
    response["Content-Security-Policy"] = content_security_policy()
    if is_repeated:
        response["Refresh"] = str(seconds)
    return response


def words(members: dict[str, Any]) -> tuple[Any, Any]:
    """Return the heading and the text for visitors."""
    code, status = members["code"], members["status"]
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code.startswith("csrf_"):
        return _("This form could not be sent"), _RESEND
    return _BY_STATUS.get(status, (members["title"], members["detail"]))


def content_security_policy() -> str:
    """Return the policy of the pages, which allows style sheets, images and forms of this site only."""
    parts = urlsplit(settings.STATIC_URL or "")
    elsewhere = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return (
        f"default-src 'none'; style-src 'self'{elsewhere}; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


def _seconds(headers: dict[str, str]) -> int:
    value = headers.get("Retry-After", "")
    return int(value) if value.isascii() and value.isdigit() else 0


def _wait(seconds: int) -> str:
    """Return how long to wait, in words; an empty text if that is not known."""
    if not seconds:
        return ""
    if seconds < _MINUTE:
        text = ngettext("Try again in {count} second.", "Try again in {count} seconds.", seconds)
        return text.format(count=seconds)
    minutes = -(-seconds // _MINUTE)
    text = ngettext("Try again in {count} minute.", "Try again in {count} minutes.", minutes)
    return text.format(count=minutes)


def _back(request: HttpRequest) -> str | None:
    """Return the page that the visitor came from, if it is one of this site and another than this."""
    referer = request.headers.get("Referer", "")
    try:
        is_ours = url_has_allowed_host_and_scheme(referer, {request.get_host()}, request.is_secure())
    except DisallowedHost:
        return None
    if not is_ours or (request.method in _SAFE_METHODS and urlsplit(referer).path == request.path):
        return None
    return referer


def _sign_in(members: dict[str, Any]) -> str | None:
    """Return the page that solves the problem, if the project includes ours."""
    is_again = members["code"] == "reauthentication_required"
    if not is_again and members["status"] != HTTPStatus.UNAUTHORIZED:
        return None
    try:
        return reverse(_REAUTHENTICATE_ROUTE if is_again else _LOGIN_ROUTE)
    except NoReverseMatch:
        return None


def _render(shown: dict[str, Any]) -> str:
    """Return ``sessionkeeper/problem.html``, rendered without the request; a plain page if that fails.

    A base template of the project may need what is not available in an outage.
    """
    try:
        return render_to_string("sessionkeeper/problem.html", shown)
    except TemplateDoesNotExist:  # APP_DIRS is off
        pass
    except Exception:
        log.exception("The page of a problem could not be rendered; a plain one is sent instead.")
    return format_html(
        '<!doctype html><meta name="viewport" content="width=device-width"><title>{}</title><h1>{}</h1>'
        '<p>{}</p><p>{}</p><p>{}</p><p><a href="{}">{}</a></p>',
        shown["heading"],
        shown["heading"],
        shown["text"],
        shown["wait"],
        shown["problem"]["detail"] if shown["debug"] else "",
        shown["back"] or shown["home"],
        _("Back"),
    )
