"""A principal as it was read, from which fresh instances are made: no two requests ever share one."""

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

    ``make`` makes an instance of the values. ``is_current`` says whether a read would ask the same question
    now: the same model, manager and database. ``auth_hash`` is Django's session auth hash where the password
    is not among the columns; ``are_kept`` says that all values are plain ones, which instances may share.
    """

    make: Callable[[Sequence[Any]], Any]
    names: Sequence[str]
    values: Sequence[Any]
    is_current: Callable[[], bool]
    auth_hash: str | None = None
    are_kept: bool = False

    def kept(self) -> Snapshot:
        """Return one that nobody else can change, for keeping."""
        plain = all(isinstance(value, _IMMUTABLE) for value in self.values)
        return self._replace(values=tuple(map(_own, self.values)), are_kept=plain)

    def user(self) -> Any:
        """Return a new instance; None when the user would be asked for in another way now."""
        return shortcut.take(self._user, shortcut.unknown)

    def _user(self) -> Any:
        if not self.is_current():
            return None
        return self.make(self.values if self.are_kept else [*map(_own, self.values)])

    def size(self) -> int:
        """Return about how many bytes the values take."""
        return sum(map(_size, self.values))


def _own(value: Any) -> Any:
    return value if isinstance(value, _IMMUTABLE) else deepcopy(value)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return getsizeof(value) + sum(_size(key) + _size(held) for key, held in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return getsizeof(value) + sum(map(_size, value))
    return getsizeof(value)
