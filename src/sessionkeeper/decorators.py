"""Marks for views."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

View = TypeVar("View", bound=Callable[..., Any])


def passive(view: View) -> View:
    """Mark a view whose requests do not keep the session alive: a refresh that a page does by itself.

    For functions, sync or async, and above or below DRF's ``@api_view``; for classes through
    ``method_decorator(passive, name="dispatch")`` or on one method, such as ``get`` or a viewset's action.
    Requests that carry the header ``X-Session-Passive`` are passive without this.
    """
    wrapper: Any
    if iscoroutinefunction(view):

        @wraps(view)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            _mark(args)
            return await view(*args, **kwargs)
    else:

        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            _mark(args)
            return view(*args, **kwargs)

    wrapper.session_passive = True
    return wrapper  # type: ignore[no-any-return]


def _mark(args: tuple[Any, ...]) -> None:
    """Mark the request itself: not every way of wrapping a view keeps the attributes of the function."""
    for value in args[:2]:  # (request, …) or (self, request, …)
        request = getattr(value, "_request", value)  # DRF's request holds Django's
        if isinstance(request, HttpRequest):
            request.session_passive = True  # type: ignore[attr-defined]
