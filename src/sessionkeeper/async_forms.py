"""The async forms of the engine: the sync ones, run in the event loop where the store can wait there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from sessionkeeper import conf
from sessionkeeper.stores import beside

if TYPE_CHECKING:
    from sessionkeeper.handle import Handle

_T = TypeVar("_T")


class AsyncForms(SessionBase):
    """Django's session in memory, and what of it reaches the store in async code.

    Over a store that cannot wait in an event loop each of these takes a thread.
    """

    handle: Handle

    async def aload(self) -> dict[str, Any]:
        """See ``load``."""
        return await beside(self.load)

    async def asave(self, must_create: bool = False) -> None:
        """See ``save``."""
        await beside(partial(self.save, must_create))

    async def acreate(self) -> None:
        """See ``create``."""
        await beside(self.create)

    async def aexists(self, session_key: str) -> bool:
        """See ``exists``."""
        return await beside(partial(self.exists, session_key))

    async def adelete(self, session_key: str | None = None) -> None:
        """See ``delete``."""
        await beside(partial(self.delete, session_key))

    async def aset(self, key: str, value: Any) -> None:
        """Async form of ``session[key] = value``."""
        if key == SESSION_KEY:
            await self.akeys()  # loaded before the decision whether the store is needed
            await self._beside_if_stored(self.sign_in)
        await super().aset(key, value)

    async def acycle_key(self) -> None:
        """See ``cycle_key``."""
        await self.akeys()
        await self._beside_if_stored(self.cycle_key)

    async def aflush(self) -> None:
        """See ``flush``."""
        await beside(self.flush)

    @classmethod
    async def aclear_expired(cls) -> None:
        """See ``clear_expired``."""
        await beside(cls.clear_expired)

    def sign_in(self) -> None:
        """Give the session another key because somebody signs in."""
        raise NotImplementedError

    async def _beside_if_stored(self, function: Callable[[], None]) -> None:
        if self.handle.stored:
            await beside(function)
        else:
            function()

    async def _beside_if_asked(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call what needs a limit, for which a function of the project's may ask anybody."""
        return await beside(partial(function, *args)) if conf.current().asked else function(*args)
