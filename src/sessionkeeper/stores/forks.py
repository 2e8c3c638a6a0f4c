"""Resets objects in the child of a fork, which must not use its parent's locks, sockets and threads."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class _Resettable(Protocol):
    def reset(self) -> None: ...


_registered: WeakSet[_Resettable] = WeakSet()


def reset_in_child(resettable: _Resettable) -> None:
    """Call ``resettable.reset()`` in every child of a fork, for as long as the object lives."""
    _registered.add(resettable)


def _reset_all() -> None:
    for resettable in list(_registered):
        resettable.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
