"""What the keys of the store begin with: the prefix of the site, and the namespace where there are tenants.

Two sites that share a server and a prefix would find each other's sessions by the numbers of their users. So
the keys carry the mark of their site (``site_mark``), which is compared once in a process
for each namespace, before anything else is read or written.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from sessionkeeper.conf import namespaces
from sessionkeeper.core import greenlets
from sessionkeeper.core.errors import NoNamespace, StoreOfAnotherSite, StoreUnavailable
from sessionkeeper.stores.redis import site_mark
from sessionkeeper.stores.redis.client import Client

log = logging.getLogger("sessionkeeper.store")


class Place:
    """Names the prefix of the keys, and proves that they are this site's."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ours: dict[str, str] = {}

    def prefix(self) -> str:
        """Return what the keys of the active namespace begin with.

        Raises:
            StoreOfAnotherSite: these keys are another site's.
            StoreUnavailable: the database or the server did not say whose they are.
        """
        name = namespaces.active()
        return self._ours.get(name) or self._proven(name)

    def forget(self) -> None:
        """Compare the marks once more at the next use, which writes the key again if it was lost."""
        self._ours.pop(namespaces.active(), None)

    def foreign(self) -> str:
        """Return why the keys of the active namespace are another site's, empty where they are not.

        Nothing is written, and the database is asked only where there is something to compare with.
        """
        try:
            prefix = self._named(namespaces.active())
            [there] = self._client.pipeline([("GET", mark_key(prefix))])
        except (NoNamespace, StoreUnavailable):
            return ""
        if there is None or site_mark.is_ours(there.decode(errors="replace")):
            return ""
        return self._reason(prefix)

    def _named(self, name: str) -> str:
        return self._client.url.prefix + (f"n:{quote(name, safe='')}:" if name else "")

    def _reason(self, prefix: str) -> str:
        """Say what is wrong where keys are another site's, and what to do."""
        place, given = self._client.url.shown, self._client.url.prefix
        return (
            f"The keys {prefix}* at {place} belong to another site, or to another database than this one: "
            "nothing of them is read or written. Give this site its own prefix in SESSIONKEEPER['STORE']: "
            f"'…?prefix=NAME:' (now {given!r}). If they are this site's, and its database was made anew, "
            f"delete the key {mark_key(prefix)}."
        )

    def _proven(self, name: str) -> str:
        prefix = self._named(name)
        mark = greenlets.run_in_database_thread(site_mark.of_this_site)
        if mark is None:
            return prefix
        key = mark_key(prefix)
        _, there = self._client.pipeline([("SET", key, mark, "NX"), ("GET", key)])
        if there != mark.encode():
            reason = self._reason(prefix)
            log.error("%s", reason)
            raise StoreOfAnotherSite(reason)
        self._ours[name] = prefix
        return prefix


def mark_key(prefix: str) -> str:
    """Return the key that holds the mark of the site whose keys begin with this."""
    return f"{prefix}site"
