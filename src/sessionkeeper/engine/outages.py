"""The outage that a request met, remembered in its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessionkeeper.core.errors import StoreUnavailable

if TYPE_CHECKING:
    from sessionkeeper.engine.session_store import SessionStore


class remember_outage:  # noqa: N801 - a context manager, which every request enters: a generator would cost more
    """Sets ``session.outage`` to the outage that ends the block."""

    __slots__ = ("_session",)

    def __init__(self, session: SessionStore) -> None:
        self._session = session

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Remember an outage; every error is passed on."""
        if isinstance(error, StoreUnavailable):
            self._session.outage = error
