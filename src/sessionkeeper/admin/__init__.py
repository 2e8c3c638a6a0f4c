"""Sessions, audit events and login attempts in Django's admin."""

from __future__ import annotations

from sessionkeeper.admin.audit import AuditEventAdmin
from sessionkeeper.admin.login_attempts import LoginAttemptAdmin
from sessionkeeper.admin.sessions import SessionAdmin

__all__ = ["AuditEventAdmin", "LoginAttemptAdmin", "SessionAdmin"]
