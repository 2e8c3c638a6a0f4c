"""``manage.py sessions erase``: what is stored of one person, for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from sessionkeeper.auth import erasure
from sessionkeeper.management import user_arguments
from sessionkeeper.management.base import confirm

HELP = (
    "Erase what is stored of a user: sessions, personal data in the audit trail, counts of failed sign-ins. "
    "Run it before the user is deleted, or give the names that the user had."
)


def add_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument("user", metavar="USER", nargs="?", help="the user, by name or primary key")
    parser.add_argument("--user-pk", metavar="PK", help="the user, who need not exist any more")
    parser.add_argument(
        "--name",
        metavar="NAME",
        action="append",
        default=[],
        help="a user name or e-mail address that the user had too; may be given more than once",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count")
    parser.add_argument("--no-input", "--noinput", action="store_true", help="do not ask for confirmation")


def run(options: dict[str, Any], write: Any) -> None:
    """Erase and say how much, or raise CommandError."""
    name, key = options["user"], options["user_pk"]
    if (name is None) == (key is None):
        raise CommandError("Say whom to erase: USER, or --user-pk PK.")
    pk = user_arguments.find_pk(name) if key is None else user_arguments.read_pk(key)
    if not (options["dry_run"] or options["no_input"]):
        question = f"This signs the user with the key {pk} out and erases the history for good."
        confirm(question, "Nothing was erased. (--no-input does not ask.)", write)
    found = erasure.erase(pk, names=options["name"], dry_run=options["dry_run"])
    done = "Would be erased" if options["dry_run"] else "Erased"
    write(
        f"{done}: {found.sessions} sessions, {found.events} audit events, "
        f"{found.counts} counts of failed sign-ins."
    )
