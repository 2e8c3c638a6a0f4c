"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class SessionKeeperConfig(AppConfig):
    """Registers signal receivers, system checks, and extensions for drf-spectacular."""

    name = "sessionkeeper"
    label = "sessionkeeper"
    verbose_name = _("Sessions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect receivers and checks."""
        from sessionkeeper import checks
        from sessionkeeper.auth import receivers
        from sessionkeeper.stores.database import references

        receivers.connect()
        references.relations()  # all models are known now
        checks.register()
        if apps.is_installed("drf_spectacular"):
            import sessionkeeper.api.openapi  # noqa: F401 - registers extensions
