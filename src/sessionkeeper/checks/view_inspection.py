"""What the code of a view shows about its use of the session. The code is read, never run.

A view consists of many functions: what decorators hold in closures, what they wrap, the methods of its class.
:func:`parts` finds them; the rest looks at the names in their code. What that does not show is not claimed.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from django.contrib import auth
from django.contrib.auth.mixins import AccessMixin
from django.middleware.csrf import CsrfViewMiddleware

#: The methods that need CSRF protection.
UNSAFE = ("post", "put", "patch", "delete")
_SIGNS_IN = (auth.login, auth.alogin)
_SIGNS_IN_OR_OUT = (*_SIGNS_IN, auth.logout, auth.alogout)
_REQUEST_NAMES = {"request", "req", "_request"}
_MOST_PARTS = 500
#: The code of these packages says nothing about the project's view.
_FRAMEWORKS = ("django.", "rest_framework.")


def class_of(view: Any) -> Any:
    """Return the class of a class-based view, or None."""
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    return kind if isinstance(kind, type) else None


def owner_of(view: Any) -> Any:
    """Return the object to whose method a view passes requests on; None for other views."""
    if isinstance(view, MethodType):
        return view.__self__
    return _closure(view).get("self") if isinstance(view, FunctionType) else None


def parts(view: Any) -> Iterator[FunctionType]:
    """Yield all functions that make up the view, itself first."""
    queue, seen = [view], set[int]()
    while queue and len(seen) < _MOST_PARTS:
        one = queue.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, FunctionType):
            yield one
            queue += [getattr(one, "__wrapped__", None), *_closure(one).values()]
            queue += _methods(class_of(one))
        elif isinstance(one, MethodType):
            queue.append(one.__func__)
        elif isinstance(one, partial):
            queue += [one.func, *one.args, *one.keywords.values()]
        elif isinstance(one, list | tuple):
            queue += one


def _closure(function: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue
    return found


def _methods(kind: Any) -> list[Any]:
    """Return the methods of a view class that an unsafe request may call."""
    found: dict[str, Any] = {}
    for base in getattr(kind, "__mro__", ()):
        for name, value in vars(base).items():
            if name not in {"as_view", "get", "head", "options"}:
                found.setdefault(name, value)
    return [value for value in found.values() if isinstance(value, FunctionType)]


def accepts_changes(view: Any) -> bool:
    """Whether the view accepts a method that needs CSRF protection."""
    kind, actions = class_of(view), getattr(view, "actions", None)
    if isinstance(actions, dict):
        return any(str(method).lower() in UNSAFE for method in actions)
    if kind is not None:
        allowed = [str(name).lower() for name in kind.http_method_names]
        return any(method in allowed and hasattr(kind, method) for method in UNSAFE)
    for part in parts(view):
        required = _closure(part).get("request_method_list")
        if isinstance(required, list | tuple) and not {str(name).lower() for name in required} & {*UNSAFE}:
            return False
    return True


def checks_csrf(view: Any) -> bool:
    """Whether a part of the view handles CSRF itself, or may do so."""
    return any(
        any(_rejects(value) for value in _closure(part).values())
        or (not _is_framework(part) and _says_csrf(part))
        for part in parts(view)
    )


def _rejects(value: Any) -> bool:
    kind = value if isinstance(value, type) else type(value)
    return issubclass(kind, CsrfViewMiddleware) and kind._reject is CsrfViewMiddleware._reject  # type: ignore[attr-defined]  # noqa: SLF001


def _says_csrf(function: FunctionType) -> bool:
    return any("csrf" in name.lower() and name != "csrf_exempt" for name in names(function))


def evidence(view: Any, *, drf: bool = False) -> str | None:
    """Return how the view uses the session, to follow "the view"; None if its code does not show that.

    With ``drf``, reading ``request.user`` proves nothing, because the view's authenticators set it.
    """
    kind = class_of(view)
    if isinstance(kind, type) and issubclass(kind, AccessMixin):
        return "requires a signed-in user"
    for part in parts(view):
        if part.__globals__.get("__name__") == "django.contrib.auth.decorators":
            return "requires a signed-in user"
        if _is_framework(part):
            continue
        if _calls(part, _SIGNS_IN_OR_OUT):
            return "signs users in or out"
        for attribute in _read_of_request(part.__code__, drf=drf):
            return f"reads request.{attribute}"
    return None


def signs_in(view: Any) -> bool:
    """Whether the view calls Django's ``login()``, also in code of a framework."""
    return any(_calls(part, _SIGNS_IN) for part in parts(view))


def _is_framework(function: FunctionType) -> bool:
    return str(function.__globals__.get("__name__", "")).startswith(_FRAMEWORKS)


def names(function: FunctionType) -> set[str]:
    """Return all global and attribute names in a function and its inner functions."""
    return {name for code in _codes(function.__code__) for name in code.co_names}


def texts(function: FunctionType) -> set[str]:
    """Return all strings in a function, such as the names that ``getattr`` looks up."""
    return {value for code in _codes(function.__code__) for value in code.co_consts if isinstance(value, str)}


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _calls(function: FunctionType, wanted: tuple[Any, ...]) -> bool:
    used = names(function)
    verbs = {verb.__name__ for verb in wanted} & used
    imported_here = "django.contrib.auth" in used
    for name in used:
        value = function.__globals__.get(name)
        if any(value is verb for verb in wanted):
            return True
        imported_here |= isinstance(value, ModuleType) and value is auth
    return bool(verbs) and imported_here


def _read_of_request(code: CodeType, *, drf: bool) -> Iterator[str]:
    """Yield ``user``, ``auser`` or ``session`` wherever the code reads that attribute of a request."""
    for one in _codes(code):
        before = ""
        for step in dis.get_instructions(one):
            value = step.argval[-1] if isinstance(step.argval, tuple) and step.argval else step.argval
            if step.opname in {"LOAD_ATTR", "LOAD_METHOD"} and before in _REQUEST_NAMES:
                certain = value == "session" or (
                    value in {"user", "auser"} and (not drf or before == "_request")
                )
                if certain:
                    yield str(value)
            before = str(value) if step.opname.startswith(("LOAD_", "STORE_FAST_LOAD")) else ""
