"""Lockout: how many guesses an account, a known device and a source have.

Counting first is what makes it exact: of parallel guesses only as many are looked at as are left, in any
number of processes. A guess that was right gives its count back. What waits is the account *at unknown
devices*: a stranger who guesses at it keeps neither its sessions nor its known devices out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import connections, transaction
from django.utils.crypto import salted_hmac

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.auth import attempts, identifiers, known_devices
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context
from sessionkeeper.core.errors import TooManyTries
from sessionkeeper.http.client_address import client_address, network
from sessionkeeper.stores import user_keys
from sessionkeeper.stores.database.errors import revive, translate_errors

_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(slots=True)
class Attempt:
    """One try to sign in, counted and not decided yet.

    Attributes:
        name: the name that was given, in its one spelling.
        account: key of the row of the account.
        waits: key of the row that waits after failures: the account's, or that of the known device.
        source: key of the row of the source; None where nobody can say where the request comes from.
        state: ``open`` until it is known how it went; ``failed``, ``right``, or ``refused`` unlooked at; or
            ``none`` where no password was given.
        wait: seconds until the next try, where this one was refused.
    """

    name: str
    account: str
    waits: str
    source: str | None
    network: str = ""
    state: str = "open"
    wait: int = 0
    kept: list[Callable[[], bool]] = field(default_factory=list)

    def counts(self) -> list[tuple[str, str]]:
        """Return key and kind of the rows that count this try."""
        kind = attempts.ACCOUNT if self.waits == self.account else attempts.DEVICE
        source = [] if self.source is None else [(self.source, attempts.SOURCE)]
        return [(self.waits, kind), *source]


def counting(view: _View) -> _View:
    """Keep ``ATOMIC_REQUESTS`` from a view that counts guesses, in whatever database.

    The count stands whatever becomes of the request, and nobody waits for it while a password is hashed.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def begin(request: Any, credentials: Mapping[str, Any], *, proof: str = "") -> Attempt | None:
    """Count a try before anybody looks at the password. None where nothing is to be counted.

    Calling it again for the same try counts nothing. ``proof`` names what proves the device, in place of its
    cookie: the session, where somebody who is signed in is asked again.

    Raises:
        TooManyTries: there is no try left. It is the same whether there is such an account or not.
        StoreUnavailable: the database did not answer.
    """
    name = identifiers.name_in(credentials)
    if name is None or "password" not in credentials:
        return None
    this, normal = context.get(), identifiers.normal(name)
    if credentials["password"] is None:
        this.attempt = Attempt(normal, "", "", None, state="none")
        return None
    if this.attempt is None:
        revive()  # what follows is the first that many a request asks, and nothing to be tried twice
    if not conf.current().lockout:
        return None
    if this.attempt is not None and this.attempt.state == "open" and this.attempt.name == normal:
        attempt: Attempt = this.attempt
        return attempt
    attempt = this.attempt = _attempt(request, normal, proof)
    wait = _charge(attempt)
    if wait:
        attempt.state, attempt.wait = "refused", wait
        trail.trail.warning('refused reason="locked" name="%s" wait=%d', trail.digest(normal), wait)
        raise TooManyTries(wait)
    return attempt


def failed(request: Any, credentials: Mapping[str, Any], user_id: Any) -> bool:
    """Decide that a try failed; its count stays. Return whether anybody looked at it."""
    this = context.get()
    attempt: Attempt | None = this.attempt
    if attempt is not None and attempt.state == "none":
        this.attempt = None  # Django's signal hides the password, also where there was none
        return False
    if attempt is None or attempt.state in {"failed", "right"}:  # nobody has counted this one before
        try:
            attempt = begin(request, credentials)
        except TooManyTries:
            return True
    if attempt is None:
        return True
    if attempt.state == "refused":
        return False
    attempt.state = "failed"
    _report(attempt, user_id)
    return True


def succeeded() -> None:
    """Decide that the try under way was right: the account begins anew, the source gets its count back."""
    attempt: Attempt | None = context.get().attempt
    if attempt is None or attempt.state != "open":
        return
    attempt.state = "right"
    with translate_errors():
        attempts.begin_anew(attempt.waits, attempt.account)
        if attempt.source is not None:
            attempts.refund(attempt.source, attempts.SOURCE)


def settle() -> int:
    """Give back the count of a try that nobody decided on, and count again what a rollback undid.

    Return the seconds that a try has to wait which was refused unlooked at, else 0.
    """
    attempt: Attempt | None = context.get().attempt
    if attempt is None:
        return 0
    with translate_errors():
        if attempt.state == "open":
            attempt.state = "right"
            for key, kind in attempt.counts():
                attempts.refund(key, kind)
        elif attempt.state == "failed" and not all(kept() for kept in attempt.kept):
            attempt.kept.clear()
            _charge(attempt)
    return attempt.wait


def is_open() -> bool:
    """Whether :func:`settle` has something to do."""
    attempt: Attempt | None = context.get().attempt
    return attempt is not None and (attempt.state == "open" or not all(kept() for kept in attempt.kept))


def marks(user: Any) -> tuple[str, ...]:
    """Return by what a device remembers an account: its key, and the names that a try of it may give."""
    return (_key("user", str(user.pk)), *map(key_of, identifiers.names_of(user)))


def unlock_user(user: Any, *, reason: str, actor: Any = None) -> bool:
    """Let a user try again, under whatever name; see :func:`unlock`."""
    return sum(unlock(name, reason=reason, actor=actor) for name in identifiers.names_of(user)) > 0


def unlock(name: str, *, reason: str, actor: Any = None) -> bool:
    """End the lockout of the account with this name; return whether it had failures."""
    lifted = bool(attempts.reset(key_of(name)))
    if lifted:
        account = identifiers.find(name)
        trail.record(events.Kind.UNLOCKED, user=account.user_id, actor=actor, reason=reason)
    return lifted


def unlock_rows(rows: Iterable[Any], *, actor: Any = None) -> int:
    """Reset these counts; return how many had counted anything."""
    lifted = [row for row in rows if attempts.reset(row.pk)]
    for row in lifted:
        trail.record(events.Kind.UNLOCKED, user=row.user_id, actor=actor, reason="admin")
    return len(lifted)


def key_of(name: str) -> str:
    """Return the key of the row of the account that has this name."""
    return _key(attempts.ACCOUNT, identifiers.normal(name))


def unlock_source(address: str) -> bool:
    """Let the network of this address try again; return whether it had failures."""
    key = _key(attempts.SOURCE, network(address, ipv6=64) or "")
    return bool(attempts.reset(key))


def _attempt(request: Any, name: str, proof: str) -> Attempt:
    source = network(client_address(request), ipv6=64)
    account = _key(attempts.ACCOUNT, name)
    device = proof or known_devices.proof(request, account)
    return Attempt(
        name,
        account,
        _key(attempts.DEVICE, f"{name}\0{device}") if device else account,
        None if source is None else _key(attempts.SOURCE, source),
        source or "",
    )


def _charge(attempt: Attempt) -> int:
    """Count the try in each row. Return 0, or the seconds to wait where one of them has none left."""
    with translate_errors():
        rows = {key: (until, kind) for key, until, kind in _counts(attempt)}
        now = attempts.now()
        wait = max((attempts.wait(until, kind, now) for until, kind in rows.values()), default=0)
        if wait:
            return wait
        missing = len(rows) < len(attempt.counts())
        if not attempts.consume(attempt.counts(), attempt.network, now, missing=missing):
            return 1  # somebody else took the last one
        attempt.kept.append(attempts.commit_probe())
    return 0


def _counts(attempt: Attempt) -> Iterable[tuple[str, int, str]]:
    keys = [key for key, _ in attempt.counts()]
    return attempts.rows().filter(pk__in=keys).values_list("pk", "until", "kind")


def _report(attempt: Attempt, user_id: Any) -> None:
    """Write down a row that has to wait from now on."""
    for key, until, kind in _counts(attempt):
        wait = attempts.wait(until, kind, attempts.now())
        if wait:
            if user_keys.held(user_id) is not None and kind != attempts.SOURCE:
                attempts.rows().filter(pk=key).update(user=user_id)
            trail.record(
                events.Kind.LOCKED_OUT,
                user=user_id,
                reason=kind,
                name=trail.digest(attempt.name),
                wait=wait,
            )


def _key(kind: str, text: str) -> str:
    return salted_hmac(
        f"sessionkeeper.lockout.{kind}", namespaces.apart(text), algorithm="sha256"
    ).hexdigest()
