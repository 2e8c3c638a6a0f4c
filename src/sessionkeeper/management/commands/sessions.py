"""``manage.py sessions``: list, show, revoke, purge, stats, import, export, unlock, doctor, erase, init."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

from django.core.management.base import CommandError

from sessionkeeper.auth import unlocking
from sessionkeeper.core import keys, records
from sessionkeeper.core.records import SessionRecord
from sessionkeeper.engine import registry, retention, users
from sessionkeeper.http.client_info import parse_address
from sessionkeeper.management import base, doctor, erase, formatting, init, stats, transfer, user_arguments
from sessionkeeper.stores.factory import get_store

_LIMIT = 50
_MOST = 1_000_000_000
_MOST_BATCH = 10_000
_LOUD = 2
_ID = f"the {keys.ID_LENGTH} characters that `sessions list` shows"
VERBS = ("list", "show", "revoke", "purge", "stats", "import", "export", "unlock", "doctor", "erase", "init")


class Command(base.Command):
    """Manages the sessions of all users, with one verb for each task."""

    help = "List, show, end, count and move sessions, and remove expired ones. Each verb has its own --help."

    def add_arguments(self, parser: Any) -> None:
        """Declare the verbs and their options."""
        verbs = parser.add_subparsers(
            dest="verb", required=True, metavar=f"{{{','.join(VERBS)}}}", title="verbs"
        )
        _add_list(verbs)
        _add_show(verbs)
        _add_revoke(verbs)
        _add_purge(verbs)
        _add_unlock(verbs)
        stats.add_arguments(_verb(verbs, "stats", stats.HELP))
        transfer.add_export_arguments(_verb(verbs, "export", transfer.EXPORT))
        transfer.add_import_arguments(_verb(verbs, "import", transfer.IMPORT))
        doctor.add_arguments(_verb(verbs, "doctor", doctor.HELP))
        erase.add_arguments(_verb(verbs, "erase", erase.HELP))
        init.add_arguments(_verb(verbs, "init", init.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the verb. The base class turns what it raises into a sentence."""
        getattr(self, f"_{options['verb']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        user, limit = _user(options), options["limit"]
        at_once = min(limit + 1, registry.MANY)
        records: Iterable[SessionRecord] = (
            registry.scan(at_once) if user is None else registry.walk(user, at_once)
        )
        rows = users.with_names(islice(records, limit + 1))
        shown, now, empty = islice(rows, limit), registry.now(), True
        for row in shown:
            if options["json"]:
                text = json.dumps(formatting.as_dict(*row, now))
                self.stdout.write(f"{'[' if empty else ','}\n  {text}", ending="")
            else:
                if empty:
                    self.show(formatting.heading())
                self.show(formatting.line(*row, now))
            empty = False
        if options["json"]:
            self.stdout.write("[]" if empty else "\n]")
        elif empty:
            self.stdout.write("No sessions.")
        if next(rows, None) is not None:
            self.note(f"There are more than {limit} sessions. Raise --limit to see them.", self.style.WARNING)

    def _show(self, options: dict[str, Any]) -> None:
        session_id = _session_id(options["id"])
        found = get_store().find(session_id)
        if found is None:
            raise CommandError(f"There is no session {keys.encode_id(session_id)}.")
        _, name = next(users.with_names([found.record]))
        if options["json"]:
            self.stdout.write(json.dumps(formatting.as_dict(found.record, name, found.now), indent=2))
            return
        for text in formatting.page(found.record, name, found.now):
            self.show(text)

    def _revoke(self, options: dict[str, Any]) -> None:
        ids, user, everyone = options["ids"], _user(options), options["everyone"]
        if sum((bool(ids), user is not None, everyone)) != 1:
            raise CommandError("Name the sessions to end: IDs, --user, --user-pk or --everyone.")
        if options["dry_run"]:
            self._would_revoke([_session_id(text) for text in ids], user, everyone=everyone)
        elif everyone:
            self._revoke_everyone(options)
        elif user is not None:
            self._report(registry.revoke_all(user, reason="command"))
        else:
            self._revoke_ids({_session_id(text): None for text in ids})

    def _would_revoke(self, session_ids: Collection[int], user: Any, *, everyone: bool) -> None:
        if everyone:
            number = get_store().count()
        elif user is not None:
            number = sum(1 for _ in registry.walk(user))
        else:
            number = sum(get_store().find(one) is not None for one in dict.fromkeys(session_ids))
        self.say(f"{base.counted(number, 'session')} would be ended.")

    def _revoke_ids(self, session_ids: Collection[int]) -> None:
        missing = [number for number in session_ids if not registry.revoke(number, reason="command")]
        self._report(len(session_ids) - len(missing))
        if missing:
            raise CommandError(f"There was no session {', '.join(map(keys.encode_id, missing))}.")

    def _revoke_everyone(self, options: dict[str, Any]) -> None:
        if not options["no_input"]:
            question = f"This ends all {get_store().count()} sessions, including your own."
            base.confirm(question, "Nothing was ended. With --no-input there is no question.", self.show)
        ended = 0
        for number in registry.revoke_everyone(reason="command"):
            ended += number
            self._progress(options, f"{ended} ended so far")
        self._report(ended)

    def _purge(self, options: dict[str, Any]) -> None:
        if options["dry_run"]:
            now = registry.now()
            number = sum(not records.is_live(record, now) for record in registry.scan())
            self.say(f"{base.counted(number, 'expired session')} would be removed.")
            return
        removed = Counter[str]()
        for what, number in retention.clean(options["batch"]):
            removed[what] += number
            if what == retention.SESSIONS:
                self._progress(options, f"{removed[what]} removed so far")
        self.say(f"{base.counted(removed[retention.SESSIONS], 'expired session')} removed.")
        for what, noun, rest in (
            (retention.COUNTS, "count", " of failed sign-ins"),
            (retention.EVENTS, "old audit event", ""),
        ):
            if removed[what]:
                self.say(f"{base.counted(removed[what], noun)}{rest} removed.")

    def _stats(self, options: dict[str, Any]) -> None:
        stats.run(options, self.stdout.write)

    def _export(self, options: dict[str, Any]) -> None:
        transfer.run_export(options, self.stdout, self.note)

    def _import(self, options: dict[str, Any]) -> None:
        transfer.run_import(options, self.say)

    def _doctor(self, options: dict[str, Any]) -> None:
        doctor.run(options, self.show)

    def _erase(self, options: dict[str, Any]) -> None:
        erase.run(options, self.say)

    def _init(self, options: dict[str, Any]) -> None:
        init.run(options, self.show)

    def _unlock(self, options: dict[str, Any]) -> None:
        name, source = options["name"], options["source"]
        if (name is None) == (source is None):
            raise CommandError("Name what to unlock: NAME or --source ADDRESS.")
        if name is not None:
            done = unlocking.unlock(name, reason="command")
        else:
            if parse_address(source) is None:
                raise CommandError(f"{source!r} is not an IP address.")
            done = unlocking.unlock_source(source)
        self.say("Unlocked." if done else "There were no failed sign-ins.")

    def _progress(self, options: dict[str, Any], text: str) -> None:
        if options["verbosity"] >= _LOUD:
            self.stdout.write(text)
            self.stdout.flush()

    def _report(self, ended: int) -> None:
        self.say(f"{base.counted(ended, 'session')} ended.")


def _add_list(verbs: Any) -> None:
    parser = _verb(
        verbs, "list", "List the sessions of all users or of one, newest first. Expired ones are marked."
    )
    _add_user(parser, "list only the sessions of this user")
    parser.add_argument(
        "--limit",
        metavar="N",
        type=_number(_MOST),
        default=_LIMIT,
        help="list at most this many (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")


def _add_show(verbs: Any) -> None:
    parser = _verb(verbs, "show", "Show one session, without its key, and without the values of its data.")
    parser.add_argument("id", metavar="ID", help=_ID)
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of lines")


def _add_revoke(verbs: Any) -> None:
    parser = _verb(verbs, "revoke", "End sessions. Their next requests are refused.")
    parser.add_argument("ids", metavar="ID", nargs="*", help=_ID)
    _add_user(parser, "end all sessions of this user")
    parser.add_argument("--everyone", action="store_true", help="end all sessions of all users and visitors")
    parser.add_argument(
        "--no-input", "--noinput", action="store_true", help="do not ask for confirmation of --everyone"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say how many would be ended")


def _add_purge(verbs: Any) -> None:
    parser = _verb(
        verbs,
        "purge",
        "Remove expired sessions and old audit events, in batches with short locks, and shorten the "
        "addresses in older events. Run it once a day. Expired sessions are refused whether it runs or not.",
    )
    parser.add_argument(
        "--batch",
        metavar="N",
        type=_number(_MOST_BATCH),
        default=registry.LARGEST,
        help="check at most this many sessions in each step, which -v 2 reports (default: %(default)s), and "
        "fewer where that takes longer than some hundredths of a second",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only read, and say how many sessions have expired"
    )


def _add_unlock(verbs: Any) -> None:
    parser = _verb(verbs, "unlock", "Let an account, or the clients of a network, sign in again at once.")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the name with which people sign in")
    parser.add_argument("--source", metavar="ADDRESS", help="an address of the network")


def _verb(verbs: Any, name: str, text: str) -> Any:
    # No abbreviations: `--every` must not end the sessions of all users.
    title = text.partition(". ")[0].rstrip(".")
    parser = verbs.add_parser(name, help=title, description=text, allow_abbrev=False)
    # Django declares its own options before the verb, but people write them after it.
    unset = argparse.SUPPRESS
    parser.add_argument("-v", "--verbosity", type=int, choices=range(4), default=unset, help=unset)
    for option in ("--settings", "--pythonpath"):
        parser.add_argument(option, default=unset, help=unset)
    for option in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
        parser.add_argument(option, action="store_true", default=unset, help=unset)
    return parser


def _add_user(parser: Any, text: str) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--user", metavar="NAME_OR_PK", help=f"{text}, by name or primary key")
    group.add_argument("--user-pk", metavar="PK", help=f"{text}, who may have been deleted")


def _user(options: dict[str, Any]) -> Any:
    """Return the primary key of the user whom the options name, or None without such an option."""
    if options["user"] is not None:
        return user_arguments.find_pk(options["user"])
    return None if options["user_pk"] is None else user_arguments.read_pk(options["user_pk"])


def _session_id(text: str) -> int:
    session_id = keys.parse_id(text)
    if session_id is None and keys.parse(text) is not None:
        raise CommandError(
            f"This is a session key, with which anybody can sign in. Give only its first {keys.ID_LENGTH} "
            "characters."
        )
    if session_id is None:
        raise CommandError(f"{text!r} is not a session id, {_ID}.")
    return session_id


def _number(most: int) -> Any:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = 0
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
        return number

    return read
