"""What both clients have in common: how one is made, what it is called, and what it holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import httpx

from sessionkeeper_client.protocol import COOKIE, CSRF_HEADER, Conversation
from sessionkeeper_client.secret import Secret

H = TypeVar("H", httpx.Client, httpx.AsyncClient)


class BaseClient(Generic[H]):
    """One end of a conversation. ``_http_client`` is what sends its requests."""

    _http_client: ClassVar[Callable[..., Any]]
    _http: H

    def __init__(
        self,
        url: str,
        *,
        transport: str = COOKIE,
        token: str | None = None,
        api: str = "/api/auth/",
        file: str | os.PathLike[str] | None = None,
        allow_http: bool = False,
        csrf_header: str = CSRF_HEADER,
        http_options: Mapping[str, Any] | None = None,
    ) -> None:
        given, token = Secret(token), None
        self._talk = Conversation(
            url,
            transport=transport,
            token=given.value,
            api=api,
            file=file,
            allow_http=allow_http,
            csrf_header=csrf_header,
        )
        self._http = self._talk.http = self._http_client(**self._talk.options(http_options))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._talk.base} by {self._talk.transport}>"

    @property
    def token(self) -> str | None:
        """The bearer token; None without one, and for the transport ``"cookie"``."""
        return self._talk.token.value
