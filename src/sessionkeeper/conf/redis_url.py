"""Reads the URL of a Valkey or Redis store. Why a wrong one is wrong is said without it: it has passwords."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from sessionkeeper.conf import table

#: Scheme to (how the servers are found, whether the connection is encrypted).
SCHEMES: Final[Mapping[str, tuple[str, bool]]] = {
    f"{name}{'s' if tls else ''}{'+' + way if way != 'server' else ''}": (way, tls)
    for name in ("redis", "valkey")
    for tls in (False, True)
    for way in ("server", "sentinel", "cluster")
} | {"unix": ("socket", False)}

_PORTS = {"server": 6379, "cluster": 6379, "sentinel": 26379}
_LONGEST_TIMEOUT = 60.0
#: What Linux takes.
_LONGEST_KEEPALIVE, _MOST_QUESTIONS = 32767, 127


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """Where a Valkey or Redis is and how it is spoken to. ``repr`` leaves all passwords out.

    Attributes:
        way: ``server``, ``socket`` (a Unix socket), ``sentinel`` or ``cluster``.
        tls: whether connections are encrypted.
        hosts: host and port of the server, of the Sentinels, or of some nodes of the Cluster.
        path: of the Unix socket.
        service: the name that the Sentinels know the servers by.
        db: number of the database; Clusters have only 0.
        username, password: of the server's ACL.
        sentinel_username, sentinel_password: of the Sentinels'.
        prefix: what all keys begin with.
        timeout: seconds that a command may take.
        connect_timeout: seconds that connecting may take.
        connections: most connections that a process holds, to each node.
        keepalive: seconds without use after which the system asks the other end whether it is there.
        keepalive_interval, keepalive_count: seconds to the next question, and how many remain unanswered.
        health_check_interval: seconds without use after which a connection is tried first; 0: never.
        ssl: options of the encryption, by redis-py's names.
    """

    way: str
    tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    prefix: str = "sk:"
    timeout: float = 1.0
    connect_timeout: float = 1.0
    connections: int = 50
    keepalive: int = 30
    keepalive_interval: int = 5
    keepalive_count: int = 3
    health_check_interval: int = 0
    ssl: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The place in words, fit for a log line."""
        if self.way == "socket":
            return f"unix:{self.path}"
        hosts = ", ".join(f"{host}:{port}" for host, port in self.hosts)
        return {"sentinel": f"{self.service!r} by Sentinel at ", "cluster": "Cluster at "}.get(
            self.way, ""
        ) + hosts


def is_redis(url: object) -> bool:
    """Whether a store URL names a Valkey or Redis."""
    return isinstance(url, str) and url.partition("://")[0].lower() in SCHEMES and "://" in url


def parse(url: str) -> RedisUrl:
    """Return what a URL says.

    Raises:
        ValueError: it cannot be read; the message says why and holds no part that may be a password.
    """
    scheme, _, rest = url.partition("://")
    way, tls = SCHEMES[scheme.lower()]
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    userinfo, _, hosts = authority.rpartition("@")
    username, _, password = userinfo.partition(":")
    given: dict[str, Any] = {
        "way": way,
        "tls": tls,
        "username": unquote(username) or None,
        "password": unquote(password) or None,
        **_options(query),
    }
    if given["ssl"] and not tls:
        raise ValueError(f"has ssl_ options, but {scheme}:// is not encrypted: use rediss:// or valkeys://")
    if way == "socket":
        given["path"] = unquote(slash + path)
        if hosts or len(given["path"]) <= 1:
            raise ValueError("must have the form unix:///path/of/the/socket")
    else:
        given["hosts"] = tuple(_host(entry, _PORTS[way]) for entry in hosts.split(","))
        _place(given, way, unquote(path))
    return RedisUrl(**given)


def _place(given: dict[str, Any], way: str, path: str) -> None:
    """Read what stands behind the hosts: a database, a service, or nothing."""
    if way == "server" and len(given["hosts"]) != 1:
        raise ValueError("must name one host; use redis+sentinel:// or redis+cluster:// for several")
    if way == "sentinel":
        given["service"], _, path = path.partition("/")
        if not given["service"]:
            raise ValueError("must name the service: redis+sentinel://host:26379,host:26379/SERVICE")
    if path:
        given["db"] = _number(path)
    if way == "cluster" and given.get("db"):
        raise ValueError("must not name a database: a Cluster has only one")


def _host(entry: str, port: int) -> tuple[str, int]:
    host, colon, number = entry.rpartition(":")
    if not colon or number.endswith("]"):  # an IPv6 address without a port
        host, number = entry, str(port)
    host = unquote(host.strip("[]"))
    if not host:
        raise ValueError("must name a host")
    if not number.isdecimal() or not 0 < int(number) < 65536:  # noqa: PLR2004 - TCP's
        raise ValueError("has a port that is not a number from 1 to 65535")
    return host, int(number)


def _options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {"ssl": {}}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in READERS:
            raise ValueError(f"has an unknown option {name!r}. {table.did_you_mean(name, READERS)}")
        try:
            value = READERS[name](text)
        except ValueError as error:
            raise ValueError(f"has an option {name!r} that {error}") from None
        if name.startswith("ssl_"):
            options["ssl"][name] = value
        else:
            options[name] = value
    return options


def _number(text: str) -> int:
    if text.isdecimal() and int(text) < 2**31:
        return int(text)
    raise ValueError("must be an integer")


def _count(text: str) -> int:
    if _number(text) < 1:
        raise ValueError("must be a positive integer")
    return int(text)


def _up_to(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not 1 <= _number(text) <= most:
            raise ValueError(f"must be an integer from 1 to {most}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ValueError(f"must be a positive number of seconds, at most {_LONGEST_TIMEOUT:.0f}")
    return seconds


def _switch(text: str) -> bool:
    if text.lower() in {"true", "1", "yes"}:
        return True
    if text.lower() in {"false", "0", "no"}:
        return False
    raise ValueError("must be 'true' or 'false'")


def _required(text: str) -> str:
    if text in {"required", "optional", "none"}:
        return text
    raise ValueError("must be 'required', 'optional' or 'none'")


#: Option in the query to what reads its text.
READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "prefix": str,
    "timeout": _seconds,
    "connect_timeout": _seconds,
    "connections": _count,
    "keepalive": _up_to(_LONGEST_KEEPALIVE),
    "keepalive_interval": _up_to(_LONGEST_KEEPALIVE),
    "keepalive_count": _up_to(_MOST_QUESTIONS),
    "health_check_interval": _number,
    "db": _number,
    "username": str,
    "password": str,
    "sentinel_username": str,
    "sentinel_password": str,
    "ssl_cert_reqs": _required,
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_check_hostname": _switch,
}
