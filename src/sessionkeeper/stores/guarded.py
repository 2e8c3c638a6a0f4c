"""A store behind a breaker: it wraps a store and is a store."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ParamSpec, TypeVar

from sessionkeeper.keys import MAX_ID
from sessionkeeper.record import Changes, Expired, Found, NewSession, SessionRecord
from sessionkeeper.stores.base import Store
from sessionkeeper.stores.breaker import Breaker

_P = ParamSpec("_P")
_T = TypeVar("_T")


class GuardedStore:
    """A :class:`~sessionkeeper.stores.base.Store` that refuses while ``store`` shows no life."""

    def __init__(self, store: Store, breaker: Breaker | None = None) -> None:
        self.store = store
        self.breaker = breaker or Breaker(patience=getattr(store, "patience", 0.0))

    def __getattr__(self, name: str) -> Any:
        """Return what only this kind of store has, such as ``alias``."""
        return getattr(self.store, name)

    def _ask(self, operation: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        token = self.breaker.enter()
        try:
            answer = operation(*args, **kwargs)
        except BaseException as error:
            self.breaker.leave(token, error)
            raise
        self.breaker.leave(token, None)
        return answer

    def find(self, session_id: int, *, principal: bool = False) -> Found | None:
        """See the contract."""
        token = self.breaker.enter()  # as _ask() does, but for what every request pays for its generality
        try:
            found = self.store.find(session_id, principal=principal)
        except BaseException as error:
            self.breaker.leave(token, error)
            raise
        self.breaker.leave(token, None)
        return found

    def read_ahead(self, session_id: int) -> Any:
        """Let a store that can send the read of a session before it is asked for; None: nothing was sent."""
        send = getattr(self.store, "read_ahead", None)
        return None if send is None or self.breaker.is_open else send(session_id)

    def insert(self, new: NewSession) -> list[int]:
        """See the contract."""
        return self._ask(self.store.insert, new)

    def merge(
        self, session_id: int, secret_hash: bytes, changes: Changes, seen: SessionRecord | None
    ) -> list[int]:
        """See the contract."""
        return self._ask(self.store.merge, session_id, secret_hash, changes, seen)

    def rotate(self, session_id: int, secret_hash: bytes, new_secret: bytes, new_family: bytes) -> None:
        """See the contract."""
        self._ask(self.store.rotate, session_id, secret_hash, new_secret, new_family)

    def renew(self, session_id: int, secret_hash: bytes, new_secret: bytes) -> bool:
        """See the contract."""
        return self._ask(self.store.renew, session_id, secret_hash, new_secret)

    def touch(self, session_id: int, secret_hash: bytes) -> bool:
        """See the contract."""
        return self._ask(self.store.touch, session_id, secret_hash)

    def revoke(self, session_id: int, secret_hash: bytes | None = None) -> bool:
        """See the contract."""
        return self._ask(self.store.revoke, session_id, secret_hash)

    def revoke_all(self, user_id: Any, except_: int | None = None) -> int:
        """See the contract."""
        return self._ask(self.store.revoke_all, user_id, except_)

    def revoke_many(self, session_ids: Collection[int]) -> int:
        """See the contract."""
        return self._ask(self.store.revoke_many, session_ids)

    def list_for(self, user_id: Any, limit: int | None = None, newest: int = MAX_ID) -> list[SessionRecord]:
        """See the contract."""
        return self._ask(self.store.list_for, user_id, limit, newest)

    def scan(self, limit: int, newest: int = MAX_ID) -> list[SessionRecord]:
        """See the contract."""
        return self._ask(self.store.scan, limit, newest)

    def purge(self, limit: int, after: int = 0) -> tuple[list[Expired], int | None]:
        """See the contract."""
        return self._ask(self.store.purge, limit, after)

    def count(self) -> int:
        """See the contract."""
        return self._ask(self.store.count)
