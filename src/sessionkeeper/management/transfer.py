"""``manage.py sessions export | import``: sessions in a file, to move them to another store.

A file begins with a line that names its format, and has a line of JSON for each session. The last line says
how many sessions there are, so that a truncated file is noticed. The file contains digests of session keys,
never a key.
"""

from __future__ import annotations

import json
import os
import sys
from binascii import a2b_hex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import islice
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any, Final

from django.core.management.base import CommandError

from sessionkeeper.audit import events, trail
from sessionkeeper.audit.events import ENDS
from sessionkeeper.core import keys, records
from sessionkeeper.core.errors import CorruptPayload, IdTaken
from sessionkeeper.core.moments import rfc3339
from sessionkeeper.core.records import BEARER, COOKIE, NewSession, SessionRecord, SessionTimestamps
from sessionkeeper.engine import registry, session_data
from sessionkeeper.management.base import counted
from sessionkeeper.stores import codec
from sessionkeeper.stores.codec import json_key
from sessionkeeper.stores.factory import get_store
from sessionkeeper.stores.redis import tombstones

EXPORT = (
    "Write all live sessions as lines of JSON, to a file or to standard output. The lines contain no session "
    "key, so nobody can sign in with them, but they contain the data of the sessions, which is personal data."
)
IMPORT = (
    "Restore the sessions of an export. Nothing is written unless every line can be read. Sessions that "
    "exist already, have expired, or have ended according to the audit trail are left out."
)
_HEAD: Final = {"format": "sessionkeeper sessions", "version": 1}
_END: Final = "sessions"
_DIGEST_LENGTH = 32
_MOST_SECONDS = 2**31 - 1
_LOUD = 2
_STANDARD_INPUT = "-"


def add_export_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="a new file, readable only by you (default: standard output)"
    )


def add_import_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument(
        "file", metavar="FILE", help=f"the file of an export, or {_STANDARD_INPUT} for standard input"
    )
    parser.add_argument("--dry-run", action="store_true", help="read every line and write nothing")


def run_export(options: dict[str, Any], out: Any, say: Callable[[str], None]) -> None:
    """Write the sessions, and report how many."""
    path = options["file"]
    if path is None:
        _write(out, options, say)
        return
    try:
        with _new_file(path) as file:
            _write(file, options, say)
    except OSError as error:
        raise CommandError(f"{path} is incomplete, so remove it: {_reason(error)}.") from error


def _write(file: Any, options: dict[str, Any], say: Callable[[str], None]) -> None:
    written, now = 0, registry.now()
    file.write(json.dumps(_HEAD) + "\n")
    for record in registry.scan():
        if not records.is_live(record, now):
            continue
        try:
            file.write(_line(record) + "\n")
        except CorruptPayload:
            say(f"Session {keys.encode_id(record.id)} is left out: its data cannot be read.")
            continue
        written += 1
        if options["verbosity"] >= _LOUD and written % registry.BATCH == 0:
            say(f"{written} exported so far")
    file.write(json.dumps({_END: written}) + "\n")
    file.flush()
    say(f"{counted(written, 'session')} exported.")


def run_import(options: dict[str, Any], say: Callable[[str], None]) -> None:
    """Restore the sessions, and report how many were restored or left out."""
    with ExitStack() as stack:
        file = stack.enter_context(_whole_file(options["file"]))
        total = sum(1 for _ in _read(file))  # the whole file is read before the first session is written
        if options["dry_run"]:
            say(f"{counted(total, 'session')} could be read. Nothing was written.")
            return
        file.seek(0)
        counts = {"restored": 0, "already there": 0, "expired": 0, "ended": 0}
        sessions = _read(file)
        while batch := list(islice(sessions, registry.BATCH)):
            for outcome in _restore(batch):
                counts[outcome] += 1
            if options["verbosity"] >= _LOUD:
                say(f"{sum(counts.values())} of {total} done so far")
    restored = counted(counts.pop("restored"), "session")
    rest = ", ".join(f"{number} {outcome}" for outcome, number in counts.items() if number)
    say(f"{restored} restored." + (f" Left out: {rest}." if rest else ""))


def _new_file(path: str) -> IO[str]:
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CommandError(f"{path} exists already. Name a new file.") from error
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
        return open(path, "rb")  # noqa: PTH123 - closed by the caller; pathlib changes some paths
    except (OSError, ValueError) as error:
        raise CommandError(f"{path!r} cannot be read: {_reason(error)}.") from error


def _read(file: IO[bytes]) -> Iterator[NewSession]:
    """Yield the sessions of an export.

    Raises:
        CommandError: a line is wrong, or the end is missing. The message has the number of the line.
    """
    found = 0
    numbered = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
    for number, line in numbered:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"Line {number} is not JSON. Nothing was written.") from error
        if number == 1:
            if values != _HEAD:
                raise CommandError("Line 1 is not the first line of an export. Nothing was written.")
            continue
        if isinstance(values, dict) and values.keys() == {_END}:
            if values[_END] != found or next(numbered, None) is not None:
                text = f"Line {number} is the end of an export, but its count is wrong or lines follow it"
                raise CommandError(f"{text}. Nothing was written.")
            return
        try:
            session = _session(values)
        except _BadLine as error:
            raise CommandError(f"Line {number} {error}. Nothing was written.") from error
        found += 1
        yield session
    raise CommandError(f"The file is truncated after {counted(found, 'session')}. Nothing was written.")


def _restore(batch: list[NewSession]) -> Iterator[str]:
    """Store the sessions that may be restored, and yield the outcome for each."""
    ids = [session.id for session in batch]
    recorded = trail.rows().filter(session_id__in=ids, kind__in=ENDS)
    ended = {*tombstones.among(ids), *recorded.values_list("session_id", flat=True)}
    restored, now, store = [], registry.now(), get_store()
    there = {record.id for record in store.find_many(ids)}
    for session in batch:
        if _has_expired(session, now):
            yield "expired"
        elif session.id in ended:
            yield "ended"
        elif session.id in there:
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
    expires_at: Any = session.lifetime  # an export always has the time itself
    return records.end_of(session.past_at(now).last_seen_at, expires_at, session.idle_seconds) <= now


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


# One line


class _BadLine(ValueError):
    """A line is not one that an export writes; the text says why."""


def _line(record: SessionRecord) -> str:
    """Return a session as a line.

    Raises:
        CorruptPayload: its data is not a JSON object.
    """
    try:
        data = json.loads(record.data)
    except ValueError as error:
        raise CorruptPayload("The stored session data cannot be read.") from error
    if not isinstance(data, dict):
        raise CorruptPayload("The stored session data is not an object.")
    values = {**record._asdict(), "id": keys.encode_id(record.id), "data": data}
    values["user_id"] = json_key(record.user_id)
    del values["version"], values["namespace"]  # an import restores into the active namespace
    return json.dumps(values, default=_as_text)


def _as_text(value: Any) -> str | None:
    return rfc3339(value) if isinstance(value, datetime) else bytes(value).hex()


def _session(values: Any) -> NewSession:
    """Return the session of a line that was parsed as JSON.

    Raises:
        _BadLine: it is not a session.
    """
    if not isinstance(values, dict):
        raise _BadLine("is not a JSON object")
    if missing := _READERS.keys() - values.keys():
        raise _BadLine(f"lacks {', '.join(sorted(missing))}")
    if unknown := values.keys() - _READERS.keys():
        raise _BadLine(f"has an unknown {min(unknown)!r}")
    read: dict[str, Any] = {}
    for name, reader in _READERS.items():
        try:
            read[name] = reader(values[name])
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _BadLine(f"has a wrong {name}: {error}") from error
    try:
        data = codec.decode(read["data"])
    except CorruptPayload as error:
        raise _BadLine("has data that this site cannot read; SECRET_KEY may differ") from error
    user_id, stated = session_data.owner_of(data), read["user_id"]
    # The data says who is signed in. The column only repeats it, and must not contradict it.
    if (user_id is None) != (stated is None) or str(user_id) != str(stated):
        raise _BadLine("has the data of another user")
    read |= {"data": codec.encode(data), "user_id": user_id, "lifetime": read.pop("expires_at")}
    past = SessionTimestamps(*(read.pop(name) for name in SessionTimestamps._fields))
    return NewSession(**read, past=past)


def _id(value: Any) -> int:
    number = keys.parse_id(value) if isinstance(value, str) else None
    if number is None:
        raise ValueError(f"{value!r} is not a session id")
    return number


def _digest(value: Any) -> bytes:
    digest = a2b_hex(value)
    if len(digest) != _DIGEST_LENGTH:
        raise ValueError(f"it must be {_DIGEST_LENGTH} bytes in hexadecimal")
    return digest


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return moment.astimezone(UTC)


def _checked(is_right: Callable[[Any], bool], wanted: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not is_right(value):
            raise ValueError(f"it must be {wanted}")
        return value

    return read


def _text(longest: int) -> Callable[[Any], Any]:
    def is_right(value: Any) -> bool:
        return isinstance(value, str) and len(value) <= longest and (value + " ").isprintable()

    return _checked(is_right, f"text of at most {longest} printable characters")


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_SECONDS


_object = _checked(lambda value: isinstance(value, dict), "a JSON object")


def _or_none(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else reader(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "id": _id,
    "secret_hash": _digest,
    "family_hash": _digest,
    "previous_hash": _or_none(_digest),
    "previous_at": _or_none(_moment),
    "user_id": _or_none(_checked(lambda value: isinstance(value, int | str), "a primary key")),
    "transport": _checked(lambda value: value in (COOKIE, BEARER), "cookie or bearer"),
    "data": lambda value: json.dumps(_object(value)),
    "created_at": _moment,
    "authenticated_at": _or_none(_moment),
    "last_seen_at": _moment,
    "expires_at": _moment,
    "idle_seconds": _or_none(_checked(_is_seconds, "a number of seconds")),
    "ip_address": _or_none(lambda value: str(ip_address(value))),
    "user_agent": _text(512),
    "label": _text(100),
    "amr": _text(100),
}
