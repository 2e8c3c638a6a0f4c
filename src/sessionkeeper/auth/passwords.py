"""Changes and resets passwords, with Django's validators and tokens, and ends the old sessions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, get_user_model
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import FieldError, PermissionDenied, ValidationError
from django.db import connections, router, transaction
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlsafe_base64_decode
from django.utils.translation import gettext as _

from sessionkeeper.audit import events, trail
from sessionkeeper.auth import attempts, lockout, receivers
from sessionkeeper.auth.flows import LONGEST_PASSWORD, require_recent
from sessionkeeper.conf import namespaces
from sessionkeeper.core.errors import InvalidCredentials, InvalidToken, RefusedPassword, TooManyTries
from sessionkeeper.core.keys import Secret
from sessionkeeper.engine import registry
from sessionkeeper.http.client_info import network, source_address
from sessionkeeper.stores.database.errors import revive, translate_errors

#: Route of the page that sets a new password, if ``sessionkeeper.pages.urls`` is included.
CONFIRM_ROUTE = "sessionkeeper-pages:password-reset-confirm"
_UID, _TOKEN = "the-uid-of-the-user", "the-token-of-the-mail"
#: How many password resets a client may request, and how many mails a mailbox may get, in how many seconds.
_RESETS, _RESET_MAILS = (10, 60), (5, 3600)
#: How long to wait if too many mails wait to be sent, in seconds.
_BUSY_WAIT = 60

log = logging.getLogger("sessionkeeper.security")


def change_password(request: HttpRequest, *, current: str | Secret[str], new: str | Secret[str]) -> None:
    """Change the signed-in user's password. All other sessions end, and this one's key changes.

    Raises:
        ReauthenticationRequired: the user has not authenticated recently.
        UserMismatch: the session is not that of ``request.user``.
        InvalidCredentials: ``current`` is not the password.
        TooManyTries: ``current`` was wrong too often in this session.
        RefusedPassword: a validator refused ``new``.
        SessionGone, StaleSession: the session was ended, or its key was changed, meanwhile.
        StoreUnavailable: the store did not answer. The password may or may not have changed.
    """
    current, new = Secret.of(current), Secret.of(new)
    require_recent(request)
    user: Any = request.user
    session: Any = request.session
    credentials = {"username": user.get_username(), "password": current}
    lockout.begin(request, credentials, user=user, session_id=registry.current_id(request))
    with translate_errors():  # the password may be hashed anew, which writes
        is_right = _is_password(user, current)
    if not is_right:
        lockout.failed(request, credentials, user.pk)
        raise InvalidCredentials
    lockout.succeeded(user)
    _check(new, user)
    session.rotate_key()  # before the password, so that an ended session cannot change it
    if not _set_password(user, new):
        raise InvalidCredentials
    registry.once_committed(_database_of(user), partial(_keep_only, request, user))


def _keep_only(request: HttpRequest, user: Any) -> None:
    """End all sessions of a user with a new password except the current one, which gets the new hash."""
    session: Any = request.session
    registry.revoke_all(user, registry.current_id(request), reason="password_changed", actor=user)
    if hasattr(user, "get_session_auth_hash"):
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()


def _is_password(user: Any, password: Secret[str]) -> bool:
    try:
        with lockout.checking(password):
            return bool(user.check_password(password.value))
    except PermissionDenied:  # it was changed meanwhile
        return False


def request_reset(request: HttpRequest, email: str) -> None:
    """Mail a link to the users with this address. Neither result nor time tells whether there are any.

    Whether the address has users is looked up when the response has been sent. A mailbox that has got too
    many mails gets no further one for some time; the result is the same.

    Raises:
        TooManyTries: the client has requested too many, or too many mails wait to be sent.
        StoreUnavailable: the database did not answer.
    """
    count_reset(request)
    if receivers.is_busy():
        log.error("A password reset was refused, because too many mails wait to be sent.")
        raise TooManyTries(_BUSY_WAIT)
    # Without the user: looking for one would take time, which could be measured.
    trail.record(events.Kind.PASSWORD_RESET_REQUESTED, address=trail.digest(email.casefold()))
    form = _ResetForm({"email": email})
    if not (form.is_valid() and may_mail(form.cleaned_data["email"])):
        return
    form.path = _confirm_path()
    if _are_users_seen_here_only():
        with translate_errors():
            form.users = list(form.get_users(form.cleaned_data["email"]))
    send = partial(
        form.save,
        use_https=request.is_secure(),
        domain_override=request.get_host(),
        subject_template_name="sessionkeeper/password_reset_subject.txt",
        email_template_name="sessionkeeper/password_reset_email.txt",
        token_generator=default_token_generator,
    )
    receivers.send_after_response(send)


def _are_users_seen_here_only() -> bool:
    """Return whether another connection may see other users, because of a transaction or of tenants."""
    users = connections[router.db_for_read(get_user_model())]
    return users.in_atomic_block or namespaces.must_be_read()


def confirm_reset(uid: str, token: str | Secret[str], new: str | Secret[str]) -> None:
    """Set a new password with the token of a reset mail. All of the user's sessions end.

    Raises:
        InvalidToken: the token is used, expired or not valid.
        RefusedPassword: a validator refused ``new``; the token stays valid.
    """
    token, new = Secret.of(token), Secret.of(new)
    user = user_of_reset(uid, token)
    if user is None:
        raise InvalidToken
    _check(new, user)
    if not _set_password(user, new):
        raise InvalidToken
    registry.once_committed(_database_of(user), partial(_keep_none, user))


def _keep_none(user: Any) -> None:
    registry.revoke_all(user, reason="password_changed")
    trail.record(events.Kind.PASSWORD_RESET, user=user)


def user_of_reset(uid: str, token: str | Secret[str]) -> Any:
    """Return the user of a reset token, or None. Accepts any text."""
    token = Secret.of(token)
    revive()
    try:
        pk = urlsafe_base64_decode(uid).decode("utf-8")
        with translate_errors():
            user = get_user_model()._default_manager.get(pk=pk)
    except (ValueError, OverflowError, TypeError, ValidationError, get_user_model().DoesNotExist):
        return None
    return user if default_token_generator.check_token(user, token.value) else None


def count_reset(request: HttpRequest) -> None:
    """Count a request for a password reset, or an attempt with its token, for the client.

    A client is an IPv4 address or a /64 of IPv6. Nothing is counted where the address may be a proxy's.

    Raises:
        TooManyTries: the client has had too many.
        StoreUnavailable: the database did not answer.
    """
    revive()
    source = network(source_address(request), ipv4=32, ipv6=64)
    if source is None:
        return
    with translate_errors():
        wait = attempts.consume_reset(lockout.client_key(source), *_RESETS)
    if wait:
        raise TooManyTries(wait)


def may_mail(mailbox: str) -> bool:
    """Count a mail with a link for this mailbox, and return whether it may get one.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    with translate_errors():
        return not attempts.consume_reset(lockout.mailbox_key(mailbox), *_RESET_MAILS)


class _ResetForm(PasswordResetForm):
    """Django's form, with its rules on who may reset a password, its token, and our templates."""

    #: The users with the address, if they have been looked up.
    users: list[Any] | None = None
    #: The path of our page, with placeholders; None if there is none. Only the request knows its URLconf.
    path: str | None = None

    def get_users(self, email: str) -> Iterator[Any]:
        """Yield the users to send a mail to; none if the user model lacks a field."""
        try:
            yield from super().get_users(email) if self.users is None else self.users
        except FieldError:
            log.exception("No password reset was sent: the user model lacks a field.")

    def send_mail(  # type: ignore[override] # the names of what is passed on are Django's
        self, subject: str, body: str, context: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Render and send, with the path of our page."""
        context = Secret(context)
        path = Secret(
            self.path
            and self.path.replace(_UID, context.value["uid"]).replace(_TOKEN, context.value["token"])
        )
        context = Secret({**context.value, "confirm_path": path.value})
        super().send_mail(subject, body, context.value, *args, **kwargs)


def _confirm_path() -> str | None:
    try:
        return reverse(CONFIRM_ROUTE, kwargs={"uid": _UID, "token": _TOKEN})
    except NoReverseMatch:
        return None


def _set_password(user: Any, new: Secret[str]) -> bool:
    """Write a new password, unless it was changed since ``user`` was read."""
    users, alias = user._meta.model._base_manager, _database_of(user)
    with translate_errors(), transaction.atomic(using=alias):
        same = users.using(alias).filter(pk=user.pk, password=user.password)
        if not same.update(password=user.password):  # compares, and locks the row
            return False
        user.set_password(new.value)
        user.save(using=alias, update_fields=["password"])
    return True


def _database_of(user: Any) -> str:
    return str(router.db_for_write(user._meta.model, instance=user))  # request.user is of a lazy type


def _check(password: Secret[str], user: Any) -> None:
    if len(password.value) > LONGEST_PASSWORD:
        message = _("A password has at most {longest} characters.")
        raise RefusedPassword([message.format(longest=LONGEST_PASSWORD)])
    try:
        validate_password(password.value, user)
    except ValidationError as error:
        raise RefusedPassword(list(error.messages)) from error
