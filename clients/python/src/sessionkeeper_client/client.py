"""The client for programs that wait for each answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, TypeVar

import httpx

from sessionkeeper_client.base import BaseClient
from sessionkeeper_client.errors import Unreachable
from sessionkeeper_client.protocol import Exchange
from sessionkeeper_client.secret import Secret

T = TypeVar("T")


class Client(BaseClient[httpx.Client]):
    """One session at one site.

    Every method that sends something raises ``ProblemError`` (or one of its subclasses) for an answer that is
    no success, redirects included, and ``Unreachable`` where none came.

    Args:
        url: where the site is, ``https://example.org``; with a path, all paths are below it.
        transport: how the key travels: ``"cookie"`` as in a browser, CSRF tokens included, or ``"bearer"``.
        token: a bearer token that is there already; then ``transport`` is ``"bearer"``.
        api: the path of sessionkeeper's API at the site.
        file: where the session is kept between runs, with mode 0600. Read now, written when something
            changed, removed by :meth:`logout`.
        allow_http: whether plain http is all right for a host that is not this machine.
        csrf_header: the header of the CSRF token, where the site's ``CSRF_HEADER_NAME`` names another one.
        http_options: passed on to ``httpx.Client``: ``verify``, ``timeout`` (10 seconds by default) and so
            on.

    Raises:
        InsecureAddress: plain http to another machine.
        SessionFileError: others can read the file, or it holds something else.
    """

    _http_client = httpx.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The session lives on, and is in the file, if there is one."""
        self._http.close()

    def _run(self, exchange: Exchange[T]) -> T:
        try:
            request = next(exchange)
            while True:
                request = exchange.send(self._send(request))
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            exchange.close()

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._http.send(request)
        except httpx.RequestError as error:
            raise Unreachable(f"{request.method} {request.url}: {error}") from error
        self._talk.keep()
        return response

    # Signing in and out

    def login(
        self,
        username: str,
        password: str,
        *,
        remember: bool | None = None,
        label: str | None = None,
        scopes: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Sign in, and return ``{"session": {…}}``, ``"user"`` or ``"scopes"`` beside it.

        ``remember`` is about the cookie, ``scopes`` about the token.

        Raises:
            InvalidCredentials: the name or the password is wrong.
            SecondFactorRequired: the password is right and does not do. Nobody was signed in.
            Throttled: too many tries; ``retry_after`` says how long to wait.
        """
        given, password = Secret(password), ""
        return self._run(self._talk.log_in(username, given, remember=remember, label=label, scopes=scopes))

    def logout(self) -> None:
        """End the session at the site, and forget it here: cookies, token and file. Also when it is over."""
        self._run(self._talk.log_out())

    def whoami(self) -> dict[str, Any]:
        """Return ``{"user": {…}, "session": {…}}``.

        Raises:
            NotSignedIn: nobody is.
        """
        return self._run(self._talk.whoami())

    def reauthenticate(self, password: str) -> dict[str, Any]:
        """Prove the password again; return what :meth:`whoami` does. Raises what :meth:`login` does."""
        given, password = Secret(password), ""
        return self._run(self._talk.reauthenticate(given))

    # The user's sessions

    def sessions(self) -> list[dict[str, Any]]:
        """Return all live sessions of the user, this one first, as the API's reference describes them."""
        return self._run(self._talk.sessions())

    def revoke(self, session_id: str) -> None:
        """End one session of the user.

        Raises:
            ReauthenticationRequired: the last proof is too old. Nothing was done.
            ProblemError: with ``code == "not_found"``, the user has no such session.
        """
        self._run(self._talk.revoke(session_id))

    def revoke_others(self) -> int:
        """End all sessions but this one; return how many. Raises ``ReauthenticationRequired``."""
        return self._run(self._talk.revoke_others())

    def revoke_all(self) -> int:
        """End all sessions, this one too; return how many. Raises ``ReauthenticationRequired``."""
        return self._run(self._talk.revoke_all())

    # Anything else at the site

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the session, and the CSRF token where one is needed.

        ``options`` are those of ``httpx``: ``json``, ``data``, ``files``, ``params``, ``headers``. A request
        that the CSRF check refused is sent once more with another token, unless its body can be read only
        once.

        Raises:
            InsecureAddress: the address is not at this site. Nothing was sent.
        """
        given, options = Secret(options), {}
        return self._run(self._talk.call(method, path, given))

    def get(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`request`."""
        given, options = Secret(options), {}
        return self.request("GET", path, **given.value)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`request`."""
        given, options = Secret(options), {}
        return self.request("POST", path, **given.value)

    def put(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`request`."""
        given, options = Secret(options), {}
        return self.request("PUT", path, **given.value)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`request`."""
        given, options = Secret(options), {}
        return self.request("PATCH", path, **given.value)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`request`."""
        given, options = Secret(options), {}
        return self.request("DELETE", path, **given.value)
