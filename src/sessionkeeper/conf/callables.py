"""Settings whose value is a function of the project, called for each request and user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class CallableSetting:
    """A function instead of a value.

    Attributes:
        name: the key of ``SESSIONKEEPER``.
        target: the function, or its dotted path.
        reader: reads what the function returns, as it would read the value itself.
    """

    name: str
    target: Any
    reader: Callable[[Any], Any]

    def function(self) -> Callable[..., Any]:
        """Return the function.

        Raises:
            ImproperlyConfigured: it cannot be imported, or is not callable.
        """
        try:
            found = import_string(self.target) if isinstance(self.target, str) else self.target
        except ImportError as error:
            raise ImproperlyConfigured(f"SESSIONKEEPER[{self.name!r}]: {error}.") from error
        if not callable(found):
            raise ImproperlyConfigured(f"SESSIONKEEPER[{self.name!r}]: {self.target} is not callable.")
        return found  # type: ignore[no-any-return]

    def ask(self, request: HttpRequest | None, user: AbstractBaseUser | None) -> Any:
        """Return the value for this request and user; None means that the setting is not set.

        Raises:
            ImproperlyConfigured: the function cannot be called, or returned a wrong value, because a session
                must not begin with unknown limits. Exceptions of the function itself are passed on.
        """
        answer = self.function()(request, user)
        if answer is None:
            return None
        try:
            return self.reader(answer)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"SESSIONKEEPER[{self.name!r}]: the return value of {self.label} {error}."
            ) from error

    def problem(self, *parameters: str) -> str:
        """Return, as a sentence, why the function cannot be called with these parameters; empty if it can."""
        try:
            signature(self.function()).bind(*parameters)
        except ImproperlyConfigured as error:
            return str(error)
        except TypeError as error:
            wanted = f"({', '.join(parameters)})"
            return f"SESSIONKEEPER[{self.name!r}]: {self.label} does not take {wanted}: {error}."
        except ValueError:
            pass  # a function written in C, whose parameters are unknown
        return ""

    @property
    def label(self) -> str:
        """The name of the function, for messages."""
        return str(getattr(self.target, "__qualname__", self.target))


def is_path(value: Any) -> bool:
    """Whether this looks like a dotted path."""
    return isinstance(value, str) and "." in value and all(part.isidentifier() for part in value.split("."))
