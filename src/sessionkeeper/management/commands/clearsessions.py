"""``manage.py clearsessions``, which also works without ``django.contrib.sessions``."""

from __future__ import annotations

from django.contrib.sessions.management.commands import clearsessions

from sessionkeeper.management.base import Command as OurCommand


class Command(OurCommand, clearsessions.Command):
    """Django's command. With our engine it does what ``manage.py sessions purge`` does, without output."""
