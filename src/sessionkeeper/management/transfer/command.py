"""The verbs ``export`` and ``import``: options, files, and what is said at the end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any

from django.core.management.base import CommandError

from sessionkeeper.audit import events, trail
from sessionkeeper.audit.events import ENDS
from sessionkeeper.core import keys, policy
from sessionkeeper.core.errors import CorruptPayload, IdTaken
from sessionkeeper.core.records import NewSession
from sessionkeeper.engine import registry
from sessionkeeper.management.base import counted
from sessionkeeper.management.transfer import jsonl
from sessionkeeper.stores.factory import get_store
from sessionkeeper.stores.redis import tombstones

EXPORT = (
    "Write all live sessions as lines of JSON, to a file or to the terminal. There is no key among them, so "
    "nobody signs in by them; but there is all that sessions hold, which is personal data."
)
IMPORT = (
    "Restore sessions that an export wrote. Nothing is written unless every line is whole. Sessions that are "
    "there already, have expired, or have ended by the audit trail are left out."
)
_LOUD = 2
_STANDARD_INPUT = "-"


def add_export_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="a new file, which only you may read; default: the terminal"
    )


def add_import_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument(
        "file", metavar="FILE", help=f"what an export wrote; {_STANDARD_INPUT}: standard input"
    )
    parser.add_argument("--dry-run", action="store_true", help="look at every line and write nothing")


def run_export(options: dict[str, Any], out: Any, say: Callable[[str], None]) -> None:
    """Write the sessions, and say how many."""
    path = options["file"]
    if path is None:
        _write(out, options, say)
        return
    try:
        with _new_file(path) as file:
            _write(file, options, say)
    except OSError as error:
        raise CommandError(f"{path} is not whole, remove it: {_reason(error)}.") from error


def _write(file: Any, options: dict[str, Any], say: Callable[[str], None]) -> None:
    written = broken = 0
    file.write(json.dumps(jsonl.HEAD) + "\n")
    now = registry.now()
    for record in registry.scan():
        if not policy.is_live(record, now):
            continue
        try:
            file.write(jsonl.write(record) + "\n")
        except CorruptPayload:
            broken += 1
            say(f"Session {keys.encode_id(record.id)} is left out: its data cannot be read.")
            continue
        written += 1
        if options["verbosity"] >= _LOUD and written % registry.BATCH == 0:
            say(f"{written} exported so far")
    file.write(json.dumps({jsonl.END: written}) + "\n")
    file.flush()
    say(f"{counted(written, 'session')} exported.")


def run_import(options: dict[str, Any], say: Callable[[str], None]) -> None:
    """Restore the sessions, and say what became of each."""
    with ExitStack() as stack:
        file = stack.enter_context(_whole_file(options["file"]))
        whole = sum(1 for _ in _read(file))  # to the end, before the first is written
        if options["dry_run"]:
            say(f"{counted(whole, 'session')} could be read. Nothing was written.")
            return
        file.seek(0)
        counts = {"restored": 0, "already there": 0, "expired": 0, "ended": 0}
        records = _read(file)
        while batch := list(islice(records, registry.BATCH)):
            for outcome in _restore(batch):
                counts[outcome] += 1
            if options["verbosity"] >= _LOUD:
                say(f"{sum(counts.values())} of {whole} done so far")
    restored = counted(counts.pop("restored"), "session")
    rest = ", ".join(f"{number} {outcome}" for outcome, number in counts.items() if number)
    say(f"{restored} restored." + (f" Left out: {rest}." if rest else ""))


def _new_file(path: str) -> IO[str]:
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CommandError(f"{path} exists. Name a file that does not.") from error
    except (OSError, ValueError) as error:
        raise CommandError(f"{path!r} cannot be written: {_reason(error)}.") from error
    return os.fdopen(number, "w", encoding="utf-8")


def _whole_file(path: str) -> IO[bytes]:
    """Open a file that can be read twice."""
    if path == _STANDARD_INPUT and sys.stdin is None:
        raise CommandError("There is no standard input. Name a file.")
    if path == _STANDARD_INPUT:
        copy = TemporaryFile()  # noqa: SIM115 - closed by the caller
        copyfileobj(sys.stdin.buffer, copy)
        copy.seek(0)
        return copy
    try:
        file = open(path, "rb")  # noqa: SIM115, PTH123 - closed by the caller; a path of one's own
    except (OSError, ValueError) as error:
        raise CommandError(f"{path!r} cannot be read: {_reason(error)}.") from error
    return file


def _read(file: IO[bytes]) -> Iterator[NewSession]:
    """Yield the sessions of an export.

    Raises:
        CommandError: a line is none, or the end is missing. It names the line.
    """
    found = 0
    numbered = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
    for number, line in numbered:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"Line {number} is not JSON. Nothing was written.") from error
        if number == 1:
            if values != jsonl.HEAD:  # of this version
                raise CommandError("Line 1 is not the head of an export of sessions. Nothing was written.")
            continue
        if isinstance(values, dict) and values.keys() == {jsonl.END}:
            if values[jsonl.END] != found or next(numbered, None) is not None:
                raise CommandError(f"Line {number} is the end, and says otherwise. Nothing was written.")
            return
        try:
            session = jsonl.read(values)
        except jsonl.BadLine as error:
            raise CommandError(f"Line {number} {error}. Nothing was written.") from error
        found += 1
        yield session
    raise CommandError(f"The file is cut off after {counted(found, 'session')}. Nothing was written.")


def _restore(batch: list[NewSession]) -> Iterator[str]:
    """Store what may be, and yield what became of each."""
    ids = [session.id for session in batch]
    recorded = trail.rows().filter(session_id__in=ids, kind__in=ENDS)
    over = {*tombstones.among(ids), *recorded.values_list("session_id", flat=True)}
    restored, now, store = [], registry.now(), get_store()
    for session in batch:
        if _has_expired(session, now):
            yield "expired"
        elif session.id in over:
            yield "ended"
        elif store.find(session.id) is not None:
            yield "already there"
        else:
            try:
                store.insert(session)
            except IdTaken:
                yield "already there"
                continue
            restored.append(session)
            yield "restored"
    trail.record_all(
        trail.make(events.Kind.RESTORED, user=one.user_id, session_id=one.id, reason="command")
        for one in restored
        if one.user_id is not None
    )


def _has_expired(session: NewSession, now: datetime) -> bool:
    seen_at = session.past_at(now).last_seen_at
    expires_at: Any = session.lifetime  # a moment in every export
    return policy.end_of(seen_at, expires_at, session.idle_seconds) <= now


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
