"""Erases what is stored of a user in the store, the audit trail and the counts of attempts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Q, QuerySet

from sessionkeeper.audit import events, trail
from sessionkeeper.auth import attempts, lockout
from sessionkeeper.conf import namespaces
from sessionkeeper.engine import registry, users
from sessionkeeper.http.client_info import ClientInfo
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.database.writes import delete


class Erased(NamedTuple):
    """How much was erased: sessions, events of the audit trail, counts of failed sign-ins."""

    sessions: int
    events: int
    counts: int


def erase(user: Any, *, names: Iterable[str] = (), actor: Any = None, dry_run: bool = False) -> Erased:
    """Erase what is stored of a user; return how much it was.

    Sessions end. Events about the user lose user, session, address, user agent and details; events about what
    the user did to others lose address and user agent. Call it before the user is deleted, while the names of
    the user are known, or pass the names.

    Args:
        user: a user, or the primary key of one, who may already be deleted.
        names: user names and e-mail addresses, in addition to the current ones.
        actor: who requested it, for the event that records the erasure, which contains only numbers.
        dry_run: whether only to count.

    Raises:
        ValueError: the instance has no primary key, because it was deleted. Nothing is erased.
        StoreUnavailable: the store or the database did not answer; run it again.
    """
    pk = getattr(user, "pk", user)
    if pk is None:
        raise ValueError(
            "The user has no primary key, because it was deleted. Pass the primary key that it had."
        )
    with translate_errors():
        found = users.find(pk)
        known = {*names, *(() if found is None else users.names_of(found))}
        about, others, counts = _about(pk, known), _by(pk), _counts(pk, known)
        if dry_run:
            number = sum(1 for _ in registry.walk(pk))
            return Erased(number, about.count() + others.count(), counts.count())
        ended = _end_sessions(pk)
        forgotten = delete(counts)
        blanked = _blank(others) + _blank(
            about.filter(actor=pk), user=None, actor=None, session_id=None, detail={}
        )
        blanked += _blank(about, user=None, session_id=None, detail={})
    erased = Erased(ended, blanked, forgotten)
    by = None if getattr(actor, "pk", actor) == pk else actor
    trail.record(events.Kind.ERASED, actor=by, client=ClientInfo(), **erased._asdict())
    return erased


def _end_sessions(pk: Any) -> int:
    """End the sessions, once the current transaction is committed; return how many there are."""
    ended: list[int] = []

    def end() -> None:
        ended.append(registry.revoke_all(pk, reason=None))
        registry.records_of(pk)  # drops entries of an index whose session has ended

    registry.once_committed(router.db_for_write(get_user_model()), end)
    return ended[0] if ended else sum(1 for _ in registry.walk(pk))


def _about(pk: Any, names: Iterable[str]) -> QuerySet[Any]:
    """Return events about a user, and those with a digest of one of the names."""
    digests = [trail.digest(form) for name in names for form in (users.normal(name), name.casefold())]
    typed = Q(detail__name__in=digests) | Q(detail__address__in=digests)
    return trail.rows().filter(Q(user=pk) | Q(typed, user=None) if digests else Q(user=pk))


def _by(pk: Any) -> QuerySet[Any]:
    """Return events about others that the user caused, if they have an address or user agent."""
    theirs = trail.rows().filter(~Q(user=pk) | Q(user=None), actor=pk)
    return theirs.exclude(ip_address=None, user_agent="")


def _counts(pk: Any, names: Iterable[str]) -> QuerySet[Any]:
    """Return the counts of a user, and of names that no other account shares, whose limit has to stay."""
    own = [name for name in names if not users.shares_name(name, pk)]
    keys = {lockout.key_of(pk), *map(lockout.mailbox_key, own)}
    keys.update(key for name in own for key in lockout.keys_of(name))
    return namespaces.rows(attempts.rows()).filter(Q(user=pk) | Q(pk__in=keys))


def _blank(events: QuerySet[Any], **values: Any) -> int:
    """Remove address and user agent from events, and set ``values``, in batches; return how many."""
    number = after = 0
    while ids := list(events.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[: trail.BATCH]):
        after = ids[-1]
        number += (
            trail.rows().filter(pk__in=ids).update(ip_address=None, user_agent="", exact=False, **values)
        )
    return number
