"""Django's ``ModelBackend``, with a lockout.

As the first of ``AUTHENTICATION_BACKENDS``, it covers everything that calls ``authenticate()``: the admin,
allauth, HTTP Basic, and your own views.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import backends
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from sessionkeeper.auth import lockout
from sessionkeeper.auth.flows import LONGEST_PASSWORD, PASSWORD
from sessionkeeper.core.errors import TooManyTries
from sessionkeeper.core.keys import Secret
from sessionkeeper.engine import session_data, users
from sessionkeeper.http import client_info


class LockoutBackend(backends.BaseBackend):
    """Counts and refuses attempts, and signs nobody in. For projects without ``ModelBackend``."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Count the attempt. Returns None, so that the next backend is asked.

        Raises:
            TooManyTries: no attempt is left; our middleware answers 429.
            PermissionDenied: the same without our middleware, so that ``authenticate()`` returns None. Also
                for a password that is no text, for a name or a password that is too long, and for a name that
                no database can store.
        """
        given, credentials = Secret(credentials), {}
        credentials = users.masked(given)
        try:
            lockout.begin(request, credentials)
        except TooManyTries as error:
            if client_info.current.get() is not None:
                raise
            raise PermissionDenied from error
        is_text = isinstance(given.value.get("password"), str | bytes | None)
        if not is_text or len(given.value.get("password") or "") > LONGEST_PASSWORD:
            raise PermissionDenied
        if not all(map(users.is_plain, users.names_in(credentials))):
            raise PermissionDenied

    async def aauthenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Async form of :meth:`authenticate`."""
        given, credentials = Secret(credentials), {}
        await sync_to_async(self.authenticate)(request, **given.value)

    def get_user(self, user_id: Any) -> None:
        """Return None: this backend signs nobody in."""


class ModelBackend(backends.ModelBackend):
    """Django's backend, with a lockout. ``get_user`` and permissions are Django's own.

    The ``amr`` of a session that begins with a user of this backend is ``pwd``, whatever code calls
    ``login()``.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Count the attempt, then ask Django's backend. Raises as :class:`LockoutBackend` does."""
        given, password, kwargs = Secret({"username": username, "password": password, **kwargs}), None, {}
        LockoutBackend().authenticate(request, **given.value)
        with lockout.checking(Secret(given.value["password"])):
            user = super().authenticate(request, **given.value)
        if user is not None:
            lockout.succeeded(user)
            session_data.note_amr(user, PASSWORD)
        return user

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Async form of :meth:`authenticate`."""
        given, password, kwargs = Secret({"username": username, "password": password, **kwargs}), None, {}
        await LockoutBackend().aauthenticate(request, **given.value)
        with lockout.checking(Secret(given.value["password"])):
            user = await super().aauthenticate(request, **given.value)
        if user is not None:
            await sync_to_async(lockout.succeeded)(user)
            session_data.note_amr(user, PASSWORD)
        return user
