"""Reads the values of ``SESSIONKEEPER``, each key by its own function. A wrong one is a ValueError."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from sessionkeeper.conf import near_cache, redis_url
from sessionkeeper.conf.callables import CallableSetting, is_path, or_asked
from sessionkeeper.core import policy

#: What every database's integers and calendars hold.
LONGEST = timedelta(days=50 * 365)
_MOST = 1_000_000


def duration(value: Any) -> timedelta:
    """Return a duration longer than nothing."""
    if isinstance(value, timedelta):
        duration = value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        duration = timedelta(seconds=value)
    else:
        raise ValueError(f"must be a timedelta or a number of seconds, not {value!r}")
    if duration <= timedelta(0):
        raise ValueError(f"must be longer than nothing, not {value!r}")
    if duration > LONGEST:
        raise ValueError(f"must be shorter than {LONGEST.days // 365} years, not {value!r}")
    return duration


def count(value: Any) -> int:
    """Return a whole number from 1."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST:
        return value
    raise ValueError(f"must be a whole number from 1 to {_MOST:,}, not {value!r}")


def tries(value: Any) -> int:
    """Return a number of failures that a lockout may wait for."""
    if count(value) <= policy.MOST_FAILURES:
        return int(value)
    raise ValueError(f"must be at most {policy.MOST_FAILURES} (NIST SP 800-63B-4, 3.2.2), not {value!r}")


def number(value: Any) -> int:
    """Return a whole number above 0."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"must be a whole number above 0, not {value!r}")


def switch(value: Any) -> bool:
    """Return True or False."""
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be True or False, not {value!r}")


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
LONGEST_NAMESPACE: Final = 100

#: Of what users can be told by mail.
NOTICES = ("new_device", "password_changed", "token_made", "copy_detected")


def _one_of(*names: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise ValueError(f"must be one of {', '.join(names)}, not {value!r}")

    return read


def _store(value: Any) -> str:
    if isinstance(value, str) and (value == "database" or value.startswith("database:")):
        return value if ":" in value else "database:"
    if redis_url.is_redis(value):
        redis_url.parse(value)
        return str(value)
    scheme = repr(value.partition(":")[0]) if isinstance(value, str) else type(value).__name__
    raise ValueError(f"must be 'database:', 'database:ALIAS', or a URL such as redis://host/0, not {scheme}")


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
    if is_path(value):
        return str(value)
    raise ValueError(f"must be the dotted path of a function, not {value!r}")


def _engine(value: Any) -> str:
    if value == "sessionkeeper.engine":
        raise ValueError("must be the engine that was used before, not ours")
    try:
        return _path(value)
    except ValueError:
        raise ValueError(f"must be the dotted path of a session engine, not {value!r}") from None


def covers(domain: str, host: str) -> bool:
    """Whether a host may set cookies of this domain, as far as its name tells (RFC 6265, 5.1.3)."""
    name = domain.lower().removeprefix(".")
    return bool(name) and (host.lower() == name or host.lower().endswith(f".{name}"))


def _cookie_domain(value: Any) -> Any:
    if callable(value) or is_path(value):
        return CallableSetting("COOKIE_DOMAIN", value, str)
    if not isinstance(value, dict):
        raise ValueError(f"must be a dict of hosts and domains, or a function of the request, not {value!r}")
    for host, domain in value.items():
        if not isinstance(host, str) or not isinstance(domain, str | None):
            raise ValueError(f"must name hosts and their domains as text, not {host!r}: {domain!r}")
        if domain is not None and not covers(domain, host.removeprefix(".")):
            raise ValueError(f"says {domain!r} for {host!r}, which may set no cookie for it")
    return {host.lower(): domain for host, domain in value.items()}


def is_namespace(value: Any) -> bool:
    """Whether this can name a tenant: it becomes part of keys, rows and messages."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAMESPACE and value.isprintable()


def _namespace(value: Any) -> Any:
    if callable(value) or is_path(value):
        return CallableSetting("NAMESPACE", value, str)
    if is_namespace(value):
        return value
    raise ValueError(f"must be a text, or a function without arguments or its dotted path, not {value!r}")


def _notices(value: Any) -> frozenset[str]:
    if isinstance(value, bool):
        return frozenset(NOTICES if value else ())
    if isinstance(value, list | tuple | set | frozenset) and all(one in NOTICES for one in value):
        return frozenset(value)
    raise ValueError(f"must be True, False, or a list of {', '.join(NOTICES)}, not {value!r}")


def _near_cache(value: Any) -> near_cache.NearCache | None:
    return near_cache.read(value, duration)


#: Key of ``SESSIONKEEPER`` to what reads its value.
READERS: dict[str, Callable[[Any], Any]] = {
    "STORE": _store,
    "TIMEOUT_PRESET": _one_of(*sorted(policy.PRESETS)),
    "IDLE_TIMEOUT": duration,
    "ABSOLUTE_TIMEOUT": duration,
    "TOUCH_INTERVAL": duration,
    "REAUTHENTICATE_AFTER": duration,
    "ROTATE_AFTER": duration,
    "ROTATE_OVERLAP": duration,
    "MAX_SESSIONS": number,
    "NAMESPACE": _namespace,
    "NEAR_CACHE": _near_cache,
    "PRINCIPAL_CACHE": duration,
    "MAX_SESSIONS_ACTION": _one_of(END_OLDEST, REFUSE),
    "ON_ADDRESS_CHANGE": _one_of(IGNORE, NOTIFY, STEP_UP, END),
    "ON_USER_AGENT_CHANGE": _one_of(IGNORE, NOTIFY, STEP_UP, END),
    "TRUSTED_PROXIES": _networks,
    "PROXY_HEADER": _header,
    "COOKIE_DOMAIN": _cookie_domain,
    "COOKIE_PARTITIONED": switch,
    "SECOND_FACTOR": _path,
    "LOCKOUT": switch,
    "LOCKOUT_TRIES": tries,
    "LOCKOUT_DELAY": duration,
    "LOCKOUT_LONGEST_DELAY": duration,
    "SOURCE_TRIES": count,
    "NOTICES": _notices,
    "AUDIT": switch,
    "AUDIT_RETENTION": duration,
    "AUDIT_MINIMISE_AFTER": duration,
    "ADOPT": _engine,
}
#: Keys whose value may be a function that is asked for each request and user.
ASKABLE = (
    "TIMEOUT_PRESET",
    "IDLE_TIMEOUT",
    "ABSOLUTE_TIMEOUT",
    "REAUTHENTICATE_AFTER",
    "MAX_SESSIONS",
    "MAX_SESSIONS_ACTION",
)
READERS.update({name: or_asked(name, READERS[name]) for name in ASKABLE})
