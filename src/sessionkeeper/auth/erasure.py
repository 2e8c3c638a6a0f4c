"""Erasure: takes what is stored of one person out of the store, the audit trail and the counts of tries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from sessionkeeper.audit import events, trail
from sessionkeeper.auth import attempts, lockout
from sessionkeeper.conf import namespaces
from sessionkeeper.core.client_info import ClientInfo
from sessionkeeper.engine import registry, users
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.database.writes import delete


class Erased(NamedTuple):
    """How much there was: sessions, events of the audit trail, counts of failed sign-ins."""

    sessions: int
    events: int
    counts: int


def erase(user: Any, *, names: Iterable[str] = (), actor: Any = None, dry_run: bool = False) -> Erased:
    """Erase what is stored of a user; return how much there was.

    Sessions end. Events about the user lose user, session, address, user agent and details; events about what
    the user did to others lose address and user agent. Call it before the user is deleted, while the names of
    the user are known, or pass the names.

    Args:
        user: a user, or the primary key of a user, who may be deleted already.
        names: user names and e-mail addresses, in addition to the current ones.
        actor: who asked for it, for the one event that is written, which contains only numbers.
        dry_run: whether to count only, and change nothing.

    Raises:
        ValueError: the instance has no primary key, because it was deleted. Nothing is erased.
        StoreUnavailable: the store or the database did not answer; run it again.
    """
    pk = getattr(user, "pk", user)
    if pk is None:
        raise ValueError("A deleted user has no primary key any more: give the one that it had.")
    with translate_errors():
        known = {*names, *_names(pk)}
        about, others, counts = _about(pk, known), _by(pk), _counts(pk, known)
        if dry_run:
            number = sum(1 for _ in registry.walk(pk))
            return Erased(number, about.count() + others.count(), counts.count())
        ended = registry.revoke_all(pk, reason=None)
        registry.records_of(pk)  # which lets go of entries that name no session any more
        forgotten = delete(counts)
        blanked = _blank(others) + _blank(
            about.filter(actor=pk), user=None, actor=None, session_id=None, detail={}
        )
        blanked += _blank(about, user=None, session_id=None, detail={})
    erased = Erased(ended, blanked, forgotten)
    by = None if getattr(actor, "pk", actor) == pk else actor
    trail.record(events.Kind.ERASED, actor=by, client=ClientInfo(), **erased._asdict())
    return erased


def _names(pk: Any) -> list[str]:
    """Return the names by which a user may sign in; none of one who is deleted."""
    user = users.find(pk)
    return [] if user is None else users.names_of(user)


def _about(pk: Any, names: Iterable[str]) -> QuerySet[Any]:
    """Events about a user, and those that name one by a digest of what was typed."""
    digests = [trail.digest(form) for name in names for form in (users.normal(name), name.casefold())]
    typed = Q(detail__name__in=digests) | Q(detail__address__in=digests)
    return trail.rows().filter(Q(user=pk) | Q(typed, user=None) if digests else Q(user=pk))


def _by(pk: Any) -> QuerySet[Any]:
    """Events of others that a user made and that say from where."""
    theirs = trail.rows().filter(~Q(user=pk) | Q(user=None), actor=pk)
    return theirs.exclude(ip_address=None, user_agent="")


def _counts(pk: Any, names: Iterable[str]) -> QuerySet[Any]:
    return namespaces.rows(attempts.rows()).filter(
        Q(user=pk) | Q(pk__in=[lockout.key_of(name) for name in names])
    )


def _blank(events: QuerySet[Any], **values: Any) -> int:
    """Take address and user agent out of events, and set further columns, batch by batch; return how many."""
    number = 0
    while ids := list(events.order_by("pk").values_list("pk", flat=True)[: trail.BATCH]):
        number += (
            trail.rows().filter(pk__in=ids).update(ip_address=None, user_agent="", exact=False, **values)
        )
    return number
