"""The prefix of the store's keys: that of the site, and the namespace where there are tenants.

Two sites that share a server and a prefix would find each other's sessions by the ids of their users. So the
keys include the mark of their site, which each process compares once for each namespace, before it reads or
writes anything else. The mark is a random text in the database, made once, by the migration or at the first
use. It is not derived from ``SECRET_KEY`` or from the database's address, since both change.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from secrets import token_hex
from urllib.parse import quote

from django.db import DatabaseError, IntegrityError

from sessionkeeper.conf import namespaces
from sessionkeeper.core import context
from sessionkeeper.core.errors import NoNamespace, StoreOfAnotherSite, StoreUnavailable
from sessionkeeper.models import SiteMark
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.database.transactions import is_open
from sessionkeeper.stores.redis import tombstones
from sessionkeeper.stores.redis.client import Client

log = logging.getLogger("sessionkeeper.store")


class KeyPrefix:
    """Knows the prefix of the keys, and verifies that they belong to this site."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ours: dict[str, str] = {}

    def prefix(self) -> str:
        """Return the prefix of the active namespace's keys.

        Raises:
            StoreOfAnotherSite: these keys belong to another site.
            StoreUnavailable: the database or the server did not answer.
        """
        name = namespaces.active()
        return self._ours.get(name) or self._verify(name)

    def forget(self) -> None:
        """Verify again at the next use, which restores the key if it was lost."""
        self._ours.pop(namespaces.active(), None)

    def foreign(self) -> str:
        """Return why the keys of the active namespace belong to another site; empty where they do not.

        Writes nothing, and queries the database only if the server has a mark.
        """
        try:
            prefix = self._named(namespaces.active())
            [there] = self._client.pipeline([("GET", mark_key(prefix))])
        except (NoNamespace, StoreUnavailable):
            return ""
        if there is None or is_ours(there.decode(errors="replace")):
            return ""
        return self._reason(prefix)

    def _named(self, name: str) -> str:
        return self._client.url.prefix + (f"n:{quote(name, safe='')}:" if name else "")

    def _reason(self, prefix: str) -> str:
        """Return the error message for keys of another site."""
        place, given = self._client.url.shown, self._client.url.prefix
        return (
            f"The keys {prefix}* at {place} belong to another site, or to another database than this one: "
            "nothing of them is read or written. Give this site its own prefix in SESSIONKEEPER['STORE']: "
            f"'…?prefix=NAME:' (now {given!r}). If they are this site's, and its database was recreated, "
            f"delete the key {mark_key(prefix)}."
        )

    def _verify(self, name: str) -> str:
        prefix = self._named(name)
        mark = context.run_in_database_thread(of_this_site)
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
    """Return the key of the site's mark."""
    return f"{prefix}site"


def of_this_site() -> str | None:
    """Return this site's mark, made if need be; None in a transaction, whose rollback would undo that.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    alias = tombstones.database()
    rows = SiteMark._base_manager.using(alias)
    with translate_errors():
        mark = rows.values_list("mark", flat=True).first()
        if mark is None and not is_open(alias):
            with suppress(IntegrityError):  # another process was first
                rows.bulk_create([SiteMark(mark=token_hex(16))])
            mark = rows.values_list("mark", flat=True).first()
    return mark


def is_ours(mark: str) -> bool:
    """Whether this is the mark of the site, or the site has no mark yet."""
    with suppress(DatabaseError):  # before the first migration
        rows = SiteMark._base_manager.using(tombstones.database())
        ours = rows.values_list("mark", flat=True).first()
        return ours is None or ours == mark
    return True
