"""Who the client is: its address, and what it says about itself, cleaned before it is stored.

Any client can send ``X-Forwarded-For`` or ``Forwarded``. Such a header is read from its end, where our
proxy has appended the address that connected to it, as long as each address is in
``SESSIONKEEPER["TRUSTED_PROXIES"]``. The first that is not is the client; what precedes it is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from sessionkeeper import conf
from sessionkeeper.conf import validators
from sessionkeeper.core import context
from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import printable

Address = IPv4Address | IPv6Address

# RFC 7239, section 4: name=value with a token or a quoted string for the value, joined by semicolons.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = rf'({_NAME})=(?:"((?:[^"\\]|\\.)*)"|([^\s"\\;]+))'
_PARAMETER = re.compile(_PAIR)
_ELEMENT = re.compile(rf"\s*{_PAIR}(?:\s*;\s*{_PAIR})*\s*")
_PORT = re.compile(r":\d{1,5}")


def client_address(request: object) -> str | None:
    """Return the client's address in its shortest form, or None if it is unknown.

    ``request`` is Django's or REST framework's. Without ``TRUSTED_PROXIES`` this is the address that
    connected to the server, and no header is read. None if the server has no address, as over a Unix socket,
    and for anything that is not an HTTP request, such as the None that code may pass to ``authenticate()``.
    """
    return address_in(Secret(getattr(request, "META", None) or {}))


def address_in(meta: Secret[Mapping[str, str]]) -> str | None:
    """See :func:`client_address`; ``meta`` is the ``META`` of a request."""
    address = parse_address(meta.value.get("REMOTE_ADDR") or "")
    settings = conf.current()
    if not settings.trusted_proxies or not _is_trusted(address, settings):
        return None if address is None else str(address)
    header = meta.value.get("HTTP_" + settings.proxy_header.upper().replace("-", "_"), "")
    for hop in _hops(header, settings.proxy_header):
        if hop is None:
            break  # "unknown", a hidden name or nonsense: what precedes it cannot be trusted
        address = hop
        if not _is_trusted(address, settings):
            break
    return None if address is None else str(address)


def network(text: str | None, *, ipv4: int = 24, ipv6: int) -> str | None:
    """Return the first address of the network of an address, with this many bits; None without an address."""
    address = parse_address(text or "")
    if address is None:
        return None
    bits = ipv4 if isinstance(address, IPv4Address) else ipv6
    return str(ip_network((address, bits), strict=False).network_address)


@lru_cache(maxsize=1024)
def parse_address(text: str) -> Address | None:
    """Return the address in ``text``, or None. Drops a port; a mapped IPv4 address becomes IPv4.

    Takes ``192.0.2.1``, ``192.0.2.1:443``, ``2001:db8::1``, ``[2001:db8::1]``, ``[2001:db8::1]:443``, and an
    IPv6 address with a zone, which is dropped.
    """
    text = text.strip()
    if text.startswith("["):
        text, closed, port = text[1:].partition("]")
        if not closed or (port and not _PORT.fullmatch(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _PORT.fullmatch(f":{port}"):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: Address | None, settings: conf.Settings) -> bool:
    if address is None:
        return validators.UNIX in settings.trusted_proxies
    return any(not isinstance(network, str) and address in network for network in settings.trusted_proxies)


def _hops(header: str, name: str) -> Iterator[Address | None]:
    """Yield the addresses of the proxies and the client, the nearest first; None for an invalid one."""
    read = _forwarded_for if name == validators.FORWARDED else parse_address
    return (read(entry) for entry in reversed(header.split(",")) if entry.strip())


def _forwarded_for(element: str) -> Address | None:
    """Return the address in one element of a ``Forwarded`` header; None if the element is malformed.

    The header may be split at commas, because no address contains one: a quoted string with a comma becomes
    two malformed elements.
    """
    if _ELEMENT.fullmatch(element) is None:
        return None
    values = [quoted or plain for name, quoted, plain in _PARAMETER.findall(element) if name.lower() == "for"]
    return parse_address(values[0]) if len(values) == 1 else None


@dataclass(slots=True)
class ClientInfo:
    """What a client says about itself. It is stored when the session begins and when a user signs in.

    ``source`` is the address, or a function that returns it, which is called when the address is first used.
    ``borrowed`` means that the session is not that of the request, but another one that its code opened.
    """

    source: str | Callable[[], str | None] = ""
    user_agent: str = ""
    label: str = ""
    amr: str = ""
    borrowed: bool = False

    def lend(self) -> ClientInfo:
        """Return a copy for another session, without label and methods."""
        return ClientInfo(lambda: self.address, self.user_agent, borrowed=True)

    @property
    def address(self) -> str:
        """The address of the client, or an empty text."""
        if not isinstance(self.source, str):
            self.source = self.source() or ""
        return self.source

    @address.setter
    def address(self, value: str) -> None:
        self.source = value

    def columns(self) -> dict[str, Any]:
        """Return the columns that are known, each one line of text, and the address only if it is valid."""
        stated = {
            "ip_address": _address(self.address),
            "user_agent": printable(self.user_agent)[:512].strip(),
            "label": printable(self.label)[:100].strip(),
        }
        return {name: value for name, value in stated.items() if value}


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


#: The client of the current request; None without our middleware.
current: ContextVar[ClientInfo | None] = context.variable("client")


@lru_cache(maxsize=256)
def device(user_agent: str) -> str | None:
    """Return a user agent in words, "Firefox on Linux", if ``ua-parser`` is installed and knows it."""
    try:
        import ua_parser
    except ImportError:
        return None
    found = ua_parser.parse(user_agent)
    browser = found.user_agent.family if found.user_agent else None
    system = found.os.family if found.os else None
    return " on ".join(name for name in (browser, system) if name) or None
