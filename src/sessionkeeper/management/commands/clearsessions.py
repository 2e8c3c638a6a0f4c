"""``manage.py clearsessions``, there also without ``django.contrib.sessions`` among the applications."""

from __future__ import annotations

from django.contrib.sessions.management.commands import clearsessions


class Command(clearsessions.Command):
    """Django's command; ``manage.py sessions purge`` does the same and says what it did."""
