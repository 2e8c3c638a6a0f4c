"""The client for asyncio: the methods of ``Client``, to be awaited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, TypeVar

import httpx

from sessionkeeper_client.base import BaseClient
from sessionkeeper_client.errors import Unreachable
from sessionkeeper_client.protocol import Exchange
from sessionkeeper_client.secret import Secret

T = TypeVar("T")


class AsyncClient(BaseClient[httpx.AsyncClient]):
    """One session at one site. Arguments, methods and errors are those of :class:`Client`."""

    _http_client = httpx.AsyncClient

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. The session lives on, and is in the file, if there is one."""
        await self._http.aclose()

    async def _run(self, exchange: Exchange[T]) -> T:
        try:
            request = next(exchange)
            while True:
                request = exchange.send(await self._send(request))
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            exchange.close()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._http.send(request)
        except httpx.RequestError as error:
            raise Unreachable(f"{request.method} {request.url}: {error}") from error
        self._talk.keep()
        return response

    # Signing in and out

    async def login(
        self,
        username: str,
        password: str,
        *,
        remember: bool | None = None,
        label: str | None = None,
        scopes: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """See :meth:`Client.login`."""
        given, password = Secret(password), ""
        return await self._run(
            self._talk.log_in(username, given, remember=remember, label=label, scopes=scopes)
        )

    async def logout(self) -> None:
        """See :meth:`Client.logout`."""
        await self._run(self._talk.log_out())

    async def whoami(self) -> dict[str, Any]:
        """See :meth:`Client.whoami`."""
        return await self._run(self._talk.whoami())

    async def reauthenticate(self, password: str) -> dict[str, Any]:
        """See :meth:`Client.reauthenticate`."""
        given, password = Secret(password), ""
        return await self._run(self._talk.reauthenticate(given))

    # The user's sessions

    async def sessions(self) -> list[dict[str, Any]]:
        """See :meth:`Client.sessions`."""
        return await self._run(self._talk.sessions())

    async def revoke(self, session_id: str) -> None:
        """See :meth:`Client.revoke`."""
        await self._run(self._talk.revoke(session_id))

    async def revoke_others(self) -> int:
        """See :meth:`Client.revoke_others`."""
        return await self._run(self._talk.revoke_others())

    async def revoke_all(self) -> int:
        """See :meth:`Client.revoke_all`."""
        return await self._run(self._talk.revoke_all())

    # Anything else at the site

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """See :meth:`Client.request`."""
        given, options = Secret(options), {}
        return await self._run(self._talk.call(method, path, given))

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`Client.request`."""
        given, options = Secret(options), {}
        return await self.request("GET", path, **given.value)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`Client.request`."""
        given, options = Secret(options), {}
        return await self.request("POST", path, **given.value)

    async def put(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`Client.request`."""
        given, options = Secret(options), {}
        return await self.request("PUT", path, **given.value)

    async def patch(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`Client.request`."""
        given, options = Secret(options), {}
        return await self.request("PATCH", path, **given.value)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        """See :meth:`Client.request`."""
        given, options = Secret(options), {}
        return await self.request("DELETE", path, **given.value)
