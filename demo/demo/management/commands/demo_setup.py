"""Make the database of the demo and the people in it."""

import os
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from notes.models import Note

PEOPLE = (
    ("alice", "wonderland-tea-party", "alice@example.com", False),
    ("admin", "looking-glass-house", "admin@example.com", True),
)
NOTES = ("Ask the cat for the way", "Buy a watch that tells the day of the month")


class Command(BaseCommand):
    help = "Migrates the database, makes the demo users alice and admin, and says where the site is."
    requires_system_checks = ["sessionkeeper"]  # runserver runs the others

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo users have published passwords: they are made only with DEBUG on.")
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            raise CommandError(f"The database cannot be used: {error}".strip()) from None
        for username, password, email, is_staff in PEOPLE:
            make_person(username, password, email, is_staff=is_staff)
        self.stdout.write(f"The demo is at http://127.0.0.1:{os.environ.get('PORT') or '8000'}/\n\n")
        for username, password, _, is_staff in PEOPLE:
            self.stdout.write(f"  {username:<8}{password}{'   (staff, may use /admin/)' if is_staff else ''}")
        self.stdout.write("\nStop it with Ctrl-C.\n")


def make_person(username: str, password: str, email: str, *, is_staff: bool) -> None:
    """Make the user, or put an existing one back to what is printed."""
    users = get_user_model().objects
    is_new = not users.filter(username=username).exists()
    user = users.create_user(username, password=password) if is_new else users.get(username=username)
    if not user.check_password(password):
        user.set_password(password)
    user.email, user.is_staff, user.is_superuser, user.is_active = email, is_staff, is_staff, True
    user.save()
    if is_new and not is_staff:
        Note.objects.bulk_create(Note(owner=user, text=text) for text in NOTES)
