"""A user's ended sessions, read from the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Exists, Max, OuterRef

from sessionkeeper.audit import trail
from sessionkeeper.audit.events import BEGINNINGS, ENDS, Kind
from sessionkeeper.core import keys
from sessionkeeper.core.errors import NoSuchSession
from sessionkeeper.core.moments import aware, rfc3339
from sessionkeeper.core.records import BEARER, COOKIE, is_live
from sessionkeeper.engine import registry
from sessionkeeper.http.client_info import device
from sessionkeeper.stores.factory import get_store


class EndedSession(NamedTuple):
    """One session that is over.

    Attributes:
        id: number of the session.
        kind: how it began, ``sign_in`` or ``token_made``.
        began_at: the last sign-in of the session.
        ended_at: when it ended; None if it has expired and its key has not been presented since.
        how: ``sign_out``, ``revoked``, ``expired`` or ``copy_detected``.
        reason: of a revocation, as in the audit trail.
        ip_address, user_agent: of the client that signed in; shortened as the trail's are.
    """

    id: int
    kind: str
    began_at: datetime
    ended_at: datetime | None
    how: str
    reason: str
    ip_address: str | None
    user_agent: str

    def as_dict(self) -> dict[str, Any]:
        """Return what the API tells the owner of the session, ready for JSON."""
        return {
            "id": keys.encode_id(self.id),
            "transport": BEARER if self.kind == Kind.TOKEN_MADE else COOKIE,
            "authenticated_at": rfc3339(self.began_at),
            "ended_at": rfc3339(self.ended_at),
            "how": self.how,
            "reason": self.reason,
            "ip_address": self.ip_address,
            "user_agent": self.user_agent,
            "device": device(self.user_agent),
        }


def history_for(user: Any, limit: int = 100) -> list[EndedSession]:
    """Return a user's ended sessions, the latest first, as far back as the audit trail goes.

    Reads in pages, each with two queries and a look into the store, until there are ``limit``.
    """
    found, before = page_for(user)
    while before is not None and len(found) < limit:
        page, before = page_for(user, before=before)
        found += page
    return found[:limit]


def page_for(
    user: Any, limit: int = registry.PAGE, before: int | None = None
) -> tuple[list[EndedSession], int | None]:
    """Return the ended ones of the ``limit`` sessions that began before ``before``, and the next ``before``.

    The latter is None at the end. No others are read, so a page has fewer, perhaps none, where the user has
    many live sessions.

    Raises:
        NoSuchSession: the trail has no beginning of a session ``before`` of this user.
    """
    begun = trail.rows_of(getattr(user, "pk", user)).filter(kind__in=BEGINNINGS, session_id__isnull=False)
    if before is not None:
        latest = begun.filter(session_id=before).aggregate(pk=Max("pk"))["pk"]
        if latest is None:
            raise NoSuchSession
        begun = begun.filter(pk__lt=latest)
    later = trail.rows().filter(session_id=OuterRef("session_id"), kind__in=BEGINNINGS, pk__gt=OuterRef("pk"))
    found = list(begun.filter(~Exists(later)).order_by("-pk")[: limit + 1])
    rows = {row.session_id or 0: row for row in found[:limit]}
    live = {record.id for record in get_store().find_many(rows) if is_live(record, registry.now())}
    ends = trail.rows().filter(session_id__in=rows.keys() - live, kind__in=ENDS).order_by("pk")
    ended = {row.session_id: row for row in ends}
    page = [_ended(number, row, ended.get(number)) for number, row in rows.items() if number not in live]
    return page, [*rows][-1] if len(found) > limit else None


def _ended(number: int, begun: Any, ended: Any) -> EndedSession:
    return EndedSession(
        number,
        begun.kind,
        aware(begun.at),
        _moment(ended),
        Kind.EXPIRED.value if ended is None else ended.kind,
        "" if ended is None else ended.reason,
        begun.ip_address,
        begun.user_agent,
    )


def _moment(ended: Any) -> datetime | None:
    """Return when a session ended, which may be long before its expiry was recorded."""
    if ended is None:
        return None
    try:
        return datetime.fromisoformat(ended.detail["ended_at"])
    except (KeyError, TypeError, ValueError):
        return aware(ended.at)
