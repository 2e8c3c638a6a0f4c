"""The tables: sessions, ended sessions of other stores, audit events, failed sign-ins."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from sessionkeeper.conf.validators import LONGEST_NAMESPACE
from sessionkeeper.core.errors import AppendOnly
from sessionkeeper.core.keys import encode_id
from sessionkeeper.core.moments import MomentField

__all__ = ["AuditEvent", "LoginAttempt", "Session"]


def _some_user(verbose_name: Any, *, db_index: bool = True) -> Any:
    """Return an optional user column without a constraint, so that it never prevents deleting a user."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=verbose_name,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=db_index,
        related_name="+",
    )


def _some_namespace() -> Any:
    """Return the column of the tenant: empty without tenants, and in rows of older releases."""
    return models.CharField(
        _("namespace"), max_length=LONGEST_NAMESPACE, default="", db_default="", blank=True, editable=False
    )


class Session(models.Model):
    """The server's record of one sign-in, or of an anonymous visitor with data.

    It contains no secret: ``secret_hash`` is a SHA-256 digest, ``family_hash`` an HMAC, and ``data`` is plain
    JSON. ``user`` has no database constraint, because users may be in another database and because a session
    must never prevent deleting a user; it is derived from ``data`` at each save.
    """

    id = models.BigIntegerField(primary_key=True)
    secret_hash = models.BinaryField(max_length=32)
    family_hash = models.BinaryField(max_length=32)
    previous_hash = models.BinaryField(max_length=32, null=True)
    previous_at = MomentField(null=True)
    user = _some_user(_("user"), db_index=False)
    transport = models.CharField(_("transport"), max_length=8, default="cookie")
    data = models.JSONField(_("data"), default=dict)
    created_at = MomentField(_("created at"))
    authenticated_at = MomentField(_("authenticated at"), null=True)
    last_seen_at = MomentField(_("last seen at"))
    expires_at = MomentField(_("expires at"))
    idle_seconds = models.IntegerField(_("idle timeout in seconds"), null=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True)
    user_agent = models.CharField(_("user agent"), max_length=512, default="", blank=True)
    label = models.CharField(_("label"), max_length=100, default="", blank=True)
    amr = models.CharField(_("authentication methods"), max_length=100, default="", blank=True)
    version = models.PositiveIntegerField(default=0)
    namespace = _some_namespace()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        indexes = (models.Index(fields=["user", "id"], name="sessionkeeper_session_user_id"),)

    def __str__(self) -> str:
        return encode_id(self.pk)


class Tombstone(models.Model):
    """Marks a session of another store as ended, even if a backup or replica of that store still has it.

    ``id`` is the id of the session, combined with its namespace. The row is needed ``until`` the session
    would have expired.
    """

    id = models.BigIntegerField(primary_key=True)
    until = MomentField(_("until"), db_index=True)

    class Meta:
        verbose_name = _("tombstone")
        verbose_name_plural = _("tombstones")

    def __str__(self) -> str:
        return encode_id(self.pk)


class SiteMark(models.Model):
    """The one row that identifies this site to the Valkey or Redis with its sessions.

    ``mark`` is random. The keys there contain it too, so that they are not confused with another site's.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    mark = models.CharField(max_length=32)

    class Meta:
        verbose_name = _("mark of the site")
        verbose_name_plural = _("marks of the site")

    def __str__(self) -> str:
        return self.mark[:8]


class _AppendOnlyRows(models.QuerySet["AuditEvent"]):
    """Rows that can be read and added. Code that deletes or shortens them uses ``_base_manager``."""

    def update(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not allowed."""
        raise AppendOnly

    bulk_update = delete = update


class AuditEvent(models.Model):
    """Something that happened to a session or an account. Rows are only added, and deleted when they are old.

    It contains no secret. ``user`` and ``actor`` have no database constraint: the trail outlives its users.
    ``session_id`` is the number of a session that may no longer exist.
    """

    at = MomentField(_("at"))
    kind = models.CharField(_("event"), max_length=40)
    user = _some_user(_("user"))
    session_id = models.BigIntegerField(_("session id"), null=True, db_index=True)
    actor = _some_user(_("by"), db_index=False)
    reason = models.CharField(_("reason"), max_length=40, default="", blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True)
    exact = models.BooleanField(_("address and user agent not shortened yet"), default=True)
    user_agent = models.CharField(_("user agent"), max_length=200, default="", blank=True)
    detail = models.JSONField(_("details"), default=dict)
    namespace = _some_namespace()

    objects = _AppendOnlyRows.as_manager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row. Changing an existing one raises an error."""
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not allowed."""
        raise AppendOnly


class LoginAttempt(models.Model):
    """How often signing in has failed: for an account, a name, a known device, or a source of requests.

    ``key`` is a keyed digest, because a name that somebody typed may be a password. Times are milliseconds
    since 1970, so that every database can calculate with them in one statement.
    """

    key = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(_("of"), max_length=8)
    failures = models.PositiveIntegerField(_("failures"), default=0)
    until = models.BigIntegerField(_("locked until"), default=0)
    at = models.BigIntegerField(_("last tried"), default=0)
    source = models.CharField(_("source"), max_length=43, default="", blank=True)
    user = _some_user(_("user"), db_index=False)
    namespace = _some_namespace()

    class Meta:
        verbose_name = _("failed sign-ins")
        verbose_name_plural = _("failed sign-ins")

    def __str__(self) -> str:
        return f"{self.kind} {self.key[:8]}"
