"""The tables: sessions of the database store, ends of others, the audit trail, failed sign-ins."""

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
    """Return a column that names a user or nobody, without a constraint: none may keep a user from going."""
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
    """Return a column that names the tenant: empty where there are none, and in rows of older releases."""
    return models.CharField(
        _("namespace"), max_length=LONGEST_NAMESPACE, default="", db_default="", blank=True, editable=False
    )


class Session(models.Model):
    """The server's record of one sign-in, or of an anonymous visitor who stored something.

    Holds no secret: ``secret_hash`` and ``family_hash`` are SHA-256 digests, and ``data`` is plain JSON.
    ``user`` carries no database constraint, because users may live in another database and because a
    session must never keep a user from being deleted; it is derived from ``data`` at each save.
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
    """Says that a session of another store has ended, whatever a copy of that store may bring back.

    ``id`` is the session's, which in a namespace is mixed with that. The row is needed for as long as the
    session could have lived, ``until``.
    """

    id = models.BigIntegerField(primary_key=True)
    until = MomentField(_("until"), db_index=True)

    class Meta:
        verbose_name = _("tombstone")
        verbose_name_plural = _("tombstones")

    def __str__(self) -> str:
        return encode_id(self.pk)


class SiteMark(models.Model):
    """The one row that says which site this is, to the Valkey or Redis that its sessions are in.

    ``mark`` is random. The keys there have the same, so that another site's are told from ours.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    mark = models.CharField(max_length=32)

    class Meta:
        verbose_name = _("mark of the site")
        verbose_name_plural = _("marks of the site")

    def __str__(self) -> str:
        return self.mark[:8]


class _AppendOnlyRows(models.QuerySet["AuditEvent"]):
    """Rows that can be read and added. What purges and shortens them goes by ``_base_manager``."""

    def update(self, **values: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnly

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnly

    def delete(self) -> NoReturn:
        """Refuse."""
        raise AppendOnly


class AuditEvent(models.Model):
    """Something that happened to a session or an account. Rows are added, and removed when they are old.

    Holds no secret. ``user`` and ``actor`` carry no database constraint: the trail outlives its users.
    ``session_id`` is the number of the session, which may be gone.
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
        """Add the row; one that is there is not changed."""
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnly


class LoginAttempt(models.Model):
    """How often signing in has failed: for an account, a known device, or a source of requests.

    ``key`` is a keyed digest, because what people type as a name may be a password. Times are milliseconds
    since 1970, so that every database can reckon with them in one statement.
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
