"""The one table of the database store."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from sessionkeeper.keys import encode_id


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
    previous_at = models.DateTimeField(null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    transport = models.CharField(_("transport"), max_length=8, default="cookie")
    data = models.JSONField(_("data"), default=dict)
    created_at = models.DateTimeField(_("created at"))
    authenticated_at = models.DateTimeField(_("authenticated at"), null=True)
    last_seen_at = models.DateTimeField(_("last seen at"))
    expires_at = models.DateTimeField(_("expires at"))
    idle_seconds = models.IntegerField(_("idle timeout in seconds"), null=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True)
    user_agent = models.CharField(_("user agent"), max_length=512, default="", blank=True)
    label = models.CharField(_("label"), max_length=100, default="", blank=True)
    amr = models.CharField(_("authentication methods"), max_length=100, default="", blank=True)
    version = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return encode_id(self.pk)
