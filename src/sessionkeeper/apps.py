"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SessionKeeperConfig(AppConfig):
    """Registers the signal receivers that end sessions, and the system checks."""

    name = "sessionkeeper"
    label = "sessionkeeper"
    verbose_name = _("Sessions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect receivers and checks."""
        from sessionkeeper import checks, listeners, notice, receivers

        listeners.connect()  # before the receivers, which end the request
        receivers.connect()
        notice.connect()
        checks.register()
