"""What all our commands are: whatever fails ends with one sentence and an exit code, and never a traceback.

Codes: 0, all was done; 1, it was refused or failed; 2, the arguments were wrong (argparse's); 130, it was
interrupted.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from sessionkeeper.core import failures

_INTERRUPTED = 130


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def confirm(question: str, refusal: str, write: Callable[[str], None]) -> None:
    """Go on only if somebody types yes.

    Raises:
        CommandError: they did not.
    """
    write(question)
    try:
        answer = input("Type 'yes' to go on: ")
    except (EOFError, KeyboardInterrupt, RuntimeError):  # the last: there is no standard input at all
        answer = ""
    if answer.strip().lower() != "yes":
        raise CommandError(refusal)


class Command(BaseCommand):
    """A command whose verbs may raise what they like: here, and only here, it becomes a sentence."""

    quiet = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command of a shell. Where not even the sentence can be written, the code is left."""
        try:
            super().run_from_argv(argv)
        except OSError:
            _to_nowhere(sys.stderr)
            sys.exit(1)

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command, output included: what cannot be written is a failure as well.

        Raises:
            CommandError: it failed; the text says why, ``returncode`` how.
        """
        self.quiet = options.get("verbosity") == 0
        self._open_what_is_closed()
        try:
            output = super().execute(*args, **options)
            self.stdout.flush()
        except CommandError:
            self._let_go()
            raise
        except (Exception, KeyboardInterrupt) as error:
            self._let_go()
            told = failures.sentence(error)
            if told is None:
                raise
            code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
            raise CommandError(told, returncode=code) from error
        return output

    def check(self, *args: Any, **options: Any) -> Any:
        """Stop at errors of the system checks; warnings are for ``manage.py check``, not for each run."""
        heard, self.stderr = self.stderr, OutputWrapper(io.StringIO())
        try:
            return super().check(*args, **options)
        finally:
            self.stderr = heard

    def say(self, text: str) -> None:
        """Say what was done: nothing with ``-v 0``, which leaves only what was asked for."""
        if not self.quiet:
            self.show(text)

    def show(self, text: str) -> None:
        """Write what was asked for, in characters that the terminal's encoding has."""
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        self.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def note(self, text: str, style: Any = str) -> None:
        """Say something beside the output, unless with ``-v 0``."""
        if not self.quiet:
            self.stderr.write(text, style)

    def _open_what_is_closed(self) -> None:
        """Give a command something to write to that was started without (``>&-``): output fails in words."""
        if sys.stdout is None:
            self.stdout = OutputWrapper(cast("Any", _Closed()))
        if sys.stderr is None:
            self.stderr = OutputWrapper(io.StringIO())

    def _let_go(self) -> None:
        """Write what is left of the output, or drop it, so that nothing is said of it at the exit."""
        try:
            self.stdout.flush()
        except (OSError, ValueError):
            if getattr(self, "_called_from_command_line", False):
                _to_nowhere(sys.stdout)


def _to_nowhere(stream: Any) -> None:
    """Drop what a stream still holds, which Python would try to write, and complain of, at the exit."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Closed(io.TextIOBase):
    """Standard output where there is none."""

    def write(self, text: str) -> int:
        raise OSError("there is no standard output")
