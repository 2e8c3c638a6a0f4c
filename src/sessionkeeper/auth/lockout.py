"""Lockout: limits the failed attempts to sign in of an account, a known device and a source.

An attempt is counted before the password is checked, so that the limit is exact for parallel attempts in any
number of processes. A successful attempt takes its count back. An account is locked for *unknown devices*
only: an attacker who tries passwords affects neither its sessions nor its known devices.

An attempt counts under the name, in a spelling that many names share, and under the primary key of the
account that the name finds. Success forgives what was counted for the account that was proven, and nothing
else: another account may share the name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from django.db import connections, router, transaction
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
from sessionkeeper.stores.database.errors import on_live_connection, revive, translate_errors

_MINUTE = 60
#: Takes the place of the account where a name finds none, so that each name has as many rows.
_NOBODY = "nobody"
_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(slots=True)
class Attempt:
    """One attempt to sign in, counted before its outcome is known.

    Attributes:
        found: each name as it was typed, and the account that our look-up finds by it.
        counts: key and kind of each row that counts this attempt.
        owners: for rows of one account, the key of the row and the mark of the account.
        only: the mark of the account whose password is asked for; empty if any will do.
        network: the network of the source; empty if it is unknown or not counted.
        state: ``open`` until the outcome is known; then ``failed``, ``right``, or ``refused`` by the lockout;
            ``none`` if there was no password.
        user_id: the user whose password was wrong, if known.
        undone: whether it is not counted: not yet, or because a rollback took the count back.
        wait: seconds until the next attempt, if this one was refused.
        spared: keys of the rows that would count this attempt on an unknown device.
        failures: what all these rows had counted before this attempt.
        held: whether what a success forgives is written by :func:`release`.
        owed: what that is: how many failures, by the key of the row.
    """

    found: dict[str, users.Account] = field(default_factory=dict)
    counts: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    only: str = ""
    network: str = ""
    state: str = "open"
    wait: int = 0
    spared: list[str] = field(default_factory=list)
    failures: Mapping[str, int] = field(default_factory=dict)
    user_id: Any = None
    undone: bool = True
    held: bool = False
    owed: Mapping[str, int] | None = None

    def count(self, kind: str, text: str, owner: str = "") -> None:
        """Count in one more row."""
        key = _key(kind, text)
        if key in self.counts and self.owners.get(key, "") != owner:
            owner = ""  # two names that are spelled alike, of two accounts
        self.counts[key] = attempts.ACCOUNT if kind == _NOBODY else kind
        self.owners[key] = owner

    @property
    def name(self) -> str:
        """The first name, in the spelling of ``users.normal``; empty if there is none."""
        return users.normal(next(iter(self.found), ""))


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
    request: HttpRequest | None,
    credentials: Mapping[str, Any],
    *,
    user: Any = None,
    session_id: int | None = None,
) -> Attempt | None:
    """Count an attempt before the password is checked. Return None if there is nothing to count.

    A second call for the same attempt counts nothing. With ``user``, the password of another account counts
    as wrong. With ``session_id`` too, and no name but the user's own, the failures count for that session
    only, so that attempts from elsewhere do not lock its user out.

    Raises:
        TooManyTries: no attempt is left, whether the account exists or not.
        StoreUnavailable: a database did not answer.
    """
    if not users.is_attempt(credentials):
        return None
    attempt, names = under_way.get(), users.names_in(credentials)
    if credentials["password"] is None:
        under_way.set(Attempt(state="none"))
        return None
    if not conf.current().lockout:
        if attempt is None:
            revive()  # the backend's query is often the first of a request
        return None
    if attempt is not None and (attempt.state, attempt.undone, {*attempt.found}) == ("open", False, {*names}):
        return attempt
    if attempt is None:
        context.at_end(_settle_late)
    context.repeat()  # a guess that a rollback has taken back counts before the next one
    attempt = _attempt(request, names, user, session_id)
    under_way.set(attempt)
    wait = _charge(attempt)
    if wait:
        attempt.state, attempt.wait = "refused", wait
        trail.trail.warning('refused reason="locked" name="%s" wait=%d', trail.digest(attempt.name), wait)
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


def found(name: str) -> users.Account | None:
    """Return the account that the current attempt found by this name; None if it has to be looked up.

    An e-mail address has: our look-up is by natural key.
    """
    attempt = under_way.get()
    return None if attempt is None or "@" in name else attempt.found.get(name)


def succeeded(user: Any) -> None:
    """Record that the current attempt has proven this account: forgive its failures, and no other's."""
    attempt = under_way.get()
    if attempt is None or attempt.state != "open":
        return
    proven = _mark("user", str(user.pk))
    if attempt.only not in {"", proven}:
        return  # that it is not the account that was asked for is a failure
    attempt.state = "right"
    context.on_rollback(trail.database(), partial(setattr, attempt, "state", "open"))
    account = key_of(user.pk)
    earlier, lost = attempt.failures.get(account, 0), dict.fromkeys(attempt.counts, 1)
    for key, kind in attempt.counts.items():
        if attempt.owners[key] == proven:
            lost[key] = earlier + 1 if kind == attempts.NAME else attempts.ALL
    if earlier or account not in attempt.spared:  # else there is nothing to forgive
        lost[account] = attempts.ALL
    with translate_errors():
        for name, found in attempt.found.items():
            nobody, shared = nobody_key(name), name_key(name)
            if found.user_id == user.pk and earlier and users.natural_keys_suffice():
                lost[shared] = earlier + (shared in attempt.counts)
            elif attempt.failures.get(nobody) and found.user_id is None and _is_own(name, user):
                lost[nobody] = attempts.ALL
        _forgive(attempt, lost)


def _forgive(attempt: Attempt, lost: Mapping[str, int], *, is_own: bool = False) -> None:
    """Take failures back. A transaction has locked only the rows that have counted the attempt.

    The others then follow at the commit, since two transactions could deadlock. Our own has locked none yet.
    """
    if attempt.held:
        attempt.owed = lost
        return
    counted = {key: number for key, number in lost.items() if key in attempt.counts}
    others = {key: number for key, number in lost.items() if key not in counted}
    if others and connections[trail.database()].in_atomic_block and not is_own:
        waiting = dict(others)
        transaction.on_commit(lambda: attempts.give_back({}, waiting), using=trail.database(), robust=True)
        others = {}
    attempts.give_back(counted, others)


def hold() -> None:
    """Let :func:`release` write what a success of the current attempt forgives."""
    attempt = under_way.get()
    if attempt is not None:
        attempt.held = True


def release(*, is_own: bool = False) -> None:
    """Write what the success forgives; ``is_own`` in a transaction of ours that has not counted anything.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    attempt = under_way.get()
    if attempt is None:
        return
    attempt.held, lost, attempt.owed = False, attempt.owed, None
    if lost is not None:
        context.on_rollback(trail.database(), partial(setattr, attempt, "owed", lost))
        with translate_errors():
            _forgive(attempt, lost, is_own=is_own)


def settle() -> int:
    """Refund an attempt whose outcome is unknown.

    Return the seconds to wait if the lockout refused it, else 0.
    """
    attempt = under_way.get()
    if attempt is None:
        return 0
    if attempt.state == "open":
        attempt.state = "right"
        if not attempt.undone:  # else this would give back an earlier failure
            with translate_errors():
                attempts.give_back(dict.fromkeys(attempt.counts, 1))
    release()  # of a sign-in that failed after the proof
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
    return attempt is not None and (attempt.state == "open" or attempt.owed is not None)


def mailbox_key(mailbox: str) -> str:
    """Return the key of the row that counts the reset mails to this address."""
    return _key("mailbox", users.normal(mailbox))


def marks(user: Any, device: attempts.Device | None = None) -> tuple[str, ...]:
    """Return the marks by which a device remembers the account that has just signed in.

    Beside that of the user it is, for a name that our look-up does not find and no other account shares, one
    of the name and the user.
    """
    mark, attempt = _mark("user", str(user.pk)), under_way.get()
    found = {} if attempt is None or attempt.state != "right" else attempt.found
    named = {_mark("name", users.normal(name)) + mark: name for name in found if found[name].user_id is None}
    known = () if device is None else device.accounts
    return (mark, *(one for one, name in named.items() if one in known or _is_own(name, user)))


def _is_own(name: str, user: Any) -> bool:
    with translate_errors():
        return not users.shares_name(name, user.pk)


def name_key(name: str) -> str:
    """Return the key of the row of this name, in all its spellings."""
    return _key(attempts.NAME, users.normal(name))


def keys_of(name: str) -> list[str]:
    """Return the keys of the rows that count attempts under this name, whoever has it."""
    return [name_key(name), _key(attempts.RATE, users.normal(name)), nobody_key(name)]


def key_of(pk: Any) -> str:
    """Return the key of the row of the account with this primary key."""
    return _key(attempts.ACCOUNT, str(pk))


def client_key(client: str) -> str:
    """Return the key of the row that counts the resets which this client asks for."""
    return _key(attempts.RESET, client)


def source_key(address: str) -> str:
    """Return the key of the row of the network of this address."""
    return _key(attempts.SOURCE, network(address, ipv6=64) or "")


def _attempt(request: HttpRequest | None, names: list[str], user: Any, session_id: int | None) -> Attempt:
    """Return an attempt with the rows that will count it, which depend on who may be trying."""
    attempt = Attempt()
    if user is not None:
        attempt.only = _mark("user", str(user.pk))
        if session_id is not None and names == [user.get_username()]:
            attempt.found = {names[0]: users.Account(user.pk, is_active=True)}
            attempt.count(attempts.DEVICE, f"{user.pk}\0session {session_id}", attempt.only)
            attempt.spared.append(key_of(user.pk))
            revive()  # the count may be the first statement, and must not be repeated
            return attempt
    with translate_errors():
        attempt.found = {name: _look_up(name) for name in names}
    device = attempts.read(request)
    is_known = [_count_name(attempt, name, device) for name in names]
    source = None if is_known and all(is_known) else _source_of(request)
    if source is not None:
        attempt.network = source
        attempt.count(attempts.SOURCE, source)
    return attempt


def _look_up(name: str) -> users.Account:
    """Return the account of a name. After this, the connection that counts is no lost one."""
    model = codec.user_model()
    alias = None if model is None else router.db_for_read(model)
    if alias != trail.database():
        revive()
        return users.by_natural_key(name)
    return on_live_connection(connections[alias], users.by_natural_key, name)


def _count_name(attempt: Attempt, name: str, device: attempts.Device | None) -> bool:
    """Add the rows that count a name; return whether its account is known to the device.

    With backends that look elsewhere than we do, a failure may be at an account that we have not found. There
    the name has a limit that no success lifts: for a known device, one of all devices of its account.
    """
    pk, normal = attempt.found[name].user_id, users.normal(name)
    owner = "" if pk is None else _mark("user", str(pk))
    if device is not None:
        account = device.account_of(_mark("name", normal)) if pk is None else owner
        if account is not None and device.knows(account):
            attempt.count(attempts.DEVICE, f"{account}\0{device.id}", account)
            if not users.natural_keys_suffice():
                attempt.count(attempts.RATE, f"{normal}\0{account}")
            attempt.spared.append(nobody_key(name) if pk is None else key_of(pk))
            return True
    if pk is None:
        attempt.count(_NOBODY, _nobody_text(name))
    else:
        attempt.count(attempts.ACCOUNT, str(pk), owner)
    if users.natural_keys_suffice():
        attempt.count(attempts.NAME, normal, owner)
    else:
        attempt.count(attempts.RATE, normal)
    return False


def nobody_key(name: str) -> str:
    """Return the key of the row that takes the place of an account which this name does not find."""
    return _key(_NOBODY, _nobody_text(name))


def _nobody_text(name: str) -> str:
    """Return what is one for all names that would find the same account, if there were one.

    The default collations of MySQL and MariaDB ignore case and accents.
    """
    model: Any = codec.user_model()
    ignores = model is not None and connections[router.db_for_read(model)].vendor == "mysql"
    return users.normal(name) if ignores else name


def _source_of(request: HttpRequest | None) -> str | None:
    """Return the network that an attempt comes from; None if it is unknown."""
    return network(source_address(request), ipv6=64)


def _charge(attempt: Attempt) -> int:
    """Count the attempt in each row. Return 0, or the seconds to wait if a row has no attempt left."""
    if not attempt.counts:
        return 0
    with translate_errors():
        attempt.failures, wait = attempts.consume(
            [*attempt.counts.items()], attempt.network, attempts.now(), attempt.spared
        )
    if wait:
        return wait
    attempt.undone = False
    context.on_rollback(trail.database(), partial(setattr, attempt, "undone", True))
    context.insist(trail.database(), namespaces.later(partial(_count_again, attempt)))
    return 0


def _count_again(attempt: Attempt) -> None:
    """Count a failure again that a rollback took back."""
    if attempt.undone and attempt.state == "failed" and not _charge(attempt):
        _report(attempt)


def _report(attempt: Attempt) -> None:
    """Record each row that has to wait from now on; an account and its name once."""
    now = attempts.now()
    waits = {row.key: attempts.wait(row.until, row.kind, now) for row in attempts.counts_of(attempt.counts)}
    waiting = {key: wait for key, wait in waits.items() if wait}
    for account in attempt.found.values():
        owner = _mark("user", str(account.user_id))
        theirs = [key for key in waiting if attempt.owners[key] == owner]
        if theirs and codec.held(account.user_id) is not None:
            attempts.rows().filter(pk__in=theirs).update(user=account.user_id)
    kinds = {attempt.counts[key]: wait for key, wait in waiting.items()}
    if attempts.ACCOUNT in kinds:
        kinds.pop(attempts.NAME, None)
        kinds.pop(attempts.RATE, None)
    for kind, wait in kinds.items():
        trail.record(
            events.Kind.LOCKED_OUT,
            user=attempt.user_id,
            reason=kind,
            name=trail.digest(attempt.name),
            wait=wait,
        )


def _mark(kind: str, text: str) -> str:
    return _key(kind, text)[: attempts.MARK]


def _key(kind: str, text: str) -> str:
    return salted_hmac(
        f"sessionkeeper.lockout.{kind}", namespaces.apart(text), algorithm="sha256"
    ).hexdigest()
