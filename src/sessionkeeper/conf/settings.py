"""The one place where settings are read.

``SESSIONKEEPER`` is one dict. :func:`current` returns it as a frozen, typed object, read at call time, so
that ``override_settings`` takes effect. Durations are ``timedelta`` or seconds. A broken value never stops
a request: its default holds and the system check ``sessionkeeper.E001`` names it at start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from sessionkeeper.conf import near_cache, validators
from sessionkeeper.conf.callables import CallableSetting
from sessionkeeper.conf.validators import END_OLDEST, IGNORE, READERS, X_FORWARDED_FOR
from sessionkeeper.core import policy


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force.

    Attributes:
        store: URL of the store; ``database:`` is the default, ``database:ALIAS`` names a database. Others may
            hold a password: never show it.
        timeout_preset: ``aal1``, ``aal2`` or ``aal3`` (NIST SP 800-63B-4), or None.
        idle_timeout: longest time without a request; None means that no idle timeout was configured
            (then ``SESSION_COOKIE_AGE`` is the idle timeout, unless a preset says otherwise).
        absolute_timeout: longest life whatever happens; None means that none was configured (30 days).
        touch_interval: shortest time between two touches; None means a twentieth of the idle timeout,
            at most five minutes.
        reauthenticate_after: how long a proof of a credential counts for sensitive actions: ending other
            sessions, changing the password.
        rotate_after: how old the secret in a cookie may get while somebody is signed in; None: not renewed.
        rotate_overlap: how long the secret before is taken after the new one was first seen.
        max_sessions: how many live sessions of one transport a user may have; None: any number.
        max_sessions_action: what becomes of a sign-in beyond that: END_OLDEST or REFUSE.
        namespace: the tenant that sessions and users belong to: a text, or a function that says which one is
            active; None: the schema of the database connection, where it has one.
        near_cache: options of the near cache; None: it is off.
        principal_cache: how old the columns of a user may be that are kept in Valkey; None: none are.
        on_address_change, on_user_agent_change: what becomes of a session that is used from elsewhere.
        trusted_proxies: networks of proxies whose word on the client's address is taken, and UNIX for what
            connects without an address; empty: nobody's.
        proxy_header: the header in which they say it, ``X-Forwarded-For`` or ``Forwarded`` (RFC 7239).
        cookie_domain: by host, or by ``.domain`` for all in it, the domain of cookies, None for that host;
            or a function of the request that says so.
        cookie_partitioned: whether cookies are kept apart for each site that embeds this one (CHIPS).
        second_factor: dotted path of a function that is given a user and says whether a second factor is
            asked of them; asked besides allauth.mfa and django-otp, where those are installed.
        lockout: whether failed sign-ins are counted, and too many refused.
        lockout_tries: failures in a row that an account, or a known device, has before it waits.
        lockout_delay: the first wait; each further failure doubles it.
        lockout_longest_delay: the longest wait, up to the failure that locks until somebody lifts it.
        source_tries: failures an hour that a network of clients has.
        notices: of what users are told by mail; None: of everything, where our SessionMiddleware is there.
        audit: whether audit events are written into their table; log lines and signals there are in any case.
        audit_retention: how long an audit event is kept; ended sessions are history for as long.
        audit_minimise_after: how long an audit event keeps the whole address and the user agent.
        asked: by key, functions that are asked for its value; the key's own field has the default.
        adopt: dotted path of the session engine that was used before, whose sessions are taken over; or None.
    """

    store: str = field(default="database:", repr=False)
    timeout_preset: str | None = None
    idle_timeout: timedelta | None = None
    absolute_timeout: timedelta | None = None
    touch_interval: timedelta | None = None
    reauthenticate_after: timedelta = policy.REAUTHENTICATE_AFTER
    rotate_after: timedelta | None = None
    rotate_overlap: timedelta = policy.ROTATE_OVERLAP
    max_sessions: int | None = None
    max_sessions_action: str = END_OLDEST
    namespace: str | CallableSetting | None = None
    near_cache: near_cache.NearCache | None = None
    principal_cache: timedelta | None = None
    on_address_change: str = IGNORE
    on_user_agent_change: str = IGNORE
    trusted_proxies: tuple[IPv4Network | IPv6Network | str, ...] = ()
    proxy_header: str = X_FORWARDED_FOR
    cookie_domain: Mapping[str, str | None] | CallableSetting | None = None
    cookie_partitioned: bool = False
    second_factor: str | None = None
    lockout: bool = True
    lockout_tries: int = 5
    lockout_delay: timedelta = timedelta(minutes=1)
    lockout_longest_delay: timedelta = timedelta(hours=1)
    source_tries: int = 100
    notices: frozenset[str] | None = None
    audit: bool = True
    audit_retention: timedelta = timedelta(days=365)
    audit_minimise_after: timedelta = timedelta(days=30)
    asked: Mapping[str, CallableSetting] = field(default_factory=dict)
    adopt: str | None = None

    @property
    def watches_clients(self) -> bool:
        """Whether it matters that a session is used from elsewhere."""
        return self.on_address_change != IGNORE or self.on_user_agent_change != IGNORE

    @property
    def idle_seconds(self) -> int | None:
        """Idle timeout in seconds that a session without a choice of its own gets; None: no idle timeout."""
        if self.idle_timeout is not None:
            return int(self.idle_timeout.total_seconds())
        if self.timeout_preset is not None:
            idle = policy.PRESETS[self.timeout_preset].idle
            return None if idle is None else int(idle.total_seconds())
        return min(int(django_settings.SESSION_COOKIE_AGE), int(validators.LONGEST.total_seconds()))

    @property
    def explicit_idle(self) -> bool:
        """Whether the site configured an idle timeout, so that no session may do without."""
        return self.idle_timeout is not None or self.timeout_preset is not None

    @property
    def limits_life(self) -> bool:
        """Whether the site configured here how long sessions live."""
        return self.explicit_idle or self.absolute_cap is not None or not _LIFE.isdisjoint(self.asked)

    @property
    def absolute(self) -> timedelta:
        """Absolute timeout of a session in which somebody signed in."""
        return self.absolute_cap or policy.DEFAULT_ABSOLUTE

    @property
    def absolute_cap(self) -> timedelta | None:
        """The configured absolute timeout, which no session exceeds; None when none was configured."""
        if self.absolute_timeout is not None:
            return self.absolute_timeout
        if self.timeout_preset is not None:
            return policy.PRESETS[self.timeout_preset].absolute
        return None


_LIFE = frozenset({"TIMEOUT_PRESET", "IDLE_TIMEOUT", "ABSOLUTE_TIMEOUT"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with ``SESSIONKEEPER``: a sentence and, where there is one, the fix."""

    message: str
    hint: str = ""


def _read(raw: Any) -> Iterator[tuple[str, Any] | Problem]:
    if not isinstance(raw, dict):
        yield Problem(f"SESSIONKEEPER must be a dict, not {type(raw).__name__}.")
        return
    for name, value in raw.items():
        if name not in READERS:
            hint = near_cache.did_you_mean(name, READERS)
            yield Problem(f"SESSIONKEEPER has an unknown key {name!r}.", hint)
        elif value is not None:
            try:
                yield name.lower(), READERS[name](value)
            except (ValueError, OverflowError) as error:
                yield Problem(f"SESSIONKEEPER[{name!r}] {error}.")


def problems() -> list[Problem]:
    """Return what is wrong with the ``SESSIONKEEPER`` setting, for the system checks."""
    return [entry for entry in _read(_raw()) if isinstance(entry, Problem)]


def current() -> Settings:
    """Return the settings in force; built once per value of ``SESSIONKEEPER``."""
    global _cached  # noqa: PLW0603 - the one cache of this module, dropped when a setting changes
    if _cached is None:
        good = dict(entry for entry in _read(_raw()) if not isinstance(entry, Problem))
        asked = {value.name: value for name, value in good.items() if _is_asked(name, value)}
        plain = {name: value for name, value in good.items() if not _is_asked(name, value)}
        _cached = Settings(**plain, asked=asked)
    return _cached


def _is_asked(name: str, value: Any) -> bool:
    # No user and no other value decides these two.
    return isinstance(value, CallableSetting) and name not in {"cookie_domain", "namespace"}


def _raw() -> Any:
    raw = getattr(django_settings, "SESSIONKEEPER", None)
    return {} if raw is None else raw


_cached: Settings | None = None


def _forget(*, setting: str, **_: Any) -> None:
    global _cached  # noqa: PLW0603
    if setting == "SESSIONKEEPER":
        _cached = None


setting_changed.connect(_forget, dispatch_uid="sessionkeeper.conf")
