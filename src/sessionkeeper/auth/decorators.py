"""Decorators for views: passive requests, and reauthentication."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from sessionkeeper.auth import flows
from sessionkeeper.core.errors import UserMismatch

View = TypeVar("View", bound=Callable[..., Any])


def passive(view: View) -> View:
    """Mark a view whose requests do not keep the session alive, such as a page that refreshes itself.

    Decorates functions, sync or async, above or below DRF's ``@api_view``; for classes use
    ``method_decorator(passive, name="dispatch")``, or decorate one method, such as ``get`` or a viewset's
    action. Requests with the header ``X-Session-Passive`` are passive without it.
    """
    # The request is marked, since not every way of wrapping a view keeps the function's attributes.
    wrapper: Any
    if iscoroutinefunction(view):

        @wraps(view)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            _request_of(args).session_passive = True
            return await view(*args, **kwargs)
    else:

        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            _request_of(args).session_passive = True
            return view(*args, **kwargs)

    wrapper.session_passive = True
    return wrapper  # type: ignore[no-any-return]


def require_recent_authentication(
    *, within: timedelta | None = None, level: int = 0
) -> Callable[[View], View]:
    """Open a view only to users who proved a credential within ``REAUTHENTICATE_AFTER``, or ``within``.

    ``level=2`` requires two factors, by the methods (``amr``) of the sign-in and of reauthentications since.
    The proof must be of ``request.user``. Decorates functions, sync or async, also below DRF's ``@api_view``,
    and methods; for Django's classes use ``method_decorator`` too. Without such a proof, also for anonymous
    visitors, our middleware answers 403 ``reauthentication_required``. If ``sessionkeeper.pages.urls`` is
    included, it redirects browsers to the page that asks for the password. Put ``login_required`` above to
    send visitors to the sign-in page.

    Raises:
        ImproperlyConfigured: it is above ``@api_view``, or around ``dispatch`` of a DRF view, which
            authenticates its user later. Use :func:`sessionkeeper.api.RecentlyAuthenticated` there.
    """

    def decorate(view: View) -> View:
        if hasattr(getattr(view, "cls", None), "initialize_request"):
            raise ImproperlyConfigured(_TOO_EARLY)

        async def in_loop(*args: Any, **kwargs: Any) -> Any:
            await _arequire_recent(_gated_request(view, args), within, level)
            return await view(*args, **kwargs)

        def in_thread(*args: Any, **kwargs: Any) -> Any:
            if any(getattr(one, "view_is_async", False) for one in _owners(view, args)):
                return in_loop(*args, **kwargs)  # dispatch() of a class returns what its async method does
            flows.require_recent(_gated_request(view, args), within, level)
            return view(*args, **kwargs)

        wrapper: Any = wraps(view)(in_loop if iscoroutinefunction(view) else in_thread)
        return wrapper  # type: ignore[no-any-return]

    return decorate


_TOO_EARLY = (
    "require_recent_authentication asks before REST framework has authenticated the user of this view. Use "
    "sessionkeeper.api.RecentlyAuthenticated in permission_classes, or put the decorator below @api_view or "
    "on a method such as get()."
)


def _gated_request(view: Any, args: tuple[Any, ...]) -> Any:
    """Return Django's request, if its user is that of the view.

    Raises:
        ImproperlyConfigured: REST framework has not authenticated the user yet.
    """
    request = _request_of(args)
    is_djangos = any(one is request for one in args[:2])
    if is_djangos and any(hasattr(one, "initialize_request") for one in _owners(view, args)):
        raise ImproperlyConfigured(_TOO_EARLY)
    return request


def _owners(view: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what may be the instance of a class-based view."""
    # method_decorator() passes a partial object around the bound method.
    return (*args[:1], getattr(getattr(view, "func", None), "__self__", None))


async def _arequire_recent(request: Any, within: timedelta | None, level: int) -> None:
    await request.session.akeys()  # loaded here, where the store may be able to wait
    await sync_to_async(flows.require_recent)(request, within, level)
    if (await request.auser()).pk != request.user.pk:  # only one of them was replaced
        raise UserMismatch


def _request_of(args: tuple[Any, ...]) -> Any:
    """Return Django's request among the arguments of a view: ``(request, …)`` or ``(self, request, …)``."""
    requests = [getattr(value, "_request", value) for value in args[:2]]  # DRF's request holds Django's
    return next(request for request in requests if isinstance(request, HttpRequest))
