"""The mark of the site: a random text in the database, beside the recorded ends of sessions.

Made once, by the migration or at the first use, and never derived from ``SECRET_KEY`` or from how the
database is reached, both of which change.
"""

from __future__ import annotations

from contextlib import suppress
from secrets import token_hex

from django.db import DatabaseError, IntegrityError

from sessionkeeper.models import SiteMark
from sessionkeeper.stores.database.errors import translate_errors
from sessionkeeper.stores.database.transactions import is_open
from sessionkeeper.stores.redis import tombstones


def of_this_site() -> str | None:
    """Return the mark. None where there is none and a transaction is under way, which could undo it.

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
    """Whether this is the mark of the site, or the site has none that could be told apart from it."""
    with suppress(DatabaseError):  # before the first migration
        rows = SiteMark._base_manager.using(tombstones.database())
        ours = rows.values_list("mark", flat=True).first()
        return ours is None or ours == mark
    return True
