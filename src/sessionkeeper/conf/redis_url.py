"""Reads the URL of a Valkey or Redis store. Errors do not repeat it, because it may contain passwords."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote

from sessionkeeper.conf import table

#: For each scheme, how the servers are found, and whether the connection is encrypted.
SCHEMES: Final[Mapping[str, tuple[str, bool]]] = {
    f"{name}{'s' if tls else ''}{'+' + way if way != 'server' else ''}": (way, tls)
    for name in ("redis", "valkey")
    for tls in (False, True)
    for way in ("server", "sentinel", "cluster")
} | {"unix": ("socket", False)}

_T = TypeVar("_T")
_PORTS = {"server": 6379, "cluster": 6379, "sentinel": 26379}
_LONGEST_TIMEOUT = 60.0
#: The highest values that Linux accepts.
_LONGEST_KEEPALIVE, _MOST_PROBES = 32767, 127


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """Where a Valkey or Redis is, and how to connect to it. ``repr`` leaves passwords out.

    Attributes:
        way: ``server``, ``socket`` (a Unix socket), ``sentinel`` or ``cluster``.
        tls: whether connections are encrypted.
        hosts: host and port of the server, of the Sentinels, or of some nodes of the Cluster.
        path: path of the Unix socket.
        service: the name of the servers that Sentinel manages.
        db: number of the database; a Cluster has only 0.
        username, password: credentials for the server.
        sentinel_username, sentinel_password: credentials for the Sentinels.
        prefix: prefix of all keys.
        timeout: seconds that a command may take.
        connect_timeout: seconds that connecting may take.
        queue_timeout: seconds that an operation may wait for a free connection of its process.
        connections: most connections of a process, to each node.
        keepalive: seconds without use after which the system probes the connection.
        keepalive_interval, keepalive_count: seconds between probes, and how many may stay unanswered.
        health_check_interval: seconds without use after which a connection is checked before use; 0: never.
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
    queue_timeout: float = 10.0
    connections: int = 50
    keepalive: int = 30
    keepalive_interval: int = 5
    keepalive_count: int = 3
    health_check_interval: int = 0
    ssl: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The place without credentials, for log lines."""
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
    """Return the parts of a URL.

    Raises:
        ValueError: the URL is wrong. The text contains no password.
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
    """Read what follows the hosts: a database, a service, or nothing."""
    if way == "server" and len(given["hosts"]) != 1:
        raise ValueError("must name one host; use redis+sentinel:// or redis+cluster:// for several")
    if way == "sentinel":
        given["service"], _, path = path.partition("/")
        if not given["service"]:
            raise ValueError("must name the service: redis+sentinel://host:26379,host:26379/SERVICE")
    if path:
        given["db"] = READERS["db"](path)
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


def _integer(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    def read(text: str) -> int:
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"must be an integer from {least} to {most}")

    return read


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ValueError(f"must be a positive number of seconds, at most {_LONGEST_TIMEOUT:.0f}")
    return seconds


def _one_of(values: Mapping[str, _T]) -> Callable[[str], _T]:
    def read(text: str) -> _T:
        if text.lower() not in values:
            raise ValueError(f"must be one of {', '.join(map(repr, values))}")
        return values[text.lower()]

    return read


#: For each option of the query, what reads its text.
READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "prefix": str,
    "timeout": _seconds,
    "connect_timeout": _seconds,
    "queue_timeout": _seconds,
    "connections": _integer(1),
    "keepalive": _integer(1, _LONGEST_KEEPALIVE),
    "keepalive_interval": _integer(1, _LONGEST_KEEPALIVE),
    "keepalive_count": _integer(1, _MOST_PROBES),
    "health_check_interval": _integer(0),
    "db": _integer(0),
    "username": str,
    "password": str,
    "sentinel_username": str,
    "sentinel_password": str,
    "ssl_cert_reqs": _one_of({name: name for name in ("required", "optional", "none")}),
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_check_hostname": _one_of(
        {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    ),
}
