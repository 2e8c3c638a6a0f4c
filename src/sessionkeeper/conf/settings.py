"""The settings of ``SESSIONKEEPER``: their table, and the object with the settings in force.

:func:`current` returns the settings as a frozen, typed object, read at call time, so that
``override_settings`` takes effect. A wrong value never stops a request: its default is used, and the system
check ``sessionkeeper.E001`` reports it at startup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from sessionkeeper.conf import near_cache, table, validators
from sessionkeeper.conf.callables import CallableSetting, is_path
from sessionkeeper.conf.table import Problem, setting
from sessionkeeper.conf.validators import END_OLDEST, IGNORE, X_FORWARDED_FOR
from sessionkeeper.core import records

_PER_REQUEST = "A function that takes request and user, or its dotted path, is accepted too."
_CHANGE = validators.one_of(IGNORE, validators.NOTIFY, validators.STEP_UP, validators.END)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force. The settings reference is made from this class.

    ``asked`` contains, by key, the functions that replace a value. The field of such a key has its default.
    ``store`` may contain a password and must not be shown.
    """

    store: str = setting("database:", validators.store, unit="URL", secret=True)
    """Where sessions are kept. `"database:"`: the database that the database routers choose for writing
    `sessionkeeper.Session`; `"database:ALIAS"`: that entry of `DATABASES`; `"redis://host/0"` and similar
    URLs: [Valkey or Redis](../howto/valkey.md)."""
    timeout_preset: str | None = setting(None, validators.one_of(*sorted(records.PRESETS)), per_request=True)
    """`"aal1"`, `"aal2"` or `"aal3"`: the times of NIST SP 800-63B-4, see below. Only times: it says nothing
    about how users authenticate."""
    idle_timeout: timedelta | None = setting(
        None, validators.duration, shown="the preset's; without one `SESSION_COOKIE_AGE`", per_request=True
    )
    """Longest time without a request."""
    absolute_timeout: timedelta | None = setting(
        None, validators.duration, shown="the preset's; without one 30 days", per_request=True
    )
    """Longest life of a session in which somebody signed in, counted from the sign-in, however much it is
    used."""
    touch_interval: timedelta | None = setting(
        None, validators.duration, shown="a twentieth of the session's idle timeout, at most 5 minutes"
    )
    """The use of a session is recorded at most this often. Keep it well below the idle timeout, which is only
    as exact as this."""
    second_factor: str | None = setting(None, validators.path, unit="dotted path")
    """A function that takes a user and returns whether they have a second factor. allauth.mfa and django-otp
    need none: where they are installed they are asked as well; see [the API](api.md#second-factor)."""
    reauthenticate_after: timedelta = setting(
        records.REAUTHENTICATE_AFTER, validators.duration, per_request=True
    )
    """How long a proof of a credential counts for sensitive actions: ending other sessions, changing the
    password."""
    rotate_after: timedelta | None = setting(None, validators.duration, shown="none: keys are not renewed")
    """While somebody is signed in, the cookie gets another key this often, and an old one that comes back
    ends the session. [See below](#renewal-of-the-key)."""
    rotate_overlap: timedelta = setting(records.ROTATE_OVERLAP, validators.duration)
    """How long the previous key is still accepted after a request has come with the new one. It should be at
    least as long as the longest upload that a proxy buffers, so that such uploads succeed."""
    max_sessions: int | None = setting(
        None, validators.integer(), unit="sessions", shown="none: any number", per_request=True
    )
    """How many live sessions a user may have in cookies. Tokens are counted separately, by `MAX_TOKENS`."""
    max_sessions_action: str = setting(
        END_OLDEST, validators.one_of(END_OLDEST, validators.REFUSE), per_request=True
    )
    """What happens to a sign-in beyond that. `"end_oldest"`: the sessions whose sign-in or last proof is
    longest ago end, recorded as `revoked` with the reason `limit`. `"refuse"`: nobody is signed in, the
    answer is 409 `too_many_sessions`."""
    max_tokens: int | None = setting(
        None,
        validators.integer(),
        unit="sessions",
        shown="`MAX_SESSIONS`, at most 100; without one 100",
        per_request=True,
    )
    """How many live bearer tokens a user may have. There is no token beyond that: the answer is 409
    `too_many_sessions` until the user ends one, or one expires."""
    namespace: str | CallableSetting | None = setting(
        None,
        validators.namespace,
        shown="the schema of the database connection with django-tenants and django-pgschemas; else none",
        type="text or function",
    )
    """The tenant that sessions and users belong to: a function without arguments, or its dotted path, that
    returns the name of the active tenant; or one text for the whole site. Where it returns nothing, nothing
    is read or written: [tenants](../howto/tenants.md)."""
    near_cache: near_cache.NearCache | None = setting(
        None, near_cache.read, shown="`False`", type="bool or dict"
    )
    """Whether each process remembers who its sessions authenticate, so that `request.user` needs no
    statement; or its options: [see below](#the-near-cache)."""
    principal_cache: timedelta | None = setting(None, validators.duration, shown="none: nothing is kept")
    """With the sessions in [Valkey or Redis](../howto/valkey.md#without-the-database): how old the columns of
    a user may be that are kept with a session there. The database is then asked once in this time for each
    session, not at each request."""
    on_address_change: str = setting(IGNORE, _CHANGE)
    """What happens to a session in a cookie whose user comes from another network (/24, /48 of IPv6).
    `"notify"`: the event `address_changed` is recorded and its signal sent. `"step_up"`: also, the last proof
    no longer counts for sensitive actions. `"end"`: also, the session ends. With a near cache, `request.user`
    then asks the store."""
    on_user_agent_change: str = setting(IGNORE, _CHANGE)
    """The same for a user agent that differs in more than numbers, with the event `user_agent_changed`."""
    trusted_proxies: tuple[IPv4Network | IPv6Network | str, ...] = setting(
        (), validators.networks, unit="addresses, networks", shown="`[]`", type="list of text"
    )
    """Reverse proxies in front of the site, as in `["10.0.0.0/8", "2001:db8::/32"]`; `"unix"` for one that
    connects over a Unix socket. [See below](#the-clients-address)."""
    proxy_header: str = setting(X_FORWARDED_FOR, validators.header)
    """The header in which those proxies say who connected to them; or `"Forwarded"` (RFC 7239)."""
    cookie_domain: Mapping[str, str | None] | CallableSetting | None = setting(
        None,
        validators.cookie_domain,
        unit="domains",
        shown="none: `SESSION_COOKIE_DOMAIN`",
        type="dict, function or text",
    )
    """The domain of the session cookie and of the known-device cookie, for each host. [See
    below](#a-domain-for-each-host)."""
    cookie_partitioned: bool = setting(False, validators.switch)
    """Whether cookies are kept apart for each site that embeds this one. [See
    below](#in-frames-of-other-sites)."""
    cross_site_views: frozenset[str] = setting(
        frozenset(), validators.views, unit="dotted paths, URL names", shown="`[]`", type="list of text"
    )
    """Views marked `csrf_exempt` that may open the session and sign in for pages of other sites. [See
    below](#views-for-other-sites)."""
    lockout: bool = setting(True, validators.switch)
    """Whether failed sign-ins are counted, and refused when there are too many: see
    [guessing](../howto/guessing.md)."""
    lockout_tries: int = setting(5, validators.integer(records.MOST_FAILURES), unit="failures")
    """Failures in a row that an account has at unknown devices, and each known device, before it has to wait;
    1 to 100, the most that NIST SP 800-63B-4 (3.2.2) allows."""
    lockout_delay: timedelta = setting(timedelta(minutes=1), validators.duration)
    """The first wait; each further failure doubles it."""
    lockout_longest_delay: timedelta = setting(timedelta(hours=1), validators.duration)
    """The longest wait. After 100 failures in a row the account stays locked until somebody unlocks it."""
    source_tries: int = setting(100, validators.integer(1_000_000), unit="failures an hour")
    """Failures that a network of clients, /24 or /64 of IPv6, has on unknown devices."""
    notices: frozenset[str] | None = setting(
        None,
        validators.notices,
        shown="`True` with sessionkeeper's `SessionMiddleware`, else `False`",
        type="bool or list",
    )
    """What users are told by mail: a list of `"new_device"`, `"password_changed"`, `"token_made"`,
    `"copy_detected"`; `True` for all, `False` for none."""
    audit: bool = setting(True, validators.switch)
    """Whether [audit events](audit.md) are written to their table: one INSERT at each sign-in and sign-out.
    Log lines and signals do not depend on it."""
    audit_retention: timedelta = setting(timedelta(days=365), validators.duration)
    """How long a purge keeps audit events, and ended sessions in the history."""
    audit_minimise_after: timedelta = setting(timedelta(days=30), validators.duration)
    """How long an audit event keeps the whole address and the user agent; a purge then leaves the network,
    /24 or /48."""
    adopt: str | None = setting(None, validators.engine, unit="dotted path")
    """The `SESSION_ENGINE` that the site used before, `"django.contrib.sessions.backends.db"` or
    `"…cached_db"`, or a subclass of these: its sessions are taken over as their cookies come, and nobody has
    to sign in again. [How](../howto/existing-project.md)."""
    asked: Mapping[str, CallableSetting] = field(default_factory=dict)

    @property
    def store_alias(self) -> str | None:
        """The database that ``STORE`` names; empty if database routers choose it, None for other stores."""
        kind, _, alias = self.store.partition(":")
        return alias if kind == "database" else None

    @property
    def watches_clients(self) -> bool:
        """Whether a change of the client's address or user agent matters."""
        return self.on_address_change != IGNORE or self.on_user_agent_change != IGNORE

    @property
    def most_tokens(self) -> int:
        """How many live bearer tokens a user may have."""
        return self.max_tokens or min(self.max_sessions or records.MOST_TOKENS, records.MOST_TOKENS)

    @property
    def idle_seconds(self) -> int | None:
        """The idle timeout, in seconds, of a session without its own; None if there is no idle timeout."""
        if self.idle_timeout is not None:
            return int(self.idle_timeout.total_seconds())
        if self.timeout_preset is not None:
            idle = records.PRESETS[self.timeout_preset].idle
            return None if idle is None else int(idle.total_seconds())
        return min(int(django_settings.SESSION_COOKIE_AGE), int(validators.LONGEST.total_seconds()))

    @property
    def explicit_idle(self) -> bool:
        """Whether the settings contain an idle timeout, so that every session has one."""
        return self.idle_timeout is not None or self.timeout_preset is not None

    @property
    def limits_life(self) -> bool:
        """Whether ``SESSIONKEEPER`` limits how long sessions live."""
        return self.explicit_idle or self.absolute_cap is not None or not _LIFE.isdisjoint(self.asked)

    @property
    def absolute(self) -> timedelta:
        """The absolute timeout of a session in which somebody signed in."""
        return self.absolute_cap or records.DEFAULT_ABSOLUTE

    @property
    def absolute_cap(self) -> timedelta | None:
        """The configured absolute timeout, which no session exceeds; None if there is none."""
        if self.absolute_timeout is not None:
            return self.absolute_timeout
        if self.timeout_preset is not None:
            return records.PRESETS[self.timeout_preset].absolute
        return None


_LIFE = frozenset({"TIMEOUT_PRESET", "IDLE_TIMEOUT", "ABSOLUTE_TIMEOUT"})


def _raw() -> Any:
    raw = getattr(django_settings, "SESSIONKEEPER", None)
    return {} if raw is None else raw


def _read() -> Iterator[tuple[str, Any] | Problem]:
    raw = _raw()
    if not isinstance(raw, dict):
        yield Problem(f"SESSIONKEEPER must be a dict, not {type(raw).__name__}.")
        return
    known = table.settings_of(Settings)
    for key, value in raw.items():
        per_request = key in known and known[key].per_request
        try:
            if per_request and (callable(value) or is_path(value)):
                yield key, CallableSetting(key, value, known[key].reader)
            elif value is not None or key not in known:
                yield key, table.read(Settings, key, value)
        except Problem as problem:
            yield Problem(
                f"SESSIONKEEPER{problem.message}.", problem.hint or (_PER_REQUEST if per_request else "")
            )


def problems() -> list[Problem]:
    """Return what is wrong with the ``SESSIONKEEPER`` setting, for the system checks."""
    return [entry for entry in _read() if isinstance(entry, Problem)]


def current() -> Settings:
    """Return the settings in force; built once per value of ``SESSIONKEEPER``."""
    global _cached  # noqa: PLW0603 - the one cache of this module, dropped when a setting changes
    if _cached is None:
        good = dict(entry for entry in _read() if not isinstance(entry, Problem))
        known = table.settings_of(Settings)
        asked = {
            key: value
            for key, value in good.items()
            if known[key].per_request and isinstance(value, CallableSetting)
        }
        _cached = Settings(
            **{key.lower(): value for key, value in good.items() if key not in asked}, asked=asked
        )
    return _cached


_cached: Settings | None = None


def _forget(*, setting: str, **_: Any) -> None:
    global _cached  # noqa: PLW0603
    if setting == "SESSIONKEEPER":
        _cached = None


setting_changed.connect(_forget, dispatch_uid="sessionkeeper.conf")
