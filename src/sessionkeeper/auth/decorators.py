"""Decorators for views: passive requests, and reauthentication."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest

from sessionkeeper import conf
from sessionkeeper.auth import flows

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
    Decorates functions, sync or async, also below DRF's ``@api_view``; for classes decorate one method, or
    use ``method_decorator``. Without such a proof, also for anonymous visitors, our middleware answers 403
    ``reauthentication_required``. If ``sessionkeeper.pages.urls`` is included, it redirects browsers to the
    page that asks for the password. Put ``login_required`` above to send visitors to the sign-in page.
    """

    def decorate(view: View) -> View:
        wrapper: Any
        if iscoroutinefunction(view):

            @wraps(view)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                request = _request_of(args)
                await request.session.akeys()  # loaded here, so that the check makes no query
                if conf.current().asked:  # a function of the project's may make queries
                    await sync_to_async(flows.require_recent)(request, within, level)
                else:
                    flows.require_recent(request, within, level)
                return await view(*args, **kwargs)
        else:

            @wraps(view)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                flows.require_recent(_request_of(args), within, level)
                return view(*args, **kwargs)

        return wrapper  # type: ignore[no-any-return]

    return decorate


def _request_of(args: tuple[Any, ...]) -> Any:
    """Return Django's request among the arguments of a view: ``(request, …)`` or ``(self, request, …)``."""
    requests = [getattr(value, "_request", value) for value in args[:2]]  # DRF's request holds Django's
    return next(request for request in requests if isinstance(request, HttpRequest))
