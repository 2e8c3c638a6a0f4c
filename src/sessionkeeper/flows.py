"""Sign in and out, reauthenticate and revoke sessions, in a project's own views."""

from __future__ import annotations

from sessionkeeper.auth.flows import complete_log_in, log_in, log_out, revoke, revoke_all, revoke_others
from sessionkeeper.auth.lockout import unlock
from sessionkeeper.auth.reauthentication import (
    complete_reauthentication,
    is_recent,
    proofs,
    reauthenticate,
    require_recent,
)
from sessionkeeper.auth.tokens import issue_token

__all__ = [
    "complete_log_in",
    "complete_reauthentication",
    "is_recent",
    "issue_token",
    "log_in",
    "log_out",
    "proofs",
    "reauthenticate",
    "require_recent",
    "revoke",
    "revoke_all",
    "revoke_others",
    "unlock",
]
