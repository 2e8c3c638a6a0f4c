"""Lockout: limits the failed attempts to sign in of an account, a known device and a source.

An attempt is counted before the password is checked, so that the limit is exact for parallel attempts in any
number of processes. A successful attempt takes its count back. An account is locked for *unknown devices*
only: an attacker who tries passwords affects neither its sessions nor its known devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from django.db import connections, transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.auth import attempts
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context
from sessionkeeper.core.errors import StoreUnavailable, TooManyTries
from sessionkeeper.core.keys import Secret
from sessionkeeper.engine import users
from sessionkeeper.http.client_info import network, source_address
from sessionkeeper.stores import codec
from sessionkeeper.stores.database.errors import revive, translate_errors

_MINUTE = 60
#: How many password resets a client may request, and how many mails a mailbox may get, in how many seconds.
_RESETS, _RESET_MAILS = (10, 60), (5, 3600)
_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(slots=True)
class Attempt:
    """One attempt to sign in, counted before its outcome is known.

    Attributes:
        name: the name, in the spelling of ``users.normal``.
        account: key of the row of the account.
        waits: key of the row that has to wait after failures: the account's or the known device's.
        source: key of the row of the source; None if the address is unknown.
        state: ``open`` until the outcome is known; then ``failed``, ``right``, or ``refused`` by the lockout;
            ``none`` if there was no password.
        user_id: the user whose password was wrong, if known.
        undone: whether a rollback took the count back.
        wait: seconds until the next attempt, if this one was refused.
    """

    name: str
    account: str
    waits: str
    source: str | None
    network: str = ""
    state: str = "open"
    wait: int = 0
    user_id: Any = None
    undone: bool = False

    def counts(self) -> list[tuple[str, str]]:
        """Return key and kind of each row that counts this attempt."""
        kind = attempts.ACCOUNT if self.waits == self.account else attempts.DEVICE
        source = [] if self.source is None else [(self.source, attempts.SOURCE)]
        return [(self.waits, kind), *source]


#: The current attempt to sign in.
under_way: ContextVar[Attempt | None] = context.variable("attempt")
#: The password that is being checked, with which Django may hash it anew.
under_check: ContextVar[Secret[str] | None] = context.variable("password")


class checking:  # noqa: N801 - a context manager
    """Tells that a password is being checked."""

    __slots__ = ("_token",)

    def __init__(self, password: Secret[Any]) -> None:
        self._token = under_check.set(password if isinstance(password.value, str) else None)

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, *_: object) -> None:
        """The password was checked."""
        under_check.reset(self._token)


def counting(view: _View) -> _View:
    """Exempt a view that counts attempts from ``ATOMIC_REQUESTS``, in all databases.

    So the count stays if the request fails, and locks no row while a password is hashed.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def begin(
    request: HttpRequest | None, credentials: Mapping[str, Any], *, session_id: int | None = None
) -> Attempt | None:
    """Count an attempt before the password is checked. Return None if there is nothing to count.

    A second call for the same attempt counts nothing. With ``session_id``, the failures count for that
    session, as for a known device, so that attempts from elsewhere do not lock its user out.

    Raises:
        TooManyTries: no attempt is left, whether the account exists or not.
        StoreUnavailable: the database did not answer.
    """
    name = users.name_in(credentials)
    if name is None or "password" not in credentials:
        return None
    attempt, normal = under_way.get(), users.normal(name)
    if credentials["password"] is None:
        under_way.set(Attempt(normal, "", "", None, state="none"))
        return None
    if attempt is None:
        revive()  # this is often the first query of a request, and must not be repeated
    if not conf.current().lockout:
        return None
    if attempt is not None and attempt.state == "open" and attempt.name == normal and not attempt.undone:
        return attempt
    if attempt is None:
        context.at_end(_settle_late)
    context.repeat()  # a guess that a rollback has taken back counts before the next one
    attempt = _attempt(request, normal, session_id)
    under_way.set(attempt)
    wait = _charge(attempt)
    if wait:
        attempt.state, attempt.wait = "refused", wait
        trail.trail.warning('refused reason="locked" name="%s" wait=%d', trail.digest(normal), wait)
        raise TooManyTries(wait)
    return attempt


def explain(error: TooManyTries) -> str:
    """Return how long to wait, as text for the user."""
    minutes = -(-error.retry_after // _MINUTE)
    text = ngettext(
        "That was too often. Try again in {minutes} minute.",
        "That was too often. Try again in {minutes} minutes.",
        minutes,
    )
    return text.format(minutes=minutes)


def failed(request: HttpRequest | None, credentials: Mapping[str, Any], user_id: Any) -> bool:
    """Record that an attempt failed; its count stays. Return whether the password was checked."""
    attempt = under_way.get()
    if attempt is not None and attempt.state == "none":
        under_way.set(None)  # Django's signal masks the password, also if it is None
        return False
    if attempt is None or attempt.state in {"failed", "right"}:  # this one is not counted yet
        try:
            attempt = begin(request, credentials)
        except TooManyTries:
            return True
    if attempt is None:
        return True
    if attempt.state == "refused":
        return False
    attempt.state, attempt.user_id = "failed", user_id
    _report(attempt)
    return True


def succeeded() -> None:
    """Record that the current attempt succeeded: reset the account, and refund the source."""
    attempt = under_way.get()
    if attempt is None or attempt.state != "open":
        return
    attempt.state = "right"
    context.on_rollback(trail.database(), partial(setattr, attempt, "state", "open"))
    with translate_errors():
        attempts.reset_both(attempt.waits, attempt.account)
        if attempt.source is not None:
            attempts.refund(attempt.source, attempts.SOURCE)


def settle() -> int:
    """Refund an attempt whose outcome is unknown.

    Return the seconds to wait if the lockout refused it, else 0.
    """
    attempt = under_way.get()
    if attempt is None:
        return 0
    if attempt.state == "open":
        attempt.state = "right"
        with translate_errors():
            for key, kind in () if attempt.undone else attempt.counts():
                attempts.refund(key, kind)
    return attempt.wait


def _settle_late() -> None:
    """Settle without our middleware. The response has been sent, so an outage is only logged."""
    try:
        settle()
    except StoreUnavailable:
        trail.log.warning(
            "The count of an attempt to sign in could not be corrected: the database did not answer."
        )


def is_open() -> bool:
    """Return whether :func:`settle` has something to do."""
    attempt = under_way.get()
    return attempt is not None and attempt.state == "open"


def count_reset(request: HttpRequest) -> None:
    """Count a request for a password reset, or an attempt with its token, for the client.

    A client is an IPv4 address or a /64 of IPv6. Nothing is counted where the address may be a proxy's.

    Raises:
        TooManyTries: the client has had too many.
        StoreUnavailable: the database did not answer.
    """
    revive()
    source = network(source_address(request), ipv4=32, ipv6=64)
    if source is None:
        return
    with translate_errors():
        wait = attempts.consume_reset(_key(attempts.RESET, source), *_RESETS)
    if wait:
        raise TooManyTries(wait)


def may_mail(mailbox: str) -> bool:
    """Count a mail with a link for this mailbox, and return whether it may get one.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    with translate_errors():
        return not attempts.consume_reset(mailbox_key(mailbox), *_RESET_MAILS)


def mailbox_key(mailbox: str) -> str:
    """Return the key of the row that counts the reset mails to this address."""
    return _key("mailbox", users.normal(mailbox))


def marks(user: Any) -> tuple[str, ...]:
    """Return the keys by which a device remembers an account: of the user, and of the user's names."""
    return (_key("user", str(user.pk)), *map(key_of, users.names_of(user)))


def unlock_user(user: Any, *, reason: str, actor: Any = None) -> bool:
    """Unlock a user's account, under all its names; see :func:`unlock`."""
    return sum(unlock(name, reason=reason, actor=actor) for name in users.names_of(user)) > 0


def unlock(name: str, *, reason: str, actor: Any = None) -> bool:
    """Unlock the account with this name; return whether it had failures."""
    unlocked = bool(attempts.reset(key_of(name)))
    if unlocked:
        account = users.account_named(name)
        trail.record(events.Kind.UNLOCKED, user=account.user_id, actor=actor, reason=reason)
    return unlocked


def unlock_rows(rows: Iterable[Any], *, actor: Any = None) -> int:
    """Reset these counts; return how many had counted anything."""
    rest, number = iter(rows), 0
    while batch := list(islice(rest, attempts.BATCH)):
        unlocked = [row for row in batch if attempts.reset(row.pk)]
        by = {"actor": actor, "reason": "admin"}
        trail.record_all(trail.make(events.Kind.UNLOCKED, user=row.user_id, **by) for row in unlocked)
        number += len(unlocked)
    return number


def key_of(name: str) -> str:
    """Return the key of the row of the account with this name."""
    return _key(attempts.ACCOUNT, users.normal(name))


def unlock_source(address: str) -> bool:
    """Unlock the network of this address; return whether it had failures."""
    key = _key(attempts.SOURCE, network(address, ipv6=64) or "")
    return bool(attempts.reset(key))


def _attempt(request: HttpRequest | None, name: str, session_id: int | None) -> Attempt:
    source = network(source_address(request), ipv6=64)
    account = _key(attempts.ACCOUNT, name)
    known = attempts.id_for(request, account)
    device = known if session_id is None else f"session {session_id}"
    return Attempt(
        name,
        account,
        _key(attempts.DEVICE, f"{name}\0{device}") if device else account,
        None if source is None else _key(attempts.SOURCE, source),
        source or "",
    )


def _charge(attempt: Attempt) -> int:
    """Count the attempt in each row. Return 0, or the seconds to wait if a row has no attempt left."""
    with translate_errors():
        rows = {key: (until, kind) for key, until, kind in _counts(attempt)}
        now = attempts.now()
        wait = max((attempts.wait(until, kind, now) for until, kind in rows.values()), default=0)
        if wait:
            return wait
        missing = len(rows) < len(attempt.counts())
        if not attempts.consume(attempt.counts(), attempt.network, now, missing=missing):
            return 1  # a parallel attempt took the last one
    attempt.undone = False
    context.on_rollback(trail.database(), partial(setattr, attempt, "undone", True))
    context.insist(trail.database(), namespaces.later(partial(_count_again, attempt)))
    return 0


def _count_again(attempt: Attempt) -> None:
    """Count a failure again that a rollback took back."""
    if attempt.undone and attempt.state == "failed" and not _charge(attempt):
        _report(attempt)


def _counts(attempt: Attempt) -> Iterable[tuple[str, int, str]]:
    keys = [key for key, _ in attempt.counts()]
    return attempts.rows().filter(pk__in=keys).values_list("pk", "until", "kind")


def _report(attempt: Attempt) -> None:
    """Record each row that has to wait from now on."""
    for key, until, kind in _counts(attempt):
        wait = attempts.wait(until, kind, attempts.now())
        if wait:
            if codec.held(attempt.user_id) is not None and kind != attempts.SOURCE:
                attempts.rows().filter(pk=key).update(user=attempt.user_id)
            trail.record(
                events.Kind.LOCKED_OUT,
                user=attempt.user_id,
                reason=kind,
                name=trail.digest(attempt.name),
                wait=wait,
            )


def _key(kind: str, text: str) -> str:
    return salted_hmac(
        f"sessionkeeper.lockout.{kind}", namespaces.apart(text), algorithm="sha256"
    ).hexdigest()
