"""What a client says about itself, cleaned before it is stored."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from sessionkeeper.core import context
from sessionkeeper.core.text import printable


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
