"""The columns of a user as they were read. Each request gets its own instance of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import date, time, timedelta
from decimal import Decimal
from sys import getsizeof
from typing import Any, NamedTuple
from uuid import UUID

from sessionkeeper.stores.database import shortcut

_IMMUTABLE = (str, bytes, bool, int, float, date, time, timedelta, Decimal, UUID, type(None))


class Snapshot(NamedTuple):
    """The columns of one user.

    Attributes:
        make: makes an instance of the values.
        is_current: whether a read would run the same query now: the same model, manager and database.
        auth_hash: Django's session auth hash, where the password is not among the columns.
        is_immutable: whether all values are immutable, so that instances may share them.
    """

    make: Callable[[Sequence[Any]], Any]
    names: Sequence[str]
    values: Sequence[Any]
    is_current: Callable[[], bool]
    auth_hash: str | None = None
    is_immutable: bool = False

    def detached(self) -> Snapshot:
        """Return a copy that shares no mutable value with an instance."""
        plain = all(isinstance(value, _IMMUTABLE) for value in self.values)
        return self._replace(values=tuple(map(_copy, self.values)), is_immutable=plain)

    def user(self) -> Any:
        """Return a new instance; None where a read would run another query now."""
        return shortcut.take(self._user, shortcut.unknown)

    def _user(self) -> Any:
        if not self.is_current():
            return None
        return self.make(self.values if self.is_immutable else [*map(_copy, self.values)])

    def size(self) -> int:
        """Return the approximate size of the values in bytes."""
        return sum(map(_size, self.values))


def _copy(value: Any) -> Any:
    return value if isinstance(value, _IMMUTABLE) else deepcopy(value)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return getsizeof(value) + sum(_size(key) + _size(item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return getsizeof(value) + sum(map(_size, value))
    return getsizeof(value)
