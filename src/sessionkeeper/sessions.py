"""Functions to list, revoke, erase and purge sessions, outside of requests too."""

from __future__ import annotations

from sessionkeeper.auth.erasure import Erased, erase
from sessionkeeper.conf.namespaces import namespace
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.engine.history import EndedSession, history_for
from sessionkeeper.engine.registry import list_for, purge, revoke, revoke_all
from sessionkeeper.http.client_info import client_address

__all__ = [
    "EndedSession",
    "Erased",
    "SessionRecord",
    "client_address",
    "erase",
    "history_for",
    "list_for",
    "namespace",
    "purge",
    "revoke",
    "revoke_all",
]
