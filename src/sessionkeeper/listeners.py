"""Tells the audit trail, the lockout and the notices what Django's signals say of sign-ins anywhere."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.signals import request_finished

from sessionkeeper import accounts, audit, current, known_devices, lockout, proofs
from sessionkeeper.engine import SessionStore
from sessionkeeper.errors import StoreUnavailable
from sessionkeeper.record import COOKIE

log = logging.getLogger("sessionkeeper.security")


def connect() -> None:
    """Connect all of them; called once, when the applications are ready."""
    user_logged_in.connect(_logged_in, dispatch_uid="sessionkeeper.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="sessionkeeper.logged_out")
    user_login_failed.connect(_login_failed, dispatch_uid="sessionkeeper.login_failed")
    request_finished.connect(_finished, dispatch_uid="sessionkeeper.settle")


def _logged_in(request: Any, user: Any, **_: Any) -> None:
    """The device is known from now on, and the account has all its tries again."""
    lockout.succeeded()
    session = getattr(request, "session", None)
    if isinstance(session, SessionStore):
        session.client.amr = session.client.amr or proofs.noted(user)
    if isinstance(session, SessionStore) and session.transport == COOKIE:
        this, device, marks = current.get(), known_devices.read(request), lockout.marks(user)
        this.known_device = device is not None and device.knows(marks[0])
        this.device = known_devices.remember(device, *marks)


def _logged_out(request: Any, user: Any, **_: Any) -> None:
    """Tell the end of the session that follows from any other one."""
    session = getattr(request, "session", None)
    if user is not None and isinstance(session, SessionStore):
        session.ending = (audit.Kind.SIGN_OUT, "")


def _login_failed(credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    """Tell a refusal, and why, to the audit trail alone. Whoever there is or is not, the work is the same.

    Without a name or a password nothing was tried.
    """
    name = accounts.name_in(credentials)
    if name is None or "password" not in credentials:
        return
    account = accounts.find(name)
    if not lockout.failed(request, credentials, account.user_id):
        return  # nobody looked at the password: no row for each, or a flood of tries would fill the table
    reason = "unknown" if account.user_id is None else "password" if account.is_active else "inactive"
    # The name that was typed is not written down: it may be a password in the wrong field.
    audit.record(
        audit.Kind.REFUSED, user=account.user_id, reason=reason, name=audit.digest(accounts.normal(name))
    )


def _finished(**_: Any) -> None:
    """Settle where our middleware has not; the response is sent, so that an outage has nobody to tell."""
    try:
        lockout.settle()
    except StoreUnavailable:
        log.warning("A try to sign in could not be given back: the database did not answer.")
