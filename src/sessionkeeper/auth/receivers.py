"""Receivers of signals, which pass sign-ins and changes of users to trail, lockout and store, and notify.

Mail is sent in another thread, so that no response waits for it or tells whether it was sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.mail import send_mail
from django.core.signals import request_finished, request_started, setting_changed
from django.db import connections, transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.module_loading import import_string
from django.utils.translation import get_language, override

from sessionkeeper import conf
from sessionkeeper.audit import events, signals, trail
from sessionkeeper.audit.events import Event, Kind
from sessionkeeper.auth import attempts, lockout, rehashing, unlocking
from sessionkeeper.conf import namespaces
from sessionkeeper.conf.validators import NOTICES
from sessionkeeper.core import context
from sessionkeeper.core.records import COOKIE
from sessionkeeper.engine import registry, retention, session_data, users
from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.http import transports
from sessionkeeper.http.client_info import network
from sessionkeeper.stores import codec
from sessionkeeper.stores.database import user_query
from sessionkeeper.stores.factory import get_store

# The user who signed in last in this request, so that a notice need not ask for the address.
_signed_in: ContextVar[Any] = context.variable("signed_in_user")


def _logged_in(request: HttpRequest | None, user: Any, **_: Any) -> None:
    """Remember the device, and reset the account's count of attempts."""
    lockout.succeeded(user)
    _signed_in.set(user)
    session = getattr(request, "session", None)
    if isinstance(session, SessionStore):
        session.client.amr = session.client.amr or session_data.noted_amr(user)
    if isinstance(session, SessionStore) and session.transport == COOKIE:
        _own_csrf_secret(request, session)
        device = attempts.read(request)
        marks = lockout.marks(user, device)
        was_known = device is not None and device.knows(marks[0])
        attempts.signed_in.set((attempts.remember(device, *marks), was_known))


def _own_csrf_secret(request: Any, session: SessionStore) -> None:
    """Let the new CSRF secret name the user, so that pages of this user are not sent as another one."""
    if "CSRF_COOKIE_NEEDS_UPDATE" in getattr(request, "META", {}) and SESSION_KEY in session:
        transports.own_csrf_secret(request, str(session[SESSION_KEY]))


def _logged_out(request: HttpRequest | None, user: Any, **_: Any) -> None:
    """Mark the end of the session as a sign-out."""
    session = getattr(request, "session", None)
    if user is not None and isinstance(session, SessionStore):
        session.ending = (events.Kind.SIGN_OUT, "")


def _login_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Record a refusal, and its reason, in the audit trail only. The work is the same for unknown users.

    Without a name and a password, there was no attempt.
    """
    if not users.is_attempt(credentials):
        return
    name = next(iter(users.names_in(credentials)), "")
    account = lockout.found(name) or users.account_named(name)
    if not lockout.failed(request, credentials, account.user_id):
        return  # the password was not checked: a row for each would let a flood fill the table
    reason = "unknown" if account.user_id is None else "password" if account.is_active else "inactive"
    # The name itself is not stored: it may be a password, typed into the wrong field.
    trail.record(
        events.Kind.REFUSED, user=account.user_id, reason=reason, name=trail.digest(users.normal(name))
    )


_REBUILD_AFTER = {"AUTH_USER_MODEL", "DATABASES", "DATABASE_ROUTERS", "INSTALLED_APPS", "TIME_ZONE", "USE_TZ"}


def connect() -> None:
    """Connect all receivers; called once, when the applications are ready."""
    user_logged_in.connect(_logged_in, dispatch_uid="sessionkeeper.logged_in")
    user_logged_out.connect(_logged_out, dispatch_uid="sessionkeeper.logged_out")
    user_login_failed.connect(_login_failed, dispatch_uid="sessionkeeper.login_failed")
    retention.steps[retention.COUNTS] = attempts.purge
    _watch_users()
    _connect_notices()
    request_started.connect(context.begin, dispatch_uid="sessionkeeper.request_started")
    request_finished.connect(context.end, dispatch_uid="sessionkeeper.request_finished")
    setting_changed.connect(_rebuild, dispatch_uid="sessionkeeper.statements")


_watched: list[Any] = []


def _watch_users() -> None:
    """Connect to the user model, its proxies, children and parents, and to no model that was one before.

    Not to all senders: that would disable the fast path of every bulk delete.
    """
    receivers = ((pre_save, _saving_user), (post_save, _user_saved), (post_delete, _user_deleted))
    for model in _watched:
        for signal, receiver in receivers:
            signal.disconnect(receiver, sender=model)
    user_model = codec.user_model()
    _watched[:] = [
        model
        for model in (apps.get_models() if user_model is not None else ())
        if issubclass(model, user_model) or model in user_model._meta.get_parent_list()
    ]
    for model in _watched:
        for signal, receiver in receivers:
            signal.connect(receiver, sender=model)


def _saving_user(
    sender: type,
    instance: Any,
    raw: bool = False,
    using: str = "",
    update_fields: Collection[str] | None = None,
    **_: Any,
) -> None:
    """Keep the sessions if Django hashes the same password anew. In doubt, the password was changed."""
    password = lockout.under_check.get()
    if password is None or raw or set(update_fields or ()) != {"password"} or not _is_user(sender):
        return
    # So Django tells its own save from set_password(), and from code that assigned a hash.
    if vars(instance).get("_password", "") is None:
        rehashing.replace(instance, password, using)


def _user_saved(
    sender: type,
    instance: Any,
    created: bool,
    *,
    using: str,
    raw: bool = False,
    update_fields: Collection[str] | None = None,
    **_: Any,
) -> None:
    if created or not _is_user(sender):
        return
    _tell_store(sender, instance)
    if raw:
        return
    is_active = getattr(instance, "is_active", True)
    if is_active and update_fields is not None and set(update_fields) <= {"last_login"}:
        return  # a login saves it, which must not cost a query
    # Set by set_password(), until save() returns.
    has_password = getattr(instance, "_password", None) is not None
    if registry.follows(using):
        _user_changed(instance, has_password=has_password)
    else:
        registry.once_committed(using, partial(_committed, sender, instance.pk, using, has_password))


def _committed(model: Any, pk: Any, using: str, has_password: bool) -> None:
    """Look at the user as committed, who may have been changed again, or deleted."""
    user = model._base_manager.using(using).filter(pk=pk).first()
    if user is not None:
        _user_changed(user, has_password=has_password)


def _user_changed(user: Any, *, has_password: bool) -> None:
    """End the sessions that the user may no longer have, and record a new password."""
    if has_password:
        trail.record(events.Kind.PASSWORD_CHANGED, user=user)
        unlocking.unlock_user(user, reason="password")
    if not getattr(user, "is_active", True):
        registry.revoke_all(user.pk, reason="user_disabled")
    elif hasattr(user, "get_session_auth_hash"):
        _revoke_older(user)


def _revoke_older(user: Any) -> None:
    """End the sessions that began with another password, except that of the current request.

    Django's ``update_session_auth_hash`` gives that one the new hash; without it, the session is refused at
    its next request.
    """
    valid, this = rehashing.valid_hashes(user), context.current_session().id
    sessions = registry.walk(user)
    older = (one.id for one in sessions if one.id != this and not rehashing.has_hash(one, valid))
    registry.revoke_many(older, reason="password_changed")


def _user_deleted(sender: type, instance: Any, using: str, **_: Any) -> None:
    if _is_user(sender):
        _tell_store(sender, instance)
        registry.once_committed(using, partial(registry.revoke_all, instance.pk, reason="user_deleted"))


def _tell_store(sender: type, instance: Any) -> None:
    """Make all processes drop what they have cached of a user, whatever was saved."""
    # A row of a parent model may have another primary key than the user.
    get_store().user_changed(instance.pk if issubclass(sender, codec.user_model()) else None)


def _is_user(sender: type) -> bool:
    """Return whether sessions of this engine belong to instances of ``sender``."""
    model = codec.user_model()
    if not (codec.fit() and _is_our_engine()):
        return False
    return issubclass(sender, model) or sender in model._meta.get_parent_list()


def _is_our_engine() -> bool:
    try:
        return issubclass(import_module(settings.SESSION_ENGINE).SessionStore, SessionStore)
    except (ImportError, AttributeError):
        return False  # opening a session raises it


def _rebuild(*, setting: str, **_: Any) -> None:
    if setting in _REBUILD_AFTER:
        user_query.drop_statements()
    if setting == "AUTH_USER_MODEL":
        _watch_users()


log = logging.getLogger("sessionkeeper.security")
_mailer = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sessionkeeper-mail")
_pending: set[Future[None]] = set()
#: How many mails may wait, and at how many no password reset is accepted, which anybody can request.
MOST_MAILS, MOST_RESETS = 1000, 100


def send_aside(send: Callable[..., Any], *args: Any) -> None:
    """Call ``send`` in another thread, in the current language. Exceptions are logged."""
    _submit(get_language(), send, *args)


def _submit(language: str | None, send: Callable[..., Any], *args: Any) -> None:
    if len(_pending) >= MOST_MAILS:
        log.error("A mail was not sent, because %d others wait.", len(_pending))
        return
    future = _mailer.submit(_quietly, language, send, *args)
    _pending.add(future)
    future.add_done_callback(_pending.discard)


def is_busy() -> bool:
    """Return whether too many mails wait for another password reset."""
    return len(_pending) >= MOST_RESETS


def send_after_response(send: Callable[..., Any], *args: Any) -> None:
    """Call ``send`` as :func:`send_aside` does, but only when the response has been sent.

    So the time of the response does not tell whether there was something to do, not even by a busy processor.
    """
    start = partial(_submit, get_language(), send, *args)
    if context.current_session().in_request:
        context.at_end(start)
    else:
        start()


def wait() -> None:
    """Wait until all mail is sent, in tests and at shutdown."""
    while _pending:
        futures.wait(list(_pending))


def _quietly(language: str | None, send: Callable[..., Any], *args: Any) -> None:
    try:
        with override(language):
            send(*args)
    except Exception:
        log.exception("A mail could not be sent.")
    finally:
        connections.close_all()  # of this thread


#: Kinds of notices, as in ``NOTICES``.
NEW_DEVICE, TOKEN_MADE = "new_device", "token_made"
PASSWORD_CHANGED, COPY_DETECTED = "password_changed", "copy_detected"
#: How many of the user's sign-ins are compared to tell whether a device is new.
_RECENT = 50
_SIGN_INS = [Kind.SIGN_IN.value, Kind.TOKEN_MADE.value]


def _connect_notices() -> None:
    """Connect to the events that users are notified of."""
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
    device = attempts.signed_in.get()
    if kind == NEW_DEVICE and device is not None and device[1]:
        return
    here = namespaces.active()
    # No partial: where such a hook fails, Django looks for a name that a partial does not have.
    transaction.on_commit(lambda: _notify(kind, event, here), using=trail.database(), robust=True)


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
    user = _user_of(event)
    address = users.email_of(user)
    if address and (kind != NEW_DEVICE or _is_new(event)):
        context = {"user": user.get_username(), "event": event, "kind": kind}
        send_aside(_send, kind, context, address)


def _user_of(event: Event) -> Any:
    user = _signed_in.get()
    is_same = isinstance(user, get_user_model()) and user.pk == event.user_id
    return user if is_same else users.find(event.user_id)


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
