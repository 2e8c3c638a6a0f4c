"""The base class of our commands: failures end with one sentence and an exit code, without a traceback.

The codes are 0 (done), 1 (refused or failed), 2 (wrong arguments, from argparse) and 130 (interrupted).
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
    """Return a number and its noun, in the plural if needed."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def confirm(question: str, refusal: str, write: Callable[[str], None]) -> None:
    """Ask for confirmation.

    Raises:
        CommandError: the answer is not "yes"; the text is ``refusal``.
    """
    write(question)
    try:
        answer = input("Type 'yes' to continue: ")
    except (EOFError, KeyboardInterrupt, RuntimeError):  # RuntimeError: there is no standard input
        answer = ""
    if answer.strip().lower() != "yes":
        raise CommandError(refusal)


class Command(BaseCommand):
    """A command that turns exceptions into one sentence."""

    quiet = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command from a shell. If even the sentence cannot be written, only set the exit code."""
        try:
            super().run_from_argv(argv)
        except OSError:
            _to_nowhere(sys.stderr)
            sys.exit(1)

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run the command and flush its output: output that cannot be written is a failure too.

        Raises:
            CommandError: the command failed. The text says why; ``returncode`` is the exit code.
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
            text = failures.sentence(error)
            if text is None:
                raise
            code = _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
            raise CommandError(text, returncode=code) from error
        return output

    def check(self, *args: Any, **options: Any) -> Any:
        """Stop if system checks report errors. Their warnings are left to ``manage.py check``."""
        heard, self.stderr = self.stderr, OutputWrapper(io.StringIO())
        try:
            return super().check(*args, **options)
        finally:
            self.stderr = heard

    def say(self, text: str) -> None:
        """Report what was done, unless ``-v 0`` is given."""
        if not self.quiet:
            self.show(text)

    def show(self, text: str) -> None:
        """Write the result, with escapes for characters that the terminal's encoding lacks."""
        encoding = getattr(self.stdout, "encoding", None) or "utf-8"
        self.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def note(self, text: str, style: Any = str) -> None:
        """Write a note to standard error, unless ``-v 0`` is given."""
        if not self.quiet:
            self.stderr.write(text, style)

    def _open_what_is_closed(self) -> None:
        """Replace closed streams (``>&-``), so that writing to them fails with a message."""
        if sys.stdout is None:
            self.stdout = OutputWrapper(cast("Any", _Closed()))
        if sys.stderr is None:
            self.stderr = OutputWrapper(io.StringIO())

    def _let_go(self) -> None:
        """Write the rest of the output, or drop it, so that Python does not complain about it at exit."""
        try:
            self.stdout.flush()
        except (OSError, ValueError):
            if getattr(self, "_called_from_command_line", False):
                _to_nowhere(sys.stdout)


def _to_nowhere(stream: Any) -> None:
    """Drop what a stream has buffered, which Python would otherwise try to write at exit."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Closed(io.TextIOBase):
    """Stands in for a closed standard output."""

    def write(self, text: str) -> int:
        raise OSError("there is no standard output")
