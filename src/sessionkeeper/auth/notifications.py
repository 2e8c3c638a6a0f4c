"""Sends mail to users in another thread, so that no response waits for it or tells whether it was sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db import connections, transaction
from django.template.loader import render_to_string
from django.utils.module_loading import import_string
from django.utils.translation import get_language, override

from sessionkeeper import conf
from sessionkeeper.audit import signals, trail
from sessionkeeper.audit.events import Event, Kind
from sessionkeeper.auth import known_devices
from sessionkeeper.conf import namespaces
from sessionkeeper.conf.validators import NOTICES
from sessionkeeper.engine import users
from sessionkeeper.http.client_address import network

log = logging.getLogger("sessionkeeper.security")
_mailer = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sessionkeeper-mail")
_pending: list[Future[None]] = []


def send_aside(send: Callable[..., Any], *args: Any) -> None:
    """Call ``send`` in another thread, in the current language. Exceptions are logged."""
    _pending[:] = [one for one in _pending if not one.done()]
    _pending.append(_mailer.submit(_quietly, get_language(), send, *args))


def wait() -> None:
    """Wait until all mail is sent, in tests and at shutdown."""
    while _pending:
        _pending.pop().result()


def _quietly(language: str | None, send: Callable[..., Any], *args: Any) -> None:
    try:
        with override(language):
            send(*args)
    except Exception:
        log.exception("A mail could not be sent.")
    finally:
        connections.close_all()  # of this thread, if a template made a query


#: Kinds of notices, as in ``NOTICES``.
NEW_DEVICE, TOKEN_MADE = "new_device", "token_made"
PASSWORD_CHANGED, COPY_DETECTED = "password_changed", "copy_detected"
#: How many of the user's sign-ins are compared to tell whether a device is new.
_RECENT = 50
_SIGN_INS = [Kind.SIGN_IN.value, Kind.TOKEN_MADE.value]


def connect() -> None:
    """Connect to the events that users are notified of; called once, when the applications are ready."""
    for signal, kind in (
        (signals.signed_in, NEW_DEVICE),
        (signals.token_made, TOKEN_MADE),
        (signals.password_changed, PASSWORD_CHANGED),
        (signals.copy_detected, COPY_DETECTED),
    ):
        signal.connect(partial(_told, kind), dispatch_uid=f"sessionkeeper.notice.{kind}", weak=False)


def _told(kind: str, event: Event, **_: Any) -> None:
    if event.user_id is None or kind not in _chosen():
        return
    device = known_devices.signed_in.get()
    if kind == NEW_DEVICE and device is not None and device[1]:
        return
    told = partial(_notify, kind, event, namespaces.active())
    transaction.on_commit(told, using=trail.database(), robust=True)


def _chosen() -> Collection[str]:
    """Return the kinds in ``NOTICES``; by default, all if our SessionMiddleware is installed."""
    chosen = conf.current().notices
    if chosen is not None:
        return chosen
    return NOTICES if any(map(_is_ours, settings.MIDDLEWARE)) else ()


def _is_ours(path: Any) -> bool:
    try:
        return bool(getattr(import_string(path), "is_sessionkeepers", False))
    except Exception:  # noqa: BLE001 - a module of the project may raise anything; Django reports it
        return False


def _notify(kind: str, event: Event, namespace: str) -> None:
    if namespaces.active() != namespace:
        trail.log.warning(
            "No notice of %s was sent: another tenant was active at the commit.", event.kind.value
        )
        return  # there, the primary key may be another user's
    if kind == NEW_DEVICE and not _is_new(event):
        return
    user = users.find(event.user_id)
    address = users.email_of(user)
    if address:
        context = {"user": user.get_username(), "event": event, "kind": kind}
        send_aside(_send, kind, context, address)


def _send(kind: str, context: dict[str, Any], address: str) -> None:
    subject = render_to_string(f"sessionkeeper/mail/{kind}_subject.txt", context)
    body = render_to_string(f"sessionkeeper/mail/{kind}.txt", context)
    send_mail(" ".join(subject.split()), body, None, [address])


def _is_new(event: Event) -> bool:
    """Return whether the user has signed in before, but never with this user agent from this network.

    The first sign-in does not count: the user has just created the account.
    """
    if not conf.current().audit:
        return True
    rows = trail.rows_of(event.user_id).filter(kind__in=_SIGN_INS).exclude(session_id=event.session_id)
    before = list(rows.order_by("-pk").values_list("ip_address", "user_agent")[:_RECENT])
    here = (network(event.ip_address, ipv6=64), event.user_agent)
    return bool(before) and here not in {(network(address, ipv6=64), agent) for address, agent in before}
