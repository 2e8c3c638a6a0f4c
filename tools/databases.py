"""A ``DATABASES`` entry as a person writes it after Django's documentation, made of a URL.

It has the keys of Django's tutorial and no others: what a site leaves out is left out in tests and benchmarks
too. (Packages that read URLs add keys of their own, which hides code that asks for them.)
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

_SQLITE = "django.db.backends.sqlite3"
_ENGINES = {
    "mysql": "django.db.backends.mysql",
    "pgsql": "django.db.backends.postgresql",
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "psql": "django.db.backends.postgresql",
    "sqlite": _SQLITE,
}


def plain(url: str) -> dict[str, Any]:
    """The entry for a database's URL; no URL: SQLite in memory.

    Raises:
        ValueError: no kind of database that is known here.
    """
    if url in {"", "sqlite://:memory:"}:  # the latter is no URL that a parser takes
        return {"ENGINE": _SQLITE, "NAME": ":memory:"}
    parts = urlsplit(url)
    engine = _ENGINES.get(parts.scheme)
    if engine is None:
        raise ValueError(f"{parts.scheme}: is no database: one of {', '.join(_ENGINES)} is.")
    name = unquote(parts.path.removeprefix("/"))
    entry: dict[str, Any] = {"ENGINE": engine, "NAME": name}
    if engine != _SQLITE:
        entry |= {
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": str(parts.port or ""),
        }
    options = dict(parse_qsl(parts.query))
    return entry | ({"OPTIONS": options} if options else {})
