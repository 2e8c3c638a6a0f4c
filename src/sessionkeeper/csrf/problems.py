"""The problems of failed CSRF checks, and how to send the request instead."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware import csrf as django_csrf
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessionkeeper.csrf.fetch_metadata import OF_ANOTHER_USER, Verdict
from sessionkeeper.http.problems import KNOWN, Problem, define

#: Name of the route that returns a token, if ``sessionkeeper.api.urls`` is included.
TOKEN_ROUTE = "sessionkeeper-api:csrf"  # noqa: S105 - the name of a route
_TITLE = gettext_lazy("The CSRF check failed")


def _problem(code: str, detail: Any) -> Problem:
    return define(code, 403, _TITLE, detail)


COOKIE_MISSING = _problem("csrf_cookie_missing", gettext_lazy("The request has no CSRF cookie."))
COOKIE_MALFORMED = _problem("csrf_cookie_malformed", gettext_lazy("The CSRF cookie is not one of ours."))
TOKEN_MISSING = _problem("csrf_token_missing", gettext_lazy("The request has no CSRF token."))
TOKEN_INCORRECT = _problem(
    "csrf_token_incorrect",
    gettext_lazy(
        "The CSRF token does not belong to the CSRF cookie; it changes when somebody signs in. Nothing was "
        "done: keep what was typed, get the new token, and send the same request again."
    ),
)
TOKEN_OF_ANOTHER_USER = _problem(
    "csrf_token_of_another_user",
    gettext_lazy(
        "The page was opened while another user was signed in, and would act for the one who is signed in "
        "now. Nothing was done. Reload the page, and check as whom you are signed in."
    ),
)
CROSS_SITE = _problem(
    "csrf_cross_site",
    gettext_lazy(
        "The browser says that a page of another site sent this request. If that site is yours, add its "
        "origin, with the scheme, to CSRF_TRUSTED_ORIGINS here, and send the CSRF token too."
    ),
)
SAME_SITE = _problem(
    "csrf_same_site",
    gettext_lazy(
        "The browser says that a page of a sibling domain, or of another port, sent this request. If it is "
        "yours, add its origin, with the scheme, to CSRF_TRUSTED_ORIGINS here, and send the CSRF token too."
    ),
)
ORIGIN_CONTRADICTORY = _problem(
    "csrf_origin_contradictory",
    gettext_lazy(
        "Sec-Fetch-Site says that the request comes from this site, but Origin names another address than "
        "the one at which the server was reached. If the site is behind a proxy, let the proxy pass on the "
        "Host header with its port and set SECURE_PROXY_SSL_HEADER, or add the address that browsers see to "
        "CSRF_TRUSTED_ORIGINS."
    ),
)
ORIGIN_HIDDEN = _problem(
    "csrf_origin_hidden",
    gettext_lazy(
        "The browser hides where the request comes from (Origin: null). It does so on pages with "
        "Referrer-Policy: no-referrer (use same-origin), in sandboxed frames, and after a redirect from "
        "another site."
    ),
)
ORIGIN_UNTRUSTED = _problem(
    "csrf_origin_untrusted",
    gettext_lazy(
        "The Origin header names another origin than this site. If that origin is yours, add it, with its "
        "scheme, to CSRF_TRUSTED_ORIGINS."
    ),
)
REFERER_MISSING = _problem(
    "csrf_referer_missing",
    gettext_lazy(
        "The request came over HTTPS without an Origin or a Referer header. Send one that names this site."
    ),
)
REFERER_MALFORMED = _problem(
    "csrf_referer_malformed",
    gettext_lazy("The Referer header is not a URL. Send one that names this site."),
)
REFERER_INSECURE = _problem(
    "csrf_referer_insecure",
    gettext_lazy("The Referer header names an http page, but this site is https. Send the form from https."),
)
REFERER_UNTRUSTED = _problem(
    "csrf_referer_untrusted",
    gettext_lazy(
        "The Referer header names another site. If that site is yours, add its origin, with its scheme, to "
        "CSRF_TRUSTED_ORIGINS."
    ),
)
#: For the reasons of a later Django, or of a middleware of the project.
FAILED = _problem("csrf_failed", gettext_lazy("The request did not pass the CSRF check."))

PROBLEMS = tuple(problem for code, problem in KNOWN.items() if code.startswith("csrf_"))

_EXACT = {
    OF_ANOTHER_USER: TOKEN_OF_ANOTHER_USER,
    Verdict.CROSS_SITE.value: CROSS_SITE,
    Verdict.SAME_SITE.value: SAME_SITE,
    Verdict.CONTRADICTION.value: ORIGIN_CONTRADICTORY,
    django_csrf.REASON_BAD_ORIGIN % "null": ORIGIN_HIDDEN,
    django_csrf.REASON_NO_CSRF_COOKIE: COOKIE_MISSING,
    django_csrf.REASON_CSRF_TOKEN_MISSING: TOKEN_MISSING,
    django_csrf.REASON_NO_REFERER: REFERER_MISSING,
    django_csrf.REASON_MALFORMED_REFERER: REFERER_MALFORMED,
    django_csrf.REASON_INSECURE_REFERER: REFERER_INSECURE,
}
_BEGINNINGS = {
    "CSRF cookie ": COOKIE_MALFORMED,
    "CSRF token from ": TOKEN_INCORRECT,
    django_csrf.REASON_BAD_ORIGIN.partition("%s")[0]: ORIGIN_UNTRUSTED,
    django_csrf.REASON_BAD_REFERER.partition("%s")[0]: REFERER_UNTRUSTED,
}
#: Problems that a token solves.
CURED_BY_TOKEN = (COOKIE_MISSING, COOKIE_MALFORMED, TOKEN_MISSING, TOKEN_INCORRECT, FAILED)


class Explanation(NamedTuple):
    """The kind of problem, and a text that says what to do, with this site's names."""

    problem: Problem
    detail: str


def explain(reason: str) -> Explanation:
    """Return what a reason means, ours or that of Django's check, and how to send the request instead."""
    problem = _EXACT.get(reason) or next(
        (found for start, found in _BEGINNINGS.items() if reason.startswith(start)), FAILED
    )
    detail = str(problem.detail)
    return Explanation(problem, f"{detail} {recipe()}" if problem in CURED_BY_TOKEN else detail)


def failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the response to a failed check: ``CSRF_FAILURE_VIEW = "sessionkeeper.csrf.failure"``."""
    problem, detail = explain(reason)
    return problem.response(request, detail)


def header_name() -> str:
    """Return the name of the header that carries the token, as a client writes it."""
    words = settings.CSRF_HEADER_NAME.removeprefix("HTTP_").split("_")
    return "-".join("CSRFToken" if word == "CSRFTOKEN" else word.capitalize() for word in words)


def token_url() -> str | None:
    """Return the path of the endpoint that returns a token; None if it is not included."""
    try:
        return reverse(TOKEN_ROUTE)
    except NoReverseMatch:
        return None


def recipe() -> str:
    """Return how to send a request with a token, with this site's names."""
    names = {"url": token_url(), "cookie": settings.CSRF_COOKIE_NAME, "header": header_name()}
    if names["url"] is not None and settings.CSRF_USE_SESSIONS:
        text = _("GET {url} for the token, keep the session cookie, and send the token in {header}.")
    elif names["url"] is not None:
        text = _(
            "GET {url} sets the cookie {cookie} and returns the token. Send the cookie back, and the token "
            "in the {header} header."
        )
    elif settings.CSRF_USE_SESSIONS:
        text = _("Send the session cookie, and the token of a form on this site in the {header} header.")
    else:
        text = _("Any page with a form sets the cookie {cookie}. Send it back, and its value in {header}.")
    return text.format(**names)
