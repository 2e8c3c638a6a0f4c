"""Tests of a running site from outside: HTTPS, headers, cookies, CSRF, 401 and 403, broken cookies, clock.

They follow no redirect, sign nobody in and try no password. One requests a password reset for an address that
nobody has, to see in the audit trail which address the site takes for that of its client.
"""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError
from django.urls import NoReverseMatch, reverse

from sessionkeeper import conf
from sessionkeeper.audit import trail
from sessionkeeper.audit.events import Kind
from sessionkeeper.conf import namespaces, validators
from sessionkeeper.http.client_info import is_private, is_trusted, parse_address
from sessionkeeper.management.doctor.report import Finding, error, ok, warning

TIMEOUT = 5.0  # seconds
_MOST_BYTES = 1_000_000
_SKEW = 60  # seconds
_SERVER_ERROR = 500
_REDIRECTS = range(300, 400)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: An address for examples (RFC 5737), which no client has.
_MADE_UP = "198.51.100.77"
#: Among how many of the latest requests for a reset the doctor looks for its own.
_LATEST = 50


class Answer(NamedTuple):
    """The response of a site; its body is cut off at a megabyte."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def header(self, name: str) -> str:
        """Return a header in lower case; empty if it is missing."""
        return str(self.headers.get(name) or "").lower()


class Site:
    """A site at a base address.

    Args:
        url: ``https://host[:port][/path]``.
        ca_file: certificates to trust instead of the system's.

    Raises:
        ValueError: ``url`` is not such an address.
    """

    def __init__(self, url: str, ca_file: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is not an address such as https://example.org.")
        self.origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.secure = parts.scheme == "https"
        self.host, self.port = parts.hostname, parts.port
        self.prefix = parts.path.rstrip("/")
        #: The address of this machine in the last request.
        self.local = ""
        self._trust = ssl.create_default_context(cafile=ca_file) if self.secure else None

    def ask(
        self, method: str, path: str, *, plain: bool = False, body: str | None = None, **headers: str
    ) -> Answer:
        """Send one request and return the response. Underscores in the names of headers become hyphens.

        Raises:
            OSError, HTTPException: the site does not answer.
        """
        connection: http.client.HTTPConnection
        if self.secure and not plain:
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=TIMEOUT, context=self._trust
            )
        else:  # plain HTTP to an HTTPS site goes to port 80
            port = None if self.secure else self.port
            connection = http.client.HTTPConnection(self.host, port, timeout=TIMEOUT)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, headers={"Accept": "application/json", **given})
            self.local = connection.sock.getsockname()[0]
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read(_MOST_BYTES))
        finally:
            connection.close()


def look(site: Site) -> Iterator[Finding]:
    """Yield what a client of the site can see."""
    try:
        home = site.ask("GET", f"{site.prefix}/")
    except (OSError, http.client.HTTPException) as reason:
        yield error("site", f"{site.origin} does not answer: {reason}", "Start the site, or correct --url.")
        return
    yield _https(site, home)
    yield from _headers(home)
    yield _clock(home)
    yield _debug(site)
    yield _hostile_cookie(site)
    yield from _api(site)
    yield _client_address(site)


def _https(site: Site, home: Answer) -> Finding:
    if not site.secure:
        if site.host in _LOOPBACK:
            return ok("https", "The site uses plain HTTP, but only on this machine.")
        text = "The address is plain HTTP, so anybody on the network path can read the session key."
        return error("https", text, "Use HTTPS.")
    try:
        plain = site.ask("GET", f"{site.prefix}/", plain=True)
    except (OSError, http.client.HTTPException):
        plain = None
    redirects = plain and plain.status in _REDIRECTS and plain.header("Location").startswith("https://")
    if plain and not redirects:
        return error("https", "Plain HTTP is not redirected to HTTPS.", "Set SECURE_SSL_REDIRECT = True.")
    if "max-age=" not in home.header("Strict-Transport-Security"):
        fix = "Set SECURE_HSTS_SECONDS, to 3600 at first."
        return warning("https", "The site does not send Strict-Transport-Security.", fix)
    return ok("https", "The site accepts only HTTPS, and sends Strict-Transport-Security.")


def _headers(home: Answer) -> Iterator[Finding]:
    framed = home.header("X-Frame-Options") in {"deny", "sameorigin"}
    if not framed and "frame-ancestors" not in home.header("Content-Security-Policy"):
        fix = "Add django.middleware.clickjacking.XFrameOptionsMiddleware to MIDDLEWARE."
        yield warning("headers", "Other sites can show this site in a frame.", fix)
    if home.header("X-Content-Type-Options") != "nosniff":
        fix = "Add django.middleware.security.SecurityMiddleware to MIDDLEWARE."
        yield warning(
            "headers", "X-Content-Type-Options is not nosniff, so browsers may guess content types.", fix
        )
    if home.headers.get_all("Set-Cookie"):
        names = ", ".join(sorted(_cookies(home)))
        fix = "Do not write to the session there: shared caches do not keep pages that set cookies."
        yield warning("cookies", f"The start page sets cookies for every visitor: {names}.", fix)


def _clock(home: Answer) -> Finding:
    try:
        there = parsedate_to_datetime(home.headers["Date"])
    except (TypeError, ValueError):
        return ok("clock", "The site does not send a Date, so its clock could not be compared.")
    skew = abs((datetime.now(UTC) - there).total_seconds())
    if skew > _SKEW:
        text = f"The site's clock and this machine's differ by {skew:.0f} s."
        return warning("clock", text, "Synchronise the clocks (NTP).")
    return ok("clock", "The site's clock and this machine's agree.")


def _debug(site: Site) -> Finding:
    answer = site.ask("GET", f"{site.prefix}/sessionkeeper-doctor-was-here/", Accept="text/html")
    if b"DEBUG = True" in answer.body:
        return error(
            "debug", "DEBUG is on, so error pages show settings and code to everybody.", "Set DEBUG = False."
        )
    return ok("debug", "Error pages reveal nothing.")


def _hostile_cookie(site: Site) -> Finding:
    for value in ('"\\000"', "%00", "'", "A" * 4000, "x" * 40, '"\\377\\376"'):
        cookie = f"{settings.SESSION_COOKIE_NAME}={value}"
        answer = site.ask("GET", _api_path("session") or "/", Cookie=cookie)
        if answer.status >= _SERVER_ERROR:
            fix = "See the site's log: other code may read the cookie before the session engine does."
            return error("cookies", f"A request with a broken session cookie gets a {answer.status}.", fix)
    return ok("cookies", "Requests with broken session cookies are answered.")


def _api(site: Site) -> Iterator[Finding]:
    path = _api_path("session")
    if path is None:
        yield ok("api", "The API was not tested, because sessionkeeper.api.urls is not included.")
        return
    answer = site.ask("GET", path)
    if answer.status != http.HTTPStatus.UNAUTHORIZED or not answer.header("WWW-Authenticate"):
        fix = "Have the proxy pass requests to the API on, and its responses back, unchanged."
        yield error("api", f"{path} answers an anonymous request with {answer.status}, not with 401.", fix)
        return
    if "no-store" not in answer.header("Cache-Control"):
        yield error("caching", f"Caches may keep {path}.", "Do not let a proxy rewrite Cache-Control.")
    yield ok("api", "An anonymous request gets a 401.")
    yield from _csrf(site)


def _csrf(site: Site) -> Iterator[Finding]:
    path = str(_api_path("logout"))
    foreign = site.ask("POST", path, Sec_Fetch_Site="cross-site", Origin="https://attacker.example")
    bare = site.ask("POST", path)
    if not foreign.status == bare.status == http.HTTPStatus.FORBIDDEN:
        fix = (
            "Include sessionkeeper.api.urls unchanged, and have the proxy pass Origin and Sec-Fetch-Site on."
        )
        found = f"A request from another site gets a {foreign.status}, one without a token a {bare.status}."
        yield error("csrf", f"{found} Both should get a 403.", fix)
        return
    yield ok("csrf", "Requests from other sites, and requests without a CSRF token, are refused.")
    given = _cookies(site.ask("GET", str(_api_path("csrf"))))
    cookie = given.get(settings.CSRF_COOKIE_NAME)
    if cookie is not None and site.secure and not cookie["secure"]:
        text = "The CSRF cookie is also sent over plain HTTP."
        yield error("cookies", text, "Set CSRF_COOKIE_SECURE = True.")


def _client_address(site: Site) -> Finding:
    """Return what the site takes for this client's address, which it shows in the audit trail."""
    current, path = conf.current(), _api_path("password-reset")
    if path is None or not current.audit or namespaces.must_be_read():
        text = "Whether the site knows its clients' addresses was not tested: that needs its API and AUDIT."
        return ok("address", text)
    mailbox, claimed = f"doctor-{secrets.token_hex(8)}@sessionkeeper.invalid", dict[str, str]()
    if current.trusted_proxies:  # otherwise no header is read
        made_up = f"for={_MADE_UP}" if current.proxy_header == validators.FORWARDED else _MADE_UP
        claimed[current.proxy_header] = made_up
    body = json.dumps({"email": mailbox})
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/json", **claimed}
    site.ask("POST", path, plain=False, body=body, **headers)
    found = _recorded(mailbox)
    if found is None:
        text = "Whether the site knows its clients' addresses was not seen: its audit trail is another one."
        return ok("address", text)
    return _address(found.ip_address, site.local, current)


def _address(seen: str | None, own: str, current: conf.Settings) -> Finding:
    address, here = parse_address(seen or ""), parse_address(own)
    risk = "so it does not count the failed sign-ins of each client"
    if address is None:
        fix = "Behind a Unix socket, add 'unix' to TRUSTED_PROXIES, and have the proxy send PROXY_HEADER."
        return warning("address", f"The site does not know the addresses of its clients, {risk}.", fix)
    if seen == _MADE_UP:
        text = (
            f"Clients can choose their address: the site believes what they write in {current.proxy_header}."
        )
        fix = "Have the proxy overwrite or append to that header, and name only proxies in TRUSTED_PROXIES."
        return error("address", text, fix)
    is_proxy = is_private(address) or is_trusted(address, current) or (here and not is_private(here))
    if address != here and is_proxy:
        text = f"This machine is {own}, but the site takes {seen} for its client, probably a proxy's, {risk}."
        fix = "Name all proxies in TRUSTED_PROXIES, and in PROXY_HEADER the header that they send."
        return warning("address", text, fix)
    return ok("address", f"The site takes {seen} for the address of this client.")


def _recorded(mailbox: str) -> Any:
    """Return the event of a request for a reset, or None."""
    asked = trail.digest(mailbox)
    try:
        latest = trail.rows().filter(kind=Kind.PASSWORD_RESET_REQUESTED.value).order_by("-pk")[:_LATEST]
        return next((event for event in latest if event.detail.get("address") == asked), None)
    except DatabaseError:
        return None


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
