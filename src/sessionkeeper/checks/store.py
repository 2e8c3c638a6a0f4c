"""A Valkey or Redis that does not answer, is too old, or loses sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.core import checks

from sessionkeeper import conf
from sessionkeeper.checks import engine
from sessionkeeper.conf import redis_url
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.stores import redis as redis_store

#: Oldest supported major version.
OLDEST = {"Valkey": 8, "Redis": 7}


@engine.if_ours
def check_redis() -> Iterator[checks.CheckMessage]:
    """Report why a Valkey or Redis cannot be the store, and what makes it lose sessions."""
    url = conf.current().store
    if not redis_url.is_redis(url):
        return
    if not redis_store.is_installed():
        yield checks.Error(redis_store.MISSING, hint=redis_store.INSTALL, id=CheckId.NO_REDIS_PACKAGE)
        return
    place = redis_url.parse(url).shown
    store = redis_store.open_store(url)
    try:
        servers = store.client.information()
        saving = store.client.saving()
        foreign = store.foreign()
    except StoreUnavailable as error:
        yield checks.Warning(
            f"The store at {place} does not answer: {_reason(error)}. Requests that need a session get a "
            "503.",
            hint="Start the server, or correct SESSIONKEEPER['STORE'].",
            id=CheckId.SERVER_SILENT,
        )
        return
    finally:
        store.client.close()
    if foreign:
        yield checks.Error(
            f"{foreign} Requests that need a session get a 503.",
            hint="Use another ?prefix= in SESSIONKEEPER['STORE'].",
            id=CheckId.STORE_OF_ANOTHER_SITE,
        )
    for server in servers:
        yield from _of_server(place, server, saving=saving)


def _of_server(place: str, server: dict[str, Any], *, saving: bool) -> Iterator[checks.CheckMessage]:
    name = "Valkey" if "valkey_version" in server else "Redis"
    version = str(server.get("valkey_version") or server.get("redis_version", "0"))
    if int(re.match(r"\d*", version)[0] or 0) < OLDEST[name]:  # type: ignore[index]  # matches anything
        yield checks.Error(
            f"The store at {place} is {name} {version}, but {name} {OLDEST[name]} or newer is required.",
            hint="Upgrade the server.",
            id=CheckId.SERVER_TOO_OLD,
        )
    policy = str(server.get("maxmemory_policy", ""))
    if policy.startswith("allkeys-"):
        yield checks.Error(
            f"The store at {place} has maxmemory-policy {policy}. When its memory is full it deletes "
            "sessions, and the indexes that are needed to sign a user out everywhere.",
            hint="Set maxmemory-policy noeviction, and monitor the memory.",
            id=CheckId.SERVER_EVICTS,
        )
    if not server.get("aof_enabled") and not saving:
        yield checks.Warning(
            f"The store at {place} writes nothing to disk. A restart signs all users out.",
            hint="Set appendonly yes.",
            id=CheckId.SERVER_FORGETS,
        )


def _reason(error: StoreUnavailable) -> str:
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}" if cause is not None else str(error)
