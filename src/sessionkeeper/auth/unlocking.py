"""Unlocks accounts, names and networks, for a user with a new password and for those who operate the site."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sessionkeeper.audit import events, trail
from sessionkeeper.auth import attempts, lockout
from sessionkeeper.conf import namespaces
from sessionkeeper.engine import users
from sessionkeeper.stores import codec


def unlock_user(user: Any, *, reason: str, actor: Any = None) -> bool:
    """Unlock a user's account, but no name that another account shares; return whether it had failures."""
    account, names = lockout.key_of(user.pk), users.names_of(user)
    failures = attempts.rows().filter(pk=account).values_list("failures", flat=True).first() or 0
    lost = {account: attempts.ALL}
    if users.natural_keys_suffice():
        lost |= {lockout.name_key(name): failures for name in names if failures}
    else:
        lost |= {
            lockout.nobody_key(name): attempts.ALL for name in names if not users.shares_name(name, user.pk)
        }
    unlocked = attempts.rows().filter(pk__in=lost, failures__gt=0).exists()
    if unlocked:
        attempts.give_back({}, lost)
        trail.record(events.Kind.UNLOCKED, user=codec.held(user.pk), actor=actor, reason=reason)
    return unlocked


def unlock(name: str, *, reason: str, actor: Any = None) -> bool:
    """Unlock a name, in all its spellings, and the account with it; return whether there were failures."""
    keys = lockout.keys_of(name)
    account = users.account_named(name)
    people = {account.user_id, *attempts.rows().filter(pk__in=keys).values_list("user", flat=True)} - {None}
    keys += [lockout.key_of(pk) for pk in people]
    unlocked = bool(attempts.reset(*keys))
    if unlocked:
        trail.record(events.Kind.UNLOCKED, user=account.user_id, actor=actor, reason=reason)
    return unlocked


def unlock_rows(rows: Iterable[Any], *, actor: Any = None) -> int:
    """Reset these counts, and those of the same accounts' names; return how many had counted anything.

    An account and its names wait together, so that one without the other would stay locked.
    """
    rest, number = iter(rows), 0
    while batch := list(islice(rest, attempts.BATCH)):
        number += _unlock_batch(batch, actor)
    return number


def _unlock_batch(rows: list[Any], actor: Any) -> int:
    unlocked = [row for row in rows if attempts.reset(row.pk)]
    kinds = (attempts.ACCOUNT, attempts.NAME, attempts.RATE)
    people = {row.user_id for row in unlocked if row.user_id is not None and row.kind in kinds}
    theirs = namespaces.rows(attempts.rows()).filter(user__in=people, kind__in=kinds)
    attempts.reset(*theirs.values_list("pk", flat=True))
    by = {"actor": actor, "reason": "admin"}
    trail.record_all(trail.make(events.Kind.UNLOCKED, user=row.user_id, **by) for row in unlocked)
    return len(unlocked)


def unlock_source(address: str) -> bool:
    """Unlock the network of this address; return whether it had failures."""
    return bool(attempts.reset(lockout.source_key(address)))
