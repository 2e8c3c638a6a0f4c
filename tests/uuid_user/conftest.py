"""Tests here need the user models of this application."""

from __future__ import annotations

from django.conf import settings

collect_ignore_glob = [] if "tests.uuid_user" in settings.INSTALLED_APPS else ["test_*.py"]
