"""Sessions, audit events and login attempts in Django's admin, and its sign-in form with a lockout."""

from __future__ import annotations

from sessionkeeper.admin.audit import AuditEventAdmin
from sessionkeeper.admin.login import LoginForm
from sessionkeeper.admin.login_attempts import LoginAttemptAdmin
from sessionkeeper.admin.sessions import SessionAdmin

__all__ = ["AuditEventAdmin", "LoginAttemptAdmin", "LoginForm", "SessionAdmin"]
