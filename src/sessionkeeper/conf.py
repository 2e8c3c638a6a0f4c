"""The one place where settings are read.

``SESSIONKEEPER`` is one dict. :func:`current` returns it as a frozen, typed object, read at call time, so
that ``override_settings`` takes effect. Durations are ``timedelta`` or seconds. A broken value never stops
a request: its default holds and the system check ``sessionkeeper.E001`` names it at start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from sessionkeeper import near_options, policy, values

X_FORWARDED_FOR: Final = "X-Forwarded-For"
FORWARDED: Final = "Forwarded"
#: Entry of ``TRUSTED_PROXIES`` for a proxy that connects over a Unix socket, where there is no address.
UNIX: Final = "unix"
END_OLDEST: Final = "end_oldest"
REFUSE: Final = "refuse"
IGNORE: Final = "ignore"
NOTIFY: Final = "notify"
STEP_UP: Final = "step_up"
END: Final = "end"


#: Of what users can be told by mail.
NOTICES = ("new_device", "password_changed", "token_made", "copy_detected")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force.

    Attributes:
        store: URL of the store; ``database:`` is the default, ``database:ALIAS`` names a database.
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
        near_cache: options of the near cache; None: it is off.
        on_address_change, on_user_agent_change: what becomes of a session that is used from elsewhere.
        trusted_proxies: networks of proxies whose word on the client's address is taken, and UNIX for what
            connects without an address; empty: nobody's.
        proxy_header: the header in which they say it, ``X-Forwarded-For`` or ``Forwarded`` (RFC 7239).
        second_factor: dotted path of a function that is given a user and says whether a second factor is
            asked of them; asked besides allauth.mfa and django-otp, where those are installed.
        lockout: whether failed sign-ins are counted, and too many refused.
        lockout_tries: failures in a row that an account, or a known device, has before it waits.
        lockout_delay: the first wait; each further failure doubles it.
        lockout_longest_delay: the longest wait, up to the failure that locks until somebody lifts it.
        source_tries: failures an hour that a network of clients has.
        notices: of what users are told by mail.
        audit: whether audit events are written into their table; log lines and signals there are in any case.
        audit_retention: how long an audit event is kept; ended sessions are history for as long.
        audit_minimise_after: how long an audit event keeps the whole address and the user agent.
    """

    store: str = "database:"
    timeout_preset: str | None = None
    idle_timeout: timedelta | None = None
    absolute_timeout: timedelta | None = None
    touch_interval: timedelta | None = None
    reauthenticate_after: timedelta = policy.REAUTHENTICATE_AFTER
    rotate_after: timedelta | None = None
    rotate_overlap: timedelta = policy.ROTATE_OVERLAP
    max_sessions: int | None = None
    max_sessions_action: str = END_OLDEST
    near_cache: near_options.NearCache | None = None
    on_address_change: str = IGNORE
    on_user_agent_change: str = IGNORE
    trusted_proxies: tuple[IPv4Network | IPv6Network | str, ...] = ()
    proxy_header: str = X_FORWARDED_FOR
    second_factor: str | None = None
    lockout: bool = True
    lockout_tries: int = 5
    lockout_delay: timedelta = timedelta(minutes=1)
    lockout_longest_delay: timedelta = timedelta(hours=1)
    source_tries: int = 100
    notices: frozenset[str] = frozenset(NOTICES)
    audit: bool = True
    audit_retention: timedelta = timedelta(days=365)
    audit_minimise_after: timedelta = timedelta(days=30)

    @property
    def idle_seconds(self) -> int | None:
        """Idle timeout in seconds that a session without a choice of its own gets; None: no idle timeout."""
        if self.idle_timeout is not None:
            return int(self.idle_timeout.total_seconds())
        if self.timeout_preset is not None:
            idle = policy.PRESETS[self.timeout_preset].idle
            return None if idle is None else int(idle.total_seconds())
        return min(int(django_settings.SESSION_COOKIE_AGE), int(values.LONGEST.total_seconds()))

    @property
    def explicit_idle(self) -> bool:
        """Whether the site configured an idle timeout, so that no session may do without."""
        return self.idle_timeout is not None or self.timeout_preset is not None

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


#: Names that are reserved for later releases: setting one is an error, not a silent nothing.
NOT_YET = ("PRINCIPAL_CACHE", "ADOPT")


def _one_of(*names: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise ValueError(f"must be one of {', '.join(names)}, not {value!r}")

    return read


def _store(value: Any) -> str:
    if isinstance(value, str) and (value == "database" or value.startswith("database:")):
        return value if ":" in value else "database:"
    raise ValueError(f"must be 'database:' or 'database:ALIAS', not {value!r}")


def _network(entry: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry if isinstance(entry, str) else repr(entry))
    except ValueError as error:
        raise ValueError(f"must be networks: {error}") from error


def _networks(value: Any) -> tuple[IPv4Network | IPv6Network | str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise ValueError(f"must be a list of addresses and networks, not {value!r}")
    networks = tuple(entry if entry == UNIX else _network(entry) for entry in value)
    if any(not isinstance(network, str) and not network.prefixlen for network in networks):
        raise ValueError("must be less than all addresses: else anybody could pretend to be anybody")
    return networks


def _header(value: Any) -> str:
    for name in (X_FORWARDED_FOR, FORWARDED):
        if isinstance(value, str) and value.lower() == name.lower():
            return name
    raise ValueError(f"must be {X_FORWARDED_FOR!r} or {FORWARDED!r}, not {value!r}")


def _path(value: Any) -> str:
    if isinstance(value, str) and all(part.isidentifier() for part in value.split(".")) and "." in value:
        return value
    raise ValueError(f"must be the dotted path of a function, not {value!r}")


def _notices(value: Any) -> frozenset[str]:
    if isinstance(value, bool):
        return frozenset(NOTICES if value else ())
    if isinstance(value, list | tuple | set | frozenset) and all(one in NOTICES for one in value):
        return frozenset(value)
    raise ValueError(f"must be True, False, or a list of {', '.join(NOTICES)}, not {value!r}")


def _near_cache(value: Any) -> near_options.NearCache | None:
    return near_options.read(value, values.duration)


_READERS: dict[str, Callable[[Any], Any]] = {
    "STORE": _store,
    "TIMEOUT_PRESET": _one_of(*sorted(policy.PRESETS)),
    "IDLE_TIMEOUT": values.duration,
    "ABSOLUTE_TIMEOUT": values.duration,
    "TOUCH_INTERVAL": values.duration,
    "REAUTHENTICATE_AFTER": values.duration,
    "ROTATE_AFTER": values.duration,
    "ROTATE_OVERLAP": values.duration,
    "MAX_SESSIONS": values.number,
    "NEAR_CACHE": _near_cache,
    "MAX_SESSIONS_ACTION": _one_of(END_OLDEST, REFUSE),
    "ON_ADDRESS_CHANGE": _one_of(IGNORE, NOTIFY, STEP_UP, END),
    "ON_USER_AGENT_CHANGE": _one_of(IGNORE, NOTIFY, STEP_UP, END),
    "TRUSTED_PROXIES": _networks,
    "PROXY_HEADER": _header,
    "SECOND_FACTOR": _path,
    "LOCKOUT": values.switch,
    "LOCKOUT_TRIES": values.tries,
    "LOCKOUT_DELAY": values.duration,
    "LOCKOUT_LONGEST_DELAY": values.duration,
    "SOURCE_TRIES": values.count,
    "NOTICES": _notices,
    "AUDIT": values.switch,
    "AUDIT_RETENTION": values.duration,
    "AUDIT_MINIMISE_AFTER": values.duration,
}


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
        if name in NOT_YET:
            yield Problem(f"SESSIONKEEPER[{name!r}] is not available in this release.", "Remove it.")
        elif name not in _READERS:
            hint = near_options.did_you_mean(name, _READERS)
            yield Problem(f"SESSIONKEEPER has an unknown key {name!r}.", hint)
        elif value is not None:
            try:
                yield name.lower(), _READERS[name](value)
            except (ValueError, OverflowError) as error:
                yield Problem(f"SESSIONKEEPER[{name!r}] {error}.")


def problems() -> list[Problem]:
    """Return what is wrong with the ``SESSIONKEEPER`` setting, for the system checks."""
    return [entry for entry in _read(_raw()) if isinstance(entry, Problem)]


def current() -> Settings:
    """Return the settings in force; built once per value of ``SESSIONKEEPER``."""
    global _cached  # noqa: PLW0603 - the one cache of this module, dropped when a setting changes
    if _cached is None:
        good = [entry for entry in _read(_raw()) if not isinstance(entry, Problem)]
        _cached = Settings(**dict(good))
    return _cached


def _raw() -> Any:
    raw = getattr(django_settings, "SESSIONKEEPER", None)
    return {} if raw is None else raw


_cached: Settings | None = None


def _forget(*, setting: str, **_: Any) -> None:
    global _cached  # noqa: PLW0603
    if setting == "SESSIONKEEPER":
        _cached = None


setting_changed.connect(_forget, dispatch_uid="sessionkeeper.conf")
