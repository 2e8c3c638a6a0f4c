"""Values of settings that a project's own function gives, for each request and user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True)
class CallableSetting:
    """A function in the place of a value: ``function(request, user)``, or what the key's own reader says.

    Attributes:
        name: the key of ``SESSIONKEEPER``.
        target: the function, or its dotted path.
        reader: reads what it answers, as it would read the value itself.
    """

    name: str
    target: Any
    reader: Callable[[Any], Any]

    def function(self) -> Callable[..., Any]:
        """Return the function.

        Raises:
            ImproperlyConfigured: it cannot be imported, or is none.
        """
        try:
            found = import_string(self.target) if isinstance(self.target, str) else self.target
        except ImportError as error:
            raise ImproperlyConfigured(f"SESSIONKEEPER[{self.name!r}]: {error}.") from error
        if not callable(found):
            raise ImproperlyConfigured(f"SESSIONKEEPER[{self.name!r}]: {self.target} cannot be called.")
        return found  # type: ignore[no-any-return]

    def ask(self, request: Any, user: Any) -> Any:
        """Return the value for this request and user; None: as if the setting were not there.

        Raises:
            ImproperlyConfigured: the function cannot be asked, or its answer is no such value. Sessions whose
                limits nobody knows do not begin. What the function itself raises goes through.
        """
        answer = self.function()(request, user)
        if answer is None:
            return None
        try:
            return self.reader(answer)
        except (ValueError, OverflowError) as error:
            raise ImproperlyConfigured(
                f"SESSIONKEEPER[{self.name!r}]: what {self.label} answered {error}."
            ) from error

    @property
    def label(self) -> str:
        """What the function is called."""
        return (
            self.target
            if isinstance(self.target, str)
            else str(getattr(self.target, "__qualname__", self.target))
        )


def or_asked(name: str, reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader that takes a function, or its dotted path, beside what ``reader`` takes."""

    def read(value: Any) -> Any:
        if callable(value) or is_path(value):
            return CallableSetting(name, value, reader)
        try:
            return reader(value)
        except ValueError as error:
            raise ValueError(
                f"{error}; a function of request and user, or its dotted path, will do too"
            ) from error

    return read


def is_path(value: Any) -> bool:
    """Whether this is spelled like the dotted path of something in a module."""
    return isinstance(value, str) and "." in value and all(part.isidentifier() for part in value.split("."))
