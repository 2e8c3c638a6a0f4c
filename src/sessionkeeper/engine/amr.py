"""How and when the user of a session proved who they are: every method with its own time (R31).

The record has the last proof: its methods and its time, both as the store wrote them. A step-up replaces
those, and what was proved before moves, with the time that it had, into the data of the session. So a release
that knows nothing of earlier proofs reads less than there is, never more, and a session without a step-up
holds nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from sessionkeeper.core.records import SessionRecord
from sessionkeeper.engine.client_binding import PROOF_IS_VOID

#: Key in the session data: methods that were proved before the last proof, each with its time.
EARLIER = "_sessionkeeper_earlier_proofs"
#: Most methods that are kept beside those of the last proof, the latest.
_MOST = 8
_LONGEST_NAME = 20
_NOTE = "_sessionkeeper_amr"


def note(user: Any, amr: str) -> None:
    """Remember on a user object, as Django does with ``backend``, how its user was proved just now."""
    setattr(user, _NOTE, amr)


def noted(user: Any) -> str:
    """Return what was noted on this object, or nothing."""
    return getattr(user, _NOTE, "")


def of(record: SessionRecord, data: Mapping[str, Any]) -> dict[str, datetime]:
    """Return the methods (RFC 8176) that were proved, when each was last; none where that is void."""
    if PROOF_IS_VOID in data or record.authenticated_at is None:
        return {}
    last = dict.fromkeys(record.amr.split(), record.authenticated_at)
    return {**earlier(data, record.authenticated_at), **last}


def carry(known: Mapping[str, datetime], data: MutableMapping[str, Any]) -> None:
    """Keep what was proved so far, before a step-up takes the place of the last proof."""
    begin_anew(data)
    latest = sorted(known.items(), key=lambda proof: proof[1])[-_MOST:]
    if latest:
        data[EARLIER] = {name: moment.astimezone(UTC).isoformat() for name, moment in latest}


def begin_anew(data: MutableMapping[str, Any]) -> None:
    """Forget earlier proofs: somebody signs in, and proves what they prove now."""
    data.pop(PROOF_IS_VOID, None)
    data.pop(EARLIER, None)


def earlier(data: Mapping[str, Any], until: datetime) -> dict[str, datetime]:
    """Return what was proved before the last proof, at ``until``; what cannot be read counts for nothing."""
    found = {}
    stored = data.get(EARLIER)
    for name, text in stored.items() if isinstance(stored, dict) else ():
        try:
            moment = datetime.fromisoformat(text)
        except (ValueError, TypeError):
            continue
        if moment.tzinfo is not None and moment <= until and len(name) <= _LONGEST_NAME:
            found[name] = moment
    return found
