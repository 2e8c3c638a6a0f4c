"""List, revoke, erase and purge sessions from a project's own code."""

from __future__ import annotations

from sessionkeeper.auth.erasure import erase
from sessionkeeper.conf.namespaces import namespace
from sessionkeeper.engine.history import history_for
from sessionkeeper.engine.registry import list_for, purge, revoke, revoke_all

__all__ = ["erase", "history_for", "list_for", "namespace", "purge", "revoke", "revoke_all"]
