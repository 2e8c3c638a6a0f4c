"""A Valkey or Redis that is not there, too old, or forgets sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.core.checks import (
    CheckMessage,
    Error,
    Warning,  # noqa: A004
)

from sessionkeeper import conf
from sessionkeeper.checks import engine
from sessionkeeper.conf import redis_url
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.core.errors import StoreUnavailable
from sessionkeeper.stores import redis as redis_store

#: Oldest major version, by what the server calls itself.
OLDEST = {"Valkey": 8, "Redis": 7}


def check_redis() -> Iterator[CheckMessage]:
    """Report what keeps a Valkey or Redis from being a store, and what makes it lose sessions."""
    url = conf.current().store
    if not redis_url.is_redis(url) or not engine.is_ours():
        return
    if not redis_store.is_installed():
        yield Error(redis_store.MISSING, hint=redis_store.INSTALL, id=CheckId.NO_REDIS_PACKAGE)
        return
    place = redis_url.parse(url).shown
    store = redis_store.open_store(url)
    try:
        servers = store.client.information()
        saving = store.client.saving()
        foreign = store.foreign()
    except StoreUnavailable as error:
        yield Warning(
            f"The store at {place} does not answer: {_reason(error)}. Pages that need a session answer 503.",
            hint="Start the server, or correct SESSIONKEEPER['STORE'].",
            id=CheckId.SERVER_SILENT,
        )
        return
    finally:
        store.client.close()
    if foreign:
        yield Error(
            f"{foreign} Requests that need their session answer 503.",
            hint="Set another ?prefix= in SESSIONKEEPER['STORE'].",
            id=CheckId.STORE_OF_ANOTHER_SITE,
        )
    for server in servers:
        yield from _of_server(place, server, saving=saving)


def _of_server(place: str, server: dict[str, Any], *, saving: bool) -> Iterator[CheckMessage]:
    name = "Valkey" if "valkey_version" in server else "Redis"
    version = str(server.get("valkey_version") or server.get("redis_version", "0"))
    if int(re.match(r"\d*", version)[0] or 0) < OLDEST[name]:  # type: ignore[index]  # matches anything
        yield Error(
            f"The store at {place} is {name} {version}: its scripts need {name} {OLDEST[name]} or newer.",
            hint="Upgrade the server.",
            id=CheckId.SERVER_TOO_OLD,
        )
    policy = str(server.get("maxmemory_policy", ""))
    if policy.startswith("allkeys-"):
        yield Error(
            f"The store at {place} has maxmemory-policy {policy}: full, it throws sessions away, "
            "and the indexes by which 'sign out everywhere' finds them.",
            hint="Set maxmemory-policy noeviction, and watch the memory.",
            id=CheckId.SERVER_EVICTS,
        )
    if not server.get("aof_enabled") and not saving:
        yield Warning(
            f"The store at {place} writes nothing to disk: a restart signs everybody out.",
            hint="Set appendonly yes.",
            id=CheckId.SERVER_FORGETS,
        )


def _reason(error: StoreUnavailable) -> str:
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}" if cause is not None else str(error)
