"""Reads the values of settings. Raises ``ValueError`` with a text that says what the value must be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from sessionkeeper.conf import redis_url
from sessionkeeper.conf.callables import CallableSetting, is_path

#: The longest duration, which fits the integers and dates of every database.
LONGEST = timedelta(days=50 * 365)
X_FORWARDED_FOR: Final = "X-Forwarded-For"
FORWARDED: Final = "Forwarded"
#: Entry of ``TRUSTED_PROXIES`` for a proxy that connects over a Unix socket and so has no address.
UNIX: Final = "unix"
END_OLDEST: Final = "end_oldest"
REFUSE: Final = "refuse"
IGNORE: Final = "ignore"
NOTIFY: Final = "notify"
STEP_UP: Final = "step_up"
END: Final = "end"
LONGEST_NAMESPACE: Final = 100

#: The events of which users can be notified by e-mail.
NOTICES = ("new_device", "password_changed", "token_made", "copy_detected")


def duration(value: Any, longest: timedelta = LONGEST) -> timedelta:
    """Return a positive duration."""
    if isinstance(value, bool) or not isinstance(value, timedelta | int | float):
        raise ValueError(f"must be a timedelta or a number of seconds, not {value!r}")
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not timedelta.resolution.total_seconds() <= seconds <= longest.total_seconds():
        most = f"{longest.days // 365} years" if longest.days else f"{longest.seconds} seconds"
        raise ValueError(f"must be positive and at most {most}, not {value!r}")
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


def integer(most: int | None = None) -> Callable[[Any], int]:
    """Return a reader of positive integers, up to ``most``."""

    def read(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= (most or value):
            return value
        wanted = f"an integer from 1 to {most:,}" if most else "a positive integer"
        raise ValueError(f"must be {wanted}, not {value!r}")

    return read


def switch(value: Any) -> bool:
    """Return True or False."""
    if isinstance(value, bool):
        return value
    raise ValueError(f"must be True or False, not {value!r}")


def one_of(*names: str) -> Callable[[Any], str]:
    """Return a reader of one of these strings."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise ValueError(f"must be one of {', '.join(map(repr, names))}, not {value!r}")

    return read


def store(value: Any) -> str:
    """Return the URL of a store. The error does not repeat a wrong one, which may contain a password."""
    if isinstance(value, str) and (value == "database" or value.startswith("database:")):
        return value if ":" in value else "database:"
    if redis_url.is_redis(value):
        redis_url.parse(value)
        return str(value)
    scheme = repr(value.partition(":")[0]) if isinstance(value, str) else type(value).__name__
    raise ValueError(f"must be 'database:', 'database:ALIAS', or a URL such as redis://host/0, not {scheme}")


def database_alias(value: Any) -> str:
    """Return a string that may be the name of an entry of ``DATABASES``."""
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"must be the name of an entry of DATABASES, not {value!r}")


def networks(value: Any) -> tuple[IPv4Network | IPv6Network | str, ...]:
    """Return the networks, and UNIX if it is listed."""
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueError(f"must be a list of addresses and networks, not {value!r}")
    read = tuple(entry if entry == UNIX else _network(entry) for entry in value)
    if any(not isinstance(network, str) and not network.prefixlen for network in read):
        raise ValueError(
            "must be a list of proxies, not all addresses: any client could then claim any address"
        )
    return read


def _network(entry: Any) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry if isinstance(entry, str) else repr(entry))
    except ValueError as error:
        raise ValueError(f"must be a list of addresses and networks: {error}") from error


def header(value: Any) -> str:
    """Return the name of a header that proxies write, in its usual spelling."""
    for name in (X_FORWARDED_FOR, FORWARDED):
        if isinstance(value, str) and value.lower() == name.lower():
            return name
    raise ValueError(f"must be {X_FORWARDED_FOR!r} or {FORWARDED!r}, not {value!r}")


def path(value: Any, target: str = "a function") -> str:
    """Return a dotted path."""
    if is_path(value):
        return str(value)
    raise ValueError(f"must be the dotted path of {target}, not {value!r}")


def engine(value: Any) -> str:
    """Return the dotted path of another session engine."""
    if value == "sessionkeeper.engine":
        raise ValueError("must be the engine that was used before, not 'sessionkeeper.engine'")
    return path(value, "a session engine")


def covers(domain: str, host: str) -> bool:
    """Whether a host may set cookies for this domain, judged by its name (RFC 6265, 5.1.3)."""
    name = domain.lower().removeprefix(".")
    return bool(name) and (host.lower() == name or host.lower().endswith(f".{name}"))


def cookie_domain(value: Any) -> dict[str, str | None] | CallableSetting:
    """Return the domain for each host, or the function that returns it."""
    if callable(value) or is_path(value):
        return CallableSetting("COOKIE_DOMAIN", value, str)
    if not isinstance(value, dict):
        raise ValueError(
            f"must be a dict of hosts and domains, or a function that takes the request, not {value!r}"
        )
    for host, domain in value.items():
        if not isinstance(host, str) or not isinstance(domain, str | None):
            raise ValueError(f"must map hosts to domains or None, not {host!r} to {domain!r}")
        if domain is not None and not covers(domain, host.removeprefix(".")):
            raise ValueError(f"maps {host!r} to {domain!r}, a domain that this host cannot set cookies for")
    return {host.lower(): domain for host, domain in value.items()}


def is_namespace(value: Any) -> bool:
    """Whether this can name a tenant, which becomes part of keys, rows and messages."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAMESPACE and value.isprintable()


def views(value: Any) -> frozenset[str]:
    """Return the names of views."""
    if isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(one, str) and one for one in value
    ):
        return frozenset(value)
    raise ValueError(f"must be a list of dotted paths or URL names, not {value!r}")


def namespace(value: Any) -> str | CallableSetting:
    """Return the name of the only tenant, or the function that returns the active one."""
    if callable(value) or is_path(value):
        return CallableSetting("NAMESPACE", value, str)
    if is_namespace(value):
        return str(value)
    raise ValueError(
        f"must be a text, a function without arguments, or the dotted path of one, not {value!r}"
    )


def notices(value: Any) -> frozenset[str]:
    """Return the kinds of notices that are sent."""
    if isinstance(value, bool):
        return frozenset(NOTICES if value else ())
    if isinstance(value, list | tuple | set | frozenset) and all(one in NOTICES for one in value):
        return frozenset(value)
    raise ValueError(f"must be True, False, or a list of {', '.join(map(repr, NOTICES))}, not {value!r}")
