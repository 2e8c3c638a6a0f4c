"""What a client says and understands, without sending it: shared by the blocking and the other one.

Each verb is a generator: it yields requests, is sent the answers, and returns what the caller wants.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Generator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar

import httpx

from sessionkeeper_client.errors import BY_CODE, BY_STATUS, InsecureAddress, ProblemError
from sessionkeeper_client.secret import Secret
from sessionkeeper_client.session_file import SessionFile

T = TypeVar("T")
#: Yields requests, is sent their answers, returns a T.
Exchange = Generator[httpx.Request, httpx.Response, T]

COOKIE, BEARER = "cookie", "bearer"
TIMEOUT = 10.0
CSRF_HEADER = "X-CSRFToken"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_STALE = frozenset(
    {"csrf_token_incorrect", "csrf_token_missing", "csrf_cookie_missing", "csrf_cookie_malformed"}
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_FORBIDDEN, _REDIRECTS, _ERRORS = 403, 300, 400


_NONE: Secret[str | None] = Secret(None)
_NOTHING: Secret[dict[str, Any]] = Secret({})


class Jar(CookieJar):
    """A jar whose ``repr`` does not contain the cookies."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class Conversation:
    """One site, one session: where it is, what the client holds, and what each verb sends."""

    def __init__(
        self,
        url: str,
        *,
        transport: str,
        token: str | None,
        api: str,
        file: str | os.PathLike[str] | None,
        allow_http: bool,
        csrf_header: str,
    ) -> None:
        given, token = Secret(token), None
        if transport not in {COOKIE, BEARER}:
            raise ValueError(f"transport is {COOKIE!r} or {BEARER!r}, not {transport!r}")
        if _NAME.fullmatch(csrf_header) is None:
            raise ValueError(f"csrf_header is the name of a header, not {csrf_header!r}")
        self.base = _checked(url, allow_http=allow_http)
        self.transport = BEARER if given.value is not None else transport
        self.api = f"{api.strip('/')}/"
        self._csrf_header = csrf_header
        # Who sends a token takes no cookies: both at once are refused.
        policy = DefaultCookiePolicy(allowed_domains=[]) if self.transport == BEARER else None
        self.jar = Jar(policy)
        self.file = None if file is None else SessionFile(file, _origin(self.base), self.transport)
        kept = None if self.file is None else self.file.load(self.jar)
        self.token = kept if kept is not None and given.value is None else given
        self._csrf_token: Secret[str | None] = _NONE
        self.http: httpx.Client | httpx.AsyncClient

    def options(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return what httpx's client is made with."""
        return {"timeout": TIMEOUT, **(given or {}), "base_url": self.base, "cookies": self.jar}

    def keep(self) -> None:
        """Write the file, if there is one and something changed."""
        if self.file is not None and (self.token.value is not None or len(self.jar)):
            self.file.store(self.jar, self.token)

    def forget(self) -> None:
        """Drop the session, here and in the file."""
        self.token = self._csrf_token = _NONE
        self.jar.clear()
        if self.file is not None:
            self.file.remove()

    # Any request

    def call(
        self, method: str, path: str, options: Secret[dict[str, Any]] = _NOTHING
    ) -> Exchange[httpx.Response]:
        """Send one request with all that it needs; once more where the CSRF token was out of date."""
        method = method.upper()
        checked = self.transport == COOKIE and method not in _SAFE
        if checked and self._csrf_token.value is None:
            yield from self._fetch_csrf_token()
        request = self._build(method, path, options)
        response = yield request
        if checked and _is_stale(response) and isinstance(request.stream, httpx.ByteStream):
            yield from self._fetch_csrf_token()
            response = yield self._build(method, path, options)
        return _successful(response)

    def _fetch_csrf_token(self) -> Exchange[None]:
        response = _successful((yield self._build("GET", f"{self.api}csrf/")))
        self._csrf_token = Secret(str(_object(response, "csrf_token").value["csrf_token"]))

    def _build(self, method: str, path: str, options: Secret[dict[str, Any]] = _NOTHING) -> httpx.Request:
        headers = Secret(httpx.Headers({"Accept": "application/json"}))
        if self.transport == BEARER and self.token.value is not None:
            headers.value["Authorization"] = f"Bearer {self.token.value}"
        elif self.transport == COOKIE and method not in _SAFE:
            headers.value[self._csrf_header] = self._csrf_token.value or ""
            if self.base.scheme == "https":  # Django asks who sends it then
                headers.value["Origin"] = _origin(self.base)
        headers.value.update(options.value.get("headers"))
        options = Secret({**options.value, "headers": headers.value})
        request = self.http.build_request(method, path, **options.value)
        if _origin(request.url) != _origin(self.base):
            raise InsecureAddress(f"{request.url} is not at {_origin(self.base)}, whose session this is.")
        return request

    # The API

    def _ask(
        self, method: str, name: str, *members: str, options: Secret[dict[str, Any]] = _NOTHING
    ) -> Exchange[Secret[dict[str, Any]]]:
        """Call an endpoint; return its answer, an object that has these members."""
        return _object((yield from self.call(method, self.api + name, options)), *members)

    def log_in(self, username: str, password: Secret[str], **choices: Any) -> Exchange[dict[str, Any]]:
        """Begin a session. None in ``choices`` is left to the site."""
        if choices.get("scopes") is not None:
            choices["scopes"] = list(choices["scopes"])
        made = {name: value for name, value in choices.items() if value is not None}
        options = Secret({"json": {"username": username, "password": password.value, **made}})
        if self.transport == COOKIE:
            answer = yield from self._ask("POST", "login/", "user", "session", options=options)
            self._csrf_token = _NONE  # another one belongs to who signed in
            return answer.value
        answer = yield from self._ask("POST", "tokens/", "token", "session", options=options)
        self.token = Secret(str(answer.value.pop("token")))
        self.keep()
        return answer.value

    def log_out(self) -> Exchange[None]:
        """End the session on the server, then here."""
        if self.transport == COOKIE or self.token.value is not None:
            yield from self.call("POST", f"{self.api}logout/")
        self.forget()

    def whoami(self) -> Exchange[dict[str, Any]]:
        """Ask who is signed in."""
        return (yield from self._ask("GET", "session/", "user", "session")).value

    def sessions(self) -> Exchange[list[dict[str, Any]]]:
        """Ask for all pages. Of the link to the next one only the cursor is taken, not the host."""
        found: list[dict[str, Any]] = []
        params = {"page_size": "50"}
        while True:
            options: Secret[dict[str, Any]] = Secret({"params": params})
            answer = yield from self._ask("GET", "sessions/", "results", "next", options=options)
            found += answer.value["results"]
            before = httpx.URL(answer.value["next"] or "").params.get("before")
            if before is None or before == params.get("before"):
                return found
            params["before"] = before

    def revoke(self, session_id: str) -> Exchange[None]:
        """End one session."""
        if not session_id.replace("-", "").replace("_", "").isalnum():
            raise ValueError("A session id is 11 letters, digits, hyphens and underscores.")
        yield from self.call("DELETE", f"{self.api}sessions/{session_id}/")

    def revoke_others(self) -> Exchange[int]:
        """End all sessions but this one."""
        return int((yield from self._ask("POST", "sessions/revoke-others/", "revoked")).value["revoked"])

    def revoke_all(self) -> Exchange[int]:
        """End all sessions."""
        answer = yield from self._ask("POST", "sessions/revoke-all/", "revoked")
        self.forget()
        return int(answer.value["revoked"])

    def reauthenticate(self, password: Secret[str]) -> Exchange[dict[str, Any]]:
        """Prove the password again."""
        options: Secret[dict[str, Any]] = Secret({"json": {"password": password.value}})
        answer = yield from self._ask("POST", "reauthenticate/", "user", "session", options=options)
        self._csrf_token = _NONE
        return answer.value


def _checked(url: str, *, allow_http: bool) -> httpx.URL:
    parsed = httpx.URL(url)
    if parsed.userinfo:
        raise ValueError("The address holds a name or a password: pass these to login().")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"The address of a site is like https://example.org, not {url!r}.")
    if parsed.scheme == "http" and not allow_http and not _is_loopback(parsed.host):
        raise InsecureAddress(
            f"{parsed} is plain http: everybody on the way could read the password. Use https, or say "
            "allow_http=True where the way is safe."
        )
    return parsed


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def _is_stale(response: httpx.Response) -> bool:
    """Whether the CSRF check refused the request, and another token may help: it was not carried out."""
    if response.status_code != _FORBIDDEN:
        return False
    code = _members(response).value.get("code")
    # Django's own page and REST framework's own answer say it in words only.
    return code in _STALE if code else "csrf" in response.text.lower()


def _successful(response: httpx.Response) -> httpx.Response:
    status = response.status_code
    if status < _REDIRECTS:
        return response
    members = _members(response).value  # of a problem, which has no secret
    if status < _ERRORS:
        members = {"detail": f"The site redirects to {response.headers.get('Location', 'nowhere')}."}
    wait = response.headers.get("Retry-After", "")
    kind = BY_CODE.get(str(members.get("code"))) or BY_STATUS.get(status, ProblemError)
    members.setdefault("title", response.reason_phrase)
    raise kind(status, members, response.text, int(wait) if wait.isdecimal() else None)


def _object(response: httpx.Response, *names: str) -> Secret[dict[str, Any]]:
    """Return the JSON object that the API answers with, which has members of these names."""
    members = _members(response)
    if not set(names) <= set(members.value):
        detail = f"There is no answer of sessionkeeper's API at {response.request.url.path}."
        raise ProblemError(response.status_code, {"detail": detail})
    return members


def _members(response: httpx.Response) -> Secret[dict[str, Any]]:
    try:
        members = Secret(json.loads(response.content))
    except (ValueError, RecursionError):
        return Secret({})
    return members if isinstance(members.value, dict) else Secret({})
