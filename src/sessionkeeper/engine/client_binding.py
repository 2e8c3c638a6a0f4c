"""Reacts to a session that is used by another client: ``ON_ADDRESS_CHANGE`` and ``ON_USER_AGENT_CHANGE``.

Another client has an address in another network (/24, or /48 of IPv6), or a user agent that differs in more
than numbers, since browsers update themselves. A change counts once: the session then stores the new values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from sessionkeeper import conf
from sessionkeeper.audit import events, trail
from sessionkeeper.conf import validators
from sessionkeeper.core.errors import SessionGone, StaleSession
from sessionkeeper.core.records import COOKIE
from sessionkeeper.engine import registry, session_data
from sessionkeeper.http.client_info import network
from sessionkeeper.stores.factory import get_store

if TYPE_CHECKING:
    from sessionkeeper.core.records import SessionRecord
    from sessionkeeper.engine.active_session import ActiveSession
    from sessionkeeper.http.client_info import ClientInfo

_network = partial(network, ipv6=48)
_NUMBERS = re.compile(r"[\d._]+")


def holds(active: ActiveSession, data: dict[str, Any]) -> bool:
    """Return whether this client may continue the session that was opened and holds ``data``.

    Called only if ``Settings.watches_clients``. Costs one write if something changed, else nothing.
    """
    found, key, settings = active.found, active.key, conf.current()
    if found is None or key is None or found.record.user_id is None or active.transport != COOKIE:
        return True
    if active.client.borrowed or not active.client.address:
        return True  # code opened the session; or the address of the client is unknown
    changed = dict(_changes(active, settings))
    if not changed:
        return True
    record, actions = found.record, set(changed.values())
    if validators.END in actions:

        def end() -> None:
            if get_store().revoke(record.id, record.secret_hash):
                _record(record, active.client, changed)

        registry.end_for_good(end)
        return False
    if validators.STEP_UP in actions:
        data[session_data.PROOF_IS_VOID] = True
    change = session_data.changes(record.data, data)._replace(facts=active.client.columns())
    try:
        get_store().merge(key.id, key.secret_hash, change, record)
    except SessionGone:
        return False
    except StaleSession:
        return True  # a sign-in has just changed the key; this request writes nothing any more
    active.mark_saved(data)
    _record(record, active.client, changed)
    return True


def _changes(active: ActiveSession, settings: conf.Settings) -> Iterator[tuple[events.Kind, str]]:
    record, facts = active.found.record, active.client.columns()  # type: ignore[union-attr]  # the session was opened
    address, agent = facts.get("ip_address"), facts.get("user_agent", "")
    moved = bool(address and record.ip_address) and _network(address) != _network(record.ip_address)
    if moved and settings.on_address_change != validators.IGNORE:
        yield events.Kind.ADDRESS_CHANGED, settings.on_address_change
    other = bool(record.user_agent) and _NUMBERS.sub("", agent) != _NUMBERS.sub("", record.user_agent)
    if other and settings.on_user_agent_change != validators.IGNORE:
        yield events.Kind.USER_AGENT_CHANGED, settings.on_user_agent_change


def _record(record: SessionRecord, client: ClientInfo, changed: dict[events.Kind, str]) -> None:
    trail.record_all(
        trail.make(kind, user=record.user_id, session_id=record.id, reason=action, client=client)
        for kind, action in changed.items()
    )
