"""``manage.py sessions erase``: permanently deletes what is stored about one person."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from sessionkeeper.auth import erasure
from sessionkeeper.management import user_arguments
from sessionkeeper.management.base import confirm

HELP = (
    "Erase what is stored about a user: sessions, personal data in the audit trail, and counts of failed "
    "sign-ins. Run it before you delete the user, or give the names that the user had."
)


def add_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument("user", metavar="USER", nargs="?", help="the user, by name or primary key")
    parser.add_argument("--user-pk", metavar="PK", help="the user, who may have been deleted")
    parser.add_argument(
        "--name",
        metavar="NAME",
        action="append",
        default=[],
        help="another user name or e-mail address of the user; can be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="count, and erase nothing")
    parser.add_argument("--no-input", "--noinput", action="store_true", help="do not ask for confirmation")


def run(options: dict[str, Any], write: Any) -> None:
    """Erase the data, and report how much."""
    name, key = options["user"], options["user_pk"]
    if (name is None) == (key is None):
        raise CommandError("Name the user to erase: USER or --user-pk PK.")
    pk = user_arguments.find_pk(name) if key is None else user_arguments.read_pk(key)
    if not (options["dry_run"] or options["no_input"]):
        question = (
            f"This ends all sessions of the user with the key {pk}, and permanently erases the history."
        )
        confirm(question, "Nothing was erased. With --no-input there is no question.", write)
    found = erasure.erase(pk, names=options["name"], dry_run=options["dry_run"])
    done = "Would erase" if options["dry_run"] else "Erased"
    write(
        f"{done}: {found.sessions} sessions, {found.events} audit events, "
        f"{found.counts} counts of failed sign-ins."
    )
