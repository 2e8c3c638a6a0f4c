"""Functions to sign users in and out, reauthenticate them, and end their sessions, for your own views."""

from __future__ import annotations

from sessionkeeper.auth.flows import (
    Issued,
    complete_log_in,
    complete_reauthentication,
    is_recent,
    issue_token,
    log_in,
    log_out,
    proofs,
    reauthenticate,
    require_recent,
    revoke,
    revoke_all,
    revoke_others,
)
from sessionkeeper.auth.unlocking import unlock

__all__ = [
    "Issued",
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
