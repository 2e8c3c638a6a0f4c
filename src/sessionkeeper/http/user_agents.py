"""User agents in words: "Firefox on Linux"."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def device(user_agent: str) -> str | None:
    """Return browser and system in words, if ``ua-parser`` is there and knows them."""
    try:
        import ua_parser
    except ImportError:
        return None
    found = ua_parser.parse(user_agent)
    browser = found.user_agent.family if found.user_agent else None
    system = found.os.family if found.os else None
    return " on ".join(name for name in (browser, system) if name) or None
