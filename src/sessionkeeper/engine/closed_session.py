"""The session of a view that must not use the one of the cookie."""

from __future__ import annotations

from typing import Any, NoReturn

from sessionkeeper.core.errors import CrossSiteSession
from sessionkeeper.engine.session_store import SessionStore


class ClosedSession(SessionStore):
    """What a view gets instead of the cookie's session if it must not use it. Nothing of it is stored.

    The first use raises. After that it reads as empty, so that an error page can be rendered, but still
    nothing can be written.
    """

    def __init__(self, behind: SessionStore) -> None:
        super().__init__()
        self.behind, self.refusal = behind, behind.refusal

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        self.behind.refused = True
        raise CrossSiteSession(self.refusal)

    async def _arefuse(self, *_: object, **__: object) -> NoReturn:
        self._refuse()

    def _get_session(self, no_load: bool = False) -> dict[str, Any]:
        return {} if self.behind.refused else self._refuse()

    async def _aget_session(self, no_load: bool = False) -> dict[str, Any]:
        return self._get_session()

    load = clear = create = save = delete = flush = cycle_key = rotate_key = _refuse
    aload = acreate = asave = adelete = aflush = acycle_key = _arefuse
    _session = property(_get_session)


SessionStore.closed_form = ClosedSession
