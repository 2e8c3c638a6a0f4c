"""A ``DATABASES`` entry as a person writes it after Django's documentation, made of a URL.

It has the keys of Django's tutorial and no others: what a site leaves out is left out in tests and benchmarks
too. (dj-database-url adds keys of its own, which hides code that asks for them.)
"""

from __future__ import annotations

from typing import Any

import dj_database_url

_KEYS = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")


def plain(url: str) -> dict[str, Any]:
    """The entry for a database's URL; no URL: SQLite in memory.

    Raises:
        ValueError: no kind of database that is known.
    """
    given: dict[str, Any] = dict(dj_database_url.parse(url or "sqlite://:memory:"))
    is_file = given["ENGINE"].endswith("sqlite3")
    entry = {key: str(given[key] or "") for key in (_KEYS[:2] if is_file else _KEYS)}
    return entry | ({"OPTIONS": given["OPTIONS"]} if given.get("OPTIONS") else {})
