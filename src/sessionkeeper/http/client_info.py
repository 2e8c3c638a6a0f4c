"""Who the client is: its address, and what it says about itself, cleaned before it is stored.

Any client can send ``X-Forwarded-For`` or ``Forwarded``. Such a header is read from its end, where our
proxy has appended the address that connected to it, as long as each address is in
``SESSIONKEEPER["TRUSTED_PROXIES"]``. The first that is not is the client; what precedes it is ignored.

Where the address is not known to be a client's, attempts to sign in are not counted for it, because that
would let one client stop the sign-ins of all: over a Unix socket, and behind a proxy that is not named.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
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
#: The characters of a user agent that are kept and read.
_LONGEST = 512

log = logging.getLogger("sessionkeeper.security")
#: The headers by which a request shows that a proxy has forwarded it.
_FORWARDING = ("X-Forwarded-For", validators.FORWARDED, "X-Real-IP")
#: Loopback and link-local addresses, private ones (RFC 1918, RFC 4193) and shared ones (RFC 6598).
_PRIVATE = [
    ip_network(text)
    for text in (
        *("127.0.0.0/8", "169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
        *("::1/128", "fe80::/10", "fc00::/7"),
    )
]
_NOT_COUNTED = "so failed sign-ins are counted for accounts only, not for the networks of clients."
_NO_ADDRESS = (
    f"The server does not know the addresses of its clients, as over a Unix socket, {_NOT_COUNTED} Behind a "
    "proxy, add 'unix' to SESSIONKEEPER['TRUSTED_PROXIES'], and make the proxy send X-Forwarded-For."
)
_NOT_NAMED = (
    "A proxy that is not in SESSIONKEEPER['TRUSTED_PROXIES'] forwards requests: all its clients have the "
    f"address %s, {_NOT_COUNTED} Add the proxy to TRUSTED_PROXIES."
)
_SILENT = (
    "The proxy at %s, which is in SESSIONKEEPER['TRUSTED_PROXIES'], does not say which address connected to "
    f"it, {_NOT_COUNTED} Make it send X-Forwarded-For, or set PROXY_HEADER to the header that it sends."
)
#: The warnings that this process has logged.
_logged: set[str] = set()


def client_address(request: object) -> str | None:
    """Return the client's address in its shortest form, or None if it is unknown.

    ``request`` is Django's or REST framework's. Without ``TRUSTED_PROXIES`` this is the address that
    connected to the server, and no header is read. None if the server has no address, as over a Unix socket,
    and for anything that is not an HTTP request, such as the None that code may pass to ``authenticate()``.
    """
    return address_in(Secret(getattr(request, "META", None) or {}))


def address_in(meta: Secret[Mapping[str, str]]) -> str | None:
    """See :func:`client_address`; ``meta`` is the ``META`` of a request."""
    address, _ = _found_in(meta)
    return None if address is None else str(address)


def source_address(request: object) -> str | None:
    """Return the address to count attempts for; None if it is not known to be that of a client.

    That is the client's address, except where it may be a proxy's. A header of a client that connects
    directly from a public address changes nothing. A client with a private one looks like a proxy that is not
    named.
    """
    address, doubt = _found_in(Secret(getattr(request, "META", None) or {}))
    return None if doubt or address is None else str(address)


def _found_in(meta: Secret[Mapping[str, str]]) -> tuple[Address | None, str]:
    """Return the client's address, and a warning if it may be another's; logs the warning once."""
    if not meta.value:  # no HTTP request
        return None, ""
    peer, doubt = parse_address(meta.value.get("REMOTE_ADDR") or ""), ""
    address, settings = peer, conf.current()
    if settings.trusted_proxies and is_trusted(peer, settings):
        address = _first_client(peer, meta, settings)
        doubt = _SILENT if address is peer else ""
    elif peer is not None and is_private(peer) and _is_forwarded(peer, meta):
        doubt = _NOT_NAMED
    if address is None:
        doubt = _NO_ADDRESS
    if doubt and doubt not in _logged:
        _logged.add(doubt)
        log.warning(doubt, *(() if address is None else (address,)))
    return address, doubt


def _first_client(
    peer: Address | None, meta: Secret[Mapping[str, str]], settings: conf.Settings
) -> Address | None:
    """Return the address that the trusted proxies name; ``peer`` itself if they name none."""
    address = peer
    for hop in _hops(meta.value.get(_key(settings.proxy_header), ""), settings.proxy_header):
        if hop is None:
            break  # "unknown", a hidden name or nonsense: what precedes it cannot be trusted
        address = hop
        if not is_trusted(address, settings):
            break
    return address


def is_private(address: Address) -> bool:
    """Return whether an address may be that of a proxy, because it is not a public one."""
    return any(address in network for network in _PRIVATE)


def _is_forwarded(peer: Address, meta: Secret[Mapping[str, str]]) -> bool:
    """Return whether a header shows that a proxy at ``peer`` has forwarded the request.

    If each such header ends with ``peer``, the server has replaced the proxy's address by that of the client,
    as uvicorn does with ``--forwarded-allow-ips``. Not if it is a loopback address, which two proxies may
    share.
    """
    given = [(header, name) for name in _FORWARDING if (header := meta.value.get(_key(name)))]
    return any(peer.is_loopback or next(_hops(header, name), None) != peer for header, name in given)


def _key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


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


def is_trusted(address: Address | None, settings: conf.Settings) -> bool:
    """Return whether an address, or None for a Unix socket, is in ``TRUSTED_PROXIES``."""
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

    def settled(self) -> ClientInfo:
        """Return a copy that needs the request no more."""
        return replace(self, source=self.address)

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
            "user_agent": printable(self.user_agent[:_LONGEST]).strip(),
            "label": printable(self.label[:100]).strip(),
        }
        return {name: value for name, value in stated.items() if value}


def _address(text: str) -> str | None:
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


#: The client of the current request; None without our middleware.
current: ContextVar[ClientInfo | None] = context.variable("client")


#: Browsers by a part of their user agent, the most special first: most of them contain the names of others.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("Opera/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Thunderbird/", "Thunderbird"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("HeadlessChrome/", "Headless Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("Trident/", "Internet Explorer"),
    ("MSIE ", "Internet Explorer"),
)
#: Programs by how their user agent begins.
_PROGRAMS = (
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("HTTPie/", "HTTPie"),
    ("PostmanRuntime/", "Postman"),
    ("insomnia/", "Insomnia"),
    ("python-requests/", "Python Requests"),
    ("python-httpx/", "HTTPX"),
    ("Python-urllib/", "Python urllib"),
    ("Python/", "Python"),
    ("okhttp/", "OkHttp"),
    ("Dart/", "Dart"),
    ("Java/", "Java"),
    ("axios/", "axios"),
    ("node", "Node.js"),
    ("Go-http-client/", "Go"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
)


def device(user_agent: str) -> str | None:
    """Return a user agent in words, "Firefox on Linux", or None if it is not a known one.

    It looks for fixed names, with no regular expression: a list calls it for each of its rows, and any client
    can send a text that is made to be expensive.
    """
    text = user_agent[:_LONGEST]
    browser = next((name for part, name in _PROGRAMS if text.startswith(part)), None) or next(
        (name for part, name in _BROWSERS if part in text), None
    )
    system = next((name for part, name in _SYSTEMS if part in text), None)
    return " on ".join(name for name in (browser, system) if name) or None
