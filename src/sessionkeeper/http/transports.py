"""How a session key travels: in the cookie that ``SESSION_COOKIE_NAME`` names, or as a bearer token.

A session has one transport, and the other one never opens it. What Django's cookie settings cannot express is
here too: a domain for each host, cookies of embedded sites, headers that keep responses out of caches, and
CSRF secrets that name the user for whom a form was shown.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hmac import compare_digest
from http.cookies import Morsel
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.http import HttpResponse
from django.http.cookie import parse_cookie
from django.http.request import split_domain_port
from django.middleware.csrf import CSRF_ALLOWED_CHARS, CSRF_SECRET_LENGTH, CSRF_TOKEN_LENGTH
from django.urls import get_resolver
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.crypto import salted_hmac

from sessionkeeper import conf
from sessionkeeper.conf.callables import CallableSetting
from sessionkeeper.conf.validators import covers
from sessionkeeper.core import context
from sessionkeeper.core.keys import BEARER_PREFIX, Secret

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

#: What a browser forgets at a sign-out (ASVS 5.0, 14.3.1): its copies of the pages. Not its cookies or
#: its storage, which the rest of the site may need.
CLEAR_SITE_DATA = '"cache"'
#: ``Cache-Control`` of what belongs to one person.
NOT_CACHED = "no-store, private"
_BEARER = re.compile(rf"(?i:bearer) +{BEARER_PREFIX}")
#: Where Django keeps the CSRF secret of a request, which its tokens mask and its cookie holds.
CSRF_SECRET = "CSRF_COOKIE"  # noqa: S105 - a name
#: The beginning of CSRF secrets that name a user; of Django's own, one in fifteen million begins with it.
_NAMED = "user"
_RANDOM = 14
# The letter for each byte, in one call: for a client without a CSRF cookie, at each request.
_LETTERS = "".join(CSRF_ALLOWED_CHARS[byte % len(CSRF_ALLOWED_CHARS)] for byte in range(256)).encode()


class Cookie:
    """The cookie of browsers, as Django's ``SESSION_COOKIE_*`` settings and ours describe it."""

    @staticmethod
    def read(request: HttpRequest) -> Secret[str] | None:
        """Return the cookie's value, which may be any text, or None."""
        key: Secret[Any] = Secret(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        return None if key.value is None else key

    @staticmethod
    def other_cookies(request: HttpRequest) -> tuple[Secret[str], ...]:
        """Return further values of this cookie, which another host of the domain may have set."""
        name = settings.SESSION_COOKIE_NAME
        if request.META.get("HTTP_COOKIE", "").count(f"{name}=") < 2:  # noqa: PLR2004 - one is usual
            return ()
        values = _values(Secret(request.META.get("HTTP_COOKIE", "")), name)[0]
        ours = Cookie.read(request)
        return tuple(dict.fromkeys(value for value in values if value != ours))

    @staticmethod
    def write(response: HttpResponseBase, key: Secret[str], max_age: int | None) -> None:
        """Send the key for ``max_age`` seconds; with None, until the browser closes."""
        set_cookie(
            response,
            settings.SESSION_COOKIE_NAME,
            key,
            max_age,
            httponly=settings.SESSION_COOKIE_HTTPONLY or False,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )

    @staticmethod
    def clear(response: HttpResponseBase) -> None:
        """Delete the cookie."""
        response.delete_cookie(
            settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=domain(),
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
        partition(response, settings.SESSION_COOKIE_NAME)

    @staticmethod
    def clear_others(response: Any) -> None:
        """Delete the cookies of this name that the site itself may have set beside the one of this response.

        A browser keeps one for the host alone and one for each domain, and if ``COOKIE_PARTITIONED`` was
        off before, the same again. A response has one cookie of a name, so these get other keys.
        """
        name, written = settings.SESSION_COOKIE_NAME, (domain() or "").lstrip(".")
        in_partition = {conf.current().cookie_partitioned, False}
        places = [(place, parted) for place in _own_domains() for parted in in_partition]
        for place, parted in places:
            if (place, parted) == (written, max(in_partition)):
                continue
            gone = HttpResponse()
            gone.delete_cookie(
                name, settings.SESSION_COOKIE_PATH, place or None, settings.SESSION_COOKIE_SAMESITE
            )
            if parted:
                partition(gone, name)
            response.cookies[f"{name} {place} {parted}"] = gone.cookies[name]

    @staticmethod
    def vary(response: HttpResponseBase) -> None:
        """Tell caches that the response depends on the cookie."""
        _vary(response, "Cookie")


def drop_misspelled(request: HttpRequest, names: Iterable[str]) -> None:
    """Take what a browser holds under another name out of ``request.COOKIES``, for cookies with ``names``.

    Django strips from the name of a cookie everything that Python takes for a blank, such as U+2003. A
    browser strips spaces and tabs only, so to it this is another name, which any host of the domain may set
    without the conditions of ``__Host-`` ("Cookie Chaos", PortSwigger 2025). A value that the header does not
    contain was set in this process, and stays.
    """
    header = Secret(request.META.get("HTTP_COOKIE", ""))
    for name in names:
        exact, all_values = _values(header, name)
        value = Secret(request.COOKIES.get(name))
        if value in exact or value not in all_values:
            continue
        if exact:
            request.COOKIES[name] = exact[-1].value
        else:
            del request.COOKIES[name]


def are_plain(cookies: Secret[str]) -> bool:
    """Return whether the only blank in a header is the space, so that everybody reads the same names."""
    return cookies.value.isascii() and cookies.value.isprintable()


def _values(header: Secret[str], name: str) -> tuple[list[Secret[Any]], list[Secret[Any]]]:
    """Return the values of a cookie that the header spells as ``name``, and all that Django may read so.

    WSGI and ASGI have the bytes of the header as Latin-1; under WSGI Django takes them for UTF-8.
    """
    exact: list[Secret[Any]] = []
    every: list[Secret[Any]] = []
    for part in map(Secret, header.value.split(";")):
        is_exact = part.value.partition("=")[0].strip(" \t") == name
        as_utf8 = Secret(part.value.encode("latin-1", "replace").decode(errors="replace"))
        for value in (Secret(parse_cookie(text.value).get(name)) for text in (part, as_utf8)):
            if value.value is not None:
                every.append(value)
                if is_exact:
                    exact.append(value)
    return exact, every


class Bearer:
    """The token of other clients: ``Authorization: Bearer sess_…`` (RFC 6750).

    It is not read from the query string, which ends up in logs and histories, nor from the body. Other tokens
    of the scheme, such as JWTs, are ignored.
    """

    #: Whether this process has issued a token, or got one, or has run a view that accepts them.
    met = False

    @staticmethod
    def read(request: HttpRequest) -> Secret[str] | None:
        """Return the token, well-formed or not; None if there is none with our prefix."""
        if _BEARER.match(request.META.get("HTTP_AUTHORIZATION") or "") is None:
            return None
        return Secret(request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[2].strip(" "))

    @staticmethod
    def vary(response: HttpResponseBase) -> None:
        """Tell caches that the response depends on the header."""
        _vary(response, "Authorization")


def vary(response: HttpResponseBase, request: HttpRequest) -> None:
    """Tell caches that the response depends on who asks, however a session travels on this site.

    An anonymous response came with neither cookie nor token. A cache that is told of one of them would give
    it to clients with the other.
    """
    _vary(response, *(("Cookie", "Authorization") if takes_tokens(request) else ("Cookie",)))


def _vary(response: HttpResponseBase, *headers: str) -> None:
    if "Vary" in response.headers:
        patch_vary_headers(response, headers)
    else:
        response.headers["Vary"] = ", ".join(headers)


def takes_tokens(request: HttpRequest) -> bool:
    """Return whether the site has bearer sessions: it includes the API, or this process has met a token."""
    if Bearer.met:
        return True
    urlconfs = {settings.ROOT_URLCONF, getattr(request, "urlconf", None) or settings.ROOT_URLCONF}
    return any(_includes_api(get_resolver(urlconf)) for urlconf in urlconfs)


@lru_cache(maxsize=64)
def _includes_api(resolver: Any) -> bool:
    return any(
        getattr(each, "app_name", None) == "sessionkeeper-api" or _includes_api(each)
        for each in resolver.url_patterns
        if hasattr(each, "url_patterns")
    )


def forbid_caching(response: Any) -> None:
    """Keep a response that belongs to one person out of every cache (OWASP ASVS 5.0, 14.3.2)."""
    if response.has_header("Cache-Control"):
        patch_cache_control(response, no_store=True, private=True)
    else:
        response.headers["Cache-Control"] = NOT_CACHED


def set_cookie(response: Any, name: str, value: Secret[str], max_age: Any, **attributes: Any) -> None:
    """Set a cookie with domain, path and ``Secure`` of the session cookie."""
    response.set_cookie(
        name,
        value.value,
        max_age=max_age,
        domain=domain(),
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE or False,
        **attributes,
    )
    partition(response, name)


class _Partitioned(Morsel[str]):
    """A cookie with an attribute that ``http.cookies`` supports from Python 3.14."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802 - the name that is overridden
        """Return the value of the header."""
        return f"{super().OutputString(attrs)}; Partitioned"


def domain() -> str | None:
    """Return the domain of cookies in the current response; None for its host only.

    ``COOKIE_DOMAIN`` decides, or ``SESSION_COOKIE_DOMAIN`` if that does not cover the host.

    Raises:
        ImproperlyConfigured: the project's function returned a domain that the host may not set.
    """
    wanted, request = conf.current().cookie_domain, context.current_request()
    default: str | None = settings.SESSION_COOKIE_DOMAIN
    if wanted is None or request is None:
        return default
    try:
        host = split_domain_port(request.get_host())[0]
    except DisallowedHost:
        return default
    if not isinstance(wanted, CallableSetting):
        found = next((name for name in _names(host) if name in wanted), None)
        return default if found is None else wanted[found]
    answer = wanted.function()(request)
    if answer is not None and not (isinstance(answer, str) and covers(answer, host)):
        raise ImproperlyConfigured(
            f"SESSIONKEEPER['COOKIE_DOMAIN']: {wanted.label} returned {answer!r} for the host {host!r}, "
            "which may not set cookies for that domain."
        )
    return answer


def _own_domains() -> set[str]:
    """Return the domains for which the site sets cookies that the current host gets; "" for the host only."""
    wanted, request = conf.current().cookie_domain, context.current_request()
    named = {settings.SESSION_COOKIE_DOMAIN, domain()}
    if isinstance(wanted, Mapping):
        named |= {*wanted.values()}
    if request is None or settings.SESSION_COOKIE_NAME.startswith("__Host-"):
        return {""}
    try:
        host = split_domain_port(request.get_host())[0]
    except DisallowedHost:
        return {""}
    return {""} | {name.lstrip(".") for name in named if name and covers(name, host)}


def partition(response: Any, name: str) -> None:
    """Add ``Partitioned`` to this cookie of a response, if ``COOKIE_PARTITIONED`` is set."""
    if name not in response.cookies or not conf.current().cookie_partitioned:
        return
    cookie = Secret(response.cookies[name])  # its repr shows the value
    if isinstance(cookie.value, _Partitioned):
        return
    partitioned = _Partitioned()
    partitioned.set(cookie.value.key, cookie.value.value, cookie.value.coded_value)
    partitioned.update({key: value for key, value in cookie.value.items() if key != "partitioned"})
    response.cookies[name] = partitioned


def _names(host: str) -> list[str]:
    """Return the keys of a mapping that match a host: its name, then its domains, the longest first."""
    labels = host.split(".")
    return [host, *("." + ".".join(labels[start:]) for start in range(len(labels)))]


def own_csrf_secret(request: HttpRequest, user: str) -> None:
    """Give the request a new CSRF secret that names the user with this primary key.

    Django sends it in the cookie if a token of the request is used.
    """
    random = Secret(_letters(Secret(secrets.token_bytes(_RANDOM))))
    request.META[CSRF_SECRET] = _NAMED + random.value + _code(random, user, Secret(settings.SECRET_KEY))


def names_somebody(secret: Secret[str | None]) -> bool:
    """Return whether a CSRF secret names a user."""
    return secret.value is not None and secret.value.startswith(_NAMED)


def names(secret: Secret[str], user: str) -> bool:
    """Return whether a CSRF secret names the user with this primary key."""
    random = Secret(secret.value[len(_NAMED) :][:_RANDOM])
    return any(
        compare_digest(secret.value[len(_NAMED) + _RANDOM :].encode(), _code(random, user, key).encode())
        for key in map(Secret, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))
    )


def csrf_secret_of(token: Secret[str]) -> Secret[str]:
    """Return the secret in a CSRF token, as Django masks it; empty if the token is malformed."""
    places = Secret([CSRF_ALLOWED_CHARS.find(char) for char in token.value[: CSRF_TOKEN_LENGTH + 1]])
    if len(token.value) not in {CSRF_SECRET_LENGTH, CSRF_TOKEN_LENGTH} or -1 in places.value:
        return Secret("")
    if len(token.value) == CSRF_SECRET_LENGTH:
        return token
    pairs = zip(places.value[CSRF_SECRET_LENGTH:], places.value[:CSRF_SECRET_LENGTH], strict=True)
    return Secret("".join(CSRF_ALLOWED_CHARS[char - mask] for char, mask in pairs))


def _code(random: Secret[str], user: str, key: Secret[Any]) -> str:
    """Return the end of a CSRF secret, which cannot be computed without ``SECRET_KEY``."""
    code = salted_hmac("sessionkeeper.csrf", f"{random.value} {user}", secret=key.value, algorithm="sha256")
    return _letters(Secret(code.digest()[: CSRF_SECRET_LENGTH - len(_NAMED) - _RANDOM]))


def _letters(code: Secret[bytes]) -> str:
    return code.value.translate(_LETTERS).decode()
