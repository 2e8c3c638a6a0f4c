"""A running site, from outside: HTTPS, headers, cookies, CSRF, 401 and 403, hostile cookies, clock.

Speaks HTTP only, follows no redirect, signs nobody in and tries no password.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import NoReverseMatch, reverse

from sessionkeeper.management.doctor.report import Finding, error, ok, warning

TIMEOUT = 5.0  # seconds
_MOST_BYTES = 1_000_000
_SKEW = 60  # seconds
_SERVER_ERROR = 500
_REDIRECTS = range(300, 400)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Answer(NamedTuple):
    """What a site answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def header(self, name: str) -> str:
        """Return a header, lower case, or nothing."""
        return str(self.headers.get(name) or "").lower()

    def code(self) -> str:
        """Return the ``code`` of a problem, or nothing."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return ""
        return str(value.get("code", "")) if isinstance(value, dict) else ""


class Site:
    """A site at a base address.

    Args:
        url: ``https://host[:port][/path]``.
        ca_file: certificates to trust instead of the system's.
    """

    def __init__(self, url: str, ca_file: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is not an address such as https://example.org.")
        self.secure, self.host, self.port = parts.scheme == "https", parts.hostname, parts.port
        self.prefix = parts.path.rstrip("/")
        self._trust = ssl.create_default_context(cafile=ca_file) if self.secure else None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        port = f":{self.port}" if self.port else ""
        return f"{'https' if self.secure else 'http'}://{self.host}{port}"

    def ask(self, method: str, path: str, *, secure: bool | None = None, **headers: str) -> Answer:
        """Make one request. Raise OSError or HTTPException when the site does not answer."""
        secure = self.secure if secure is None else secure
        connection: http.client.HTTPConnection
        if secure:
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=TIMEOUT, context=self._trust
            )
        else:
            port = self.port if not self.secure else None
            connection = http.client.HTTPConnection(self.host, port, timeout=TIMEOUT)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers={"Accept": "application/json", **given})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read(_MOST_BYTES))
        finally:
            connection.close()


def look(site: Site) -> Iterator[Finding]:
    """Yield what a client of the site can tell."""
    try:
        home = site.ask("GET", f"{site.prefix}/")
    except (OSError, http.client.HTTPException) as reason:
        yield error("site", f"{site.origin} does not answer: {reason}", "Start it, or correct --url.")
        return
    yield _https(site, home)
    yield from _headers(home)
    yield _clock(home)
    yield _debug(site)
    yield _hostile_cookie(site)
    yield from _api(site)


def _https(site: Site, home: Answer) -> Finding:
    if not site.secure:
        if site.host in _LOOPBACK:
            return ok("https", "Plain HTTP, on this machine only.")
        return error(
            "https", "The address is plain HTTP: anybody on the way reads the session key.", "Use HTTPS."
        )
    try:
        plain = site.ask("GET", f"{site.prefix}/", secure=False)
    except (OSError, http.client.HTTPException):
        plain = None
    if plain is not None and not (
        plain.status in _REDIRECTS and plain.header("Location").startswith("https://")
    ):
        return error("https", "Plain HTTP is answered and not redirected.", "Set SECURE_SSL_REDIRECT = True.")
    if "max-age=" not in home.header("Strict-Transport-Security"):
        fix = "Set SECURE_HSTS_SECONDS, at first to 3600."
        return warning("https", "No Strict-Transport-Security is sent.", fix)
    return ok("https", "HTTPS only, and browsers are told so.")


def _headers(home: Answer) -> Iterator[Finding]:
    framed = home.header("X-Frame-Options") in {"deny", "sameorigin"}
    if not framed and "frame-ancestors" not in home.header("Content-Security-Policy"):
        fix = "Add django.middleware.clickjacking.XFrameOptionsMiddleware to MIDDLEWARE."
        yield warning("headers", "Other sites can show this one in a frame.", fix)
    if home.header("X-Content-Type-Options") != "nosniff":
        fix = "Add django.middleware.security.SecurityMiddleware to MIDDLEWARE."
        yield warning("headers", "Browsers may guess types: X-Content-Type-Options is not nosniff.", fix)
    if home.headers.get_all("Set-Cookie"):
        names = ", ".join(sorted(_cookies(home)))
        yield warning(
            "cookies",
            f"The start page sets cookies for visitors who did nothing: {names}.",
            "Store nothing in the session before somebody does something: no shared cache keeps such pages.",
        )


def _clock(home: Answer) -> Finding:
    try:
        there = parsedate_to_datetime(home.headers["Date"])
    except (TypeError, ValueError):
        return ok("clock", "The site says nothing of its clock.")
    skew = abs((datetime.now(UTC) - there).total_seconds())
    if skew > _SKEW:
        return warning("clock", f"The site's clock and this machine's differ by {skew:.0f} s.", "Use NTP.")
    return ok("clock", "The site's clock and this machine's agree.")


def _debug(site: Site) -> Finding:
    answer = site.ask("GET", f"{site.prefix}/sessionkeeper-doctor-was-here/", Accept="text/html")
    if b"DEBUG = True" in answer.body:
        return error("debug", "DEBUG is on: error pages show settings to everybody.", "Set DEBUG = False.")
    return ok("debug", "Error pages keep to themselves.")


def _hostile_cookie(site: Site) -> Finding:
    for value in ('"\\000"', "%00", "'", "A" * 4000, "x" * 40, '"\\377\\376"'):
        answer = site.ask(
            "GET", _api_path("session") or "/", Cookie=f"{settings.SESSION_COOKIE_NAME}={value}"
        )
        if answer.status >= _SERVER_ERROR:
            fix = "Look into the site's log: something reads the cookie before the session engine does."
            return error("cookies", f"A broken session cookie answers {answer.status}.", fix)
    return ok("cookies", "Broken session cookies do no harm.")


def _api(site: Site) -> Iterator[Finding]:
    path = _api_path("session")
    if path is None:
        yield ok("api", "sessionkeeper.api.urls is not included, so it was not looked at.")
        return
    answer = site.ask("GET", path)
    if answer.status != http.HTTPStatus.UNAUTHORIZED or not answer.header("WWW-Authenticate"):
        fix = "Let the site's proxy pass requests below the API's path through."
        yield error("api", f"{path} answers {answer.status} instead of 401 to nobody.", fix)
        return
    if "no-store" not in answer.header("Cache-Control"):
        fix = "Let no proxy rewrite Cache-Control."
        yield error("caching", f"{path} may be kept by caches.", fix)
    yield ok("api", "Who is not signed in gets a 401 that says so.")
    yield from _csrf(site)


def _csrf(site: Site) -> Iterator[Finding]:
    path = str(_api_path("logout"))
    foreign = site.ask("POST", path, Sec_Fetch_Site="cross-site", Origin="https://attacker.example")
    bare = site.ask("POST", path)
    if not foreign.status == bare.status == http.HTTPStatus.FORBIDDEN:
        fix = "Mount sessionkeeper.api.urls as it is, and let the proxy pass Origin and Sec-Fetch-Site on."
        yield error("csrf", f"Requests of other sites are answered {foreign.status}, {bare.status}.", fix)
        return
    yield ok(
        "csrf", f"Requests of other sites ({foreign.code()}) and without a token ({bare.code()}) are refused."
    )
    given = _cookies(site.ask("GET", str(_api_path("csrf"))))
    cookie = given.get(settings.CSRF_COOKIE_NAME)
    if cookie is not None and site.secure and not cookie["secure"]:
        yield error(
            "cookies", "The CSRF cookie travels over plain HTTP too.", "Set CSRF_COOKIE_SECURE = True."
        )


def _cookies(answer: Answer) -> dict[str, Any]:
    jar: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_all("Set-Cookie") or []:
        try:
            jar.load(line)
        except CookieError:
            continue
    return dict(jar)


def _api_path(name: str) -> str | None:
    try:
        return reverse(f"sessionkeeper-api:{name}")
    except NoReverseMatch:
        return None
